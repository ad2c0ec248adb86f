"""What a gateway tells an agent to do: a version of its `buses`, `devices` and `batch` sections, sealed and sent.

It travels retained on `tanmai/v1/{enterprise}/{agent}/config`, sealed by the gateway's configuration key
(`collectors.seals`, purpose `config`). The text is YAML as a person wrote it, so that the agent checks it with the very
code of `tanmai edge check`. Empty text means: go by your own file.

What stays true: nothing else of an agent can be said from afar: neither who it is, nor its keys, nor its gateway.
Limits: MAX_TEXT_BYTES of text; versions from 1 to MAX_VERSION.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from collectors.errors import WireError

SECTIONS = ("buses", "devices", "batch")
MAX_TEXT_BYTES = 256 * 1024
MAX_VERSION = 2**31 - 1
_FORM = 1


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One version of an agent's configuration."""

    enterprise: str
    agent: str
    version: int  # greater than every one before
    made_at_ms: int
    text: str  # YAML with some of SECTIONS; "" = by your own file


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    enterprise: str
    agent: str
    version: int
    made_at: int
    text: str


_DECODER = msgspec.json.Decoder(_Wire)


def encode_config(config: AgentConfig) -> bytes:
    return msgspec.json.encode(
        _Wire(_FORM, config.enterprise, config.agent, config.version, config.made_at_ms, config.text)
    )


def decode_config(payload: bytes) -> AgentConfig:
    """JSON bytes -> AgentConfig; raises WireError."""
    try:
        wire = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("undecodable", f"not a configuration: {error}") from error
    if wire.v != _FORM:
        raise WireError("unknown_version", f"the configuration has form {wire.v}; this agent reads {_FORM}")
    if not 1 <= wire.version <= MAX_VERSION or len(wire.text.encode()) > MAX_TEXT_BYTES:
        raise WireError("too_large", f"a version is 1 to {MAX_VERSION}, its text at most {MAX_TEXT_BYTES} bytes")
    return AgentConfig(wire.enterprise, wire.agent, wire.version, wire.made_at, wire.text)
