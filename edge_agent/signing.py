"""The agent's own key, which signs its batches, and the keys whose configurations it takes. Both are optional.

What stays true: the cryptographic library is loaded only where a key is configured. A batch is signed when it is sent,
not when it is made: after a change of the key everything that still waits goes out under the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collectors.errors import ConfigurationError, Problem
from edge_agent.printing import friendly
from edge_agent.settings import EdgeSettings

if TYPE_CHECKING:
    from collectors.seals import PublicKey

Seal = Callable[[bytes], bytes]


def unsealed(payload: bytes) -> bytes:
    """The seal of an agent without a key: none."""
    return payload


def seal_of(settings: EdgeSettings) -> Seal:
    """What is done to a payload before it is sent; raises ConfigurationError for a key that cannot be used."""
    agent = settings.agent
    if agent.signing_key_file is None:
        return unsealed
    from collectors.seals import SigningKey, seal

    try:
        key = SigningKey.load(settings.directory / agent.signing_key_file)
    except ConfigurationError as error:
        raise ConfigurationError([Problem(str(error), key="agent.signing_key_file")]) from error
    return lambda payload: seal(payload, key.sign("batch", agent.enterprise, agent.id, payload))


def trusted_keys_of(settings: EdgeSettings) -> dict[bytes, PublicKey]:
    """The keys whose configurations are taken, by their raw ids; empty = no configuration comes from outside."""
    if not settings.agent.trusted_config_keys:
        return {}
    from collectors.seals import PublicKey

    keys = [PublicKey.parse(text) for text in settings.agent.trusted_config_keys]
    return {key.raw_key_id: key for key in keys}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@friendly
def keygen(file: Path) -> None:
    """Make a key that signs this agent's batches; prints what the registry must know of it.

    FILE is new and readable by its owner only. Name it as agent.signing_key_file.
    """
    from collectors.seals import SigningKey

    try:
        key = SigningKey.make(file)
    except FileExistsError as error:
        raise ConfigurationError(f"{file}: is there already, and no key is overwritten: choose another name") from error
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from error
    click.echo(f"public key: {key.public.text}")
    click.echo(f"key id: {key.public.key_id}")
    click.echo(f"in the registry, at this agent: public_keys: ['{key.public.text}']")
