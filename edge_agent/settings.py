"""The agent's configuration file: strict, and every problem reported at once with line and key.

What stays true:
- A file with any problem starts nothing; problems of form (types, unknown keys) and of sense (dangling bus, unknown
  profile or point, ports out of range) come in one list.
- Secrets do not stand in the file: it names a file or an environment variable that holds the password.
- Relative paths are relative to the configuration file.

docs/operations.md explains each key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from collectors.agent_config import SECTIONS
from collectors.driver import Bus
from collectors.errors import ConfigurationError, Problem
from collectors.profile import MeterProfile, RegisterSpec, load_profiles, shipped_config_dir
from collectors.strict_yaml import Document, build, file_text, parse
from collectors.tls import NO_TLS_FILES, TlsFiles, client_context
from edge_agent.buffer import BufferLimits
from edge_agent.connection import Connection
from edge_agent.settings_checks import BUS_CHECKS, CHECKS, Tree, text_of

_DAY_MS = 86_400_000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AgentSection:
    enterprise: str  # Unified Social Credit Code, as in the registry
    id: str  # the agent's id in the registry
    signing_key_file: str | None = None  # signs the batches; `tanmai edge keygen` makes it. None = they go unsigned
    trusted_config_keys: tuple[str, ...] = ()  # whose configurations are taken; none = nobody's


@dataclass(frozen=True, slots=True)
class GatewaySection:
    mqtt: str  # mqtt://host:port or mqtts://host:port
    username: str | None = None  # None = <enterprise>/<agent>
    password_file: str | None = None  # holds the device token
    password_env: str | None = None  # names the variable that holds the device token
    ca_file: str | None = None  # mqtts: PEM file of certificate authorities; None = the system's
    cert_file: str | None = None  # mqtts: PEM file of our client certificate
    key_file: str | None = None  # its key; None = it stands in cert_file
    version: str = "auto"  # of MQTT: auto, 5 or 3.1.1
    form: str = "auto"  # in which batches travel: auto = the smallest that the gateway reads
    newest_first: bool = False  # half of the way for the newest batches while older ones drain
    resend_after_s: float = 30.0  # a batch without receipt goes out again after this


@dataclass(frozen=True, slots=True)
class BufferSection:
    path: str = "edge-buffer.sqlite"
    max_mib: float = 512.0
    max_age_days: float = 400.0
    when_full: str = "drop_oldest"  # or pause_polling


@dataclass(frozen=True, slots=True)
class ClockSection:
    tolerance_s: float = 5.0  # farther off than this, readings are marked uncertain


@dataclass(frozen=True, slots=True)
class BatchSection:
    max_readings: int = 1000
    max_age_s: float = 1.0  # readings wait at most this long in memory before they are a batch on disk


@dataclass(frozen=True, slots=True)
class DeviceSection:
    id: str
    bus: str
    profile: str
    unit: int = 1
    points: tuple[str, ...] | None = None  # None = all of the profile
    every_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _File:
    agent: AgentSection
    gateway: GatewaySection
    buses: tuple[Bus, ...]
    devices: tuple[DeviceSection, ...]
    buffer: BufferSection = field(default_factory=BufferSection)
    batch: BatchSection = field(default_factory=BatchSection)
    clock: ClockSection = field(default_factory=ClockSection)
    profiles_dir: str | None = None  # further meter profiles beside the shipped ones


@dataclass(frozen=True, slots=True)
class _OneBus:
    buses: tuple[Bus, ...]


@dataclass(frozen=True, slots=True)
class ConfiguredDevice:
    """A device with everything looked up."""

    section: DeviceSection
    profile: MeterProfile
    registers: tuple[RegisterSpec, ...]  # of the points to be read, in the profile's order

    @property
    def id(self) -> str:
        return self.section.id

    @property
    def every_ms(self) -> int:
        return round(self.section.every_s * 1000)


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """A configuration that was found right."""

    agent: AgentSection
    gateway: GatewaySection
    batch: BatchSection
    buses: tuple[Bus, ...]
    devices: tuple[ConfiguredDevice, ...]
    buffer_path: Path
    buffer_limits: BufferLimits
    pause_when_full: bool  # polling pauses where the buffer would drop its oldest batches
    clock_tolerance_ms: int
    directory: Path  # of the file; relative paths start here
    profiles: Mapping[str, MeterProfile]  # all that are known, by id

    @property
    def plans_path(self) -> Path:
        """Where the agent keeps what meters taught it about reading them."""
        return self.buffer_path.with_name(self.buffer_path.name + ".plans.json")

    @property
    def status_path(self) -> Path:
        """Where the running agent leaves its last status document."""
        return self.buffer_path.with_name(self.buffer_path.name + ".status.json")

    @property
    def config_state_path(self) -> Path:
        """Where the agent keeps its configurations from afar."""
        return self.buffer_path.with_name(self.buffer_path.name + ".config.json")


def load_settings(path: Path, from_afar: str = "") -> EdgeSettings:
    """Read and check a configuration file; raises ConfigurationError with every problem in it.

    `from_afar` is YAML with sections that stand in for those of the file (`collectors.agent_config`).
    """
    document = parse(file_text(path), str(path))
    problems: list[Problem] = []
    if from_afar:
        document = _overlaid(document, parse(from_afar, "configuration from afar"), problems)
    file = build(document, _File, problems)
    profiles = _profiles(document, path.parent, problems)
    tree = Tree(document, profiles)
    for check in CHECKS:
        problems.extend(problem for problem in check(tree) if not _known(problem, problems))
    if file is None or problems:
        raise ConfigurationError(sorted(problems, key=lambda problem: (problem.file != str(path), problem.line)))
    limits = BufferLimits(
        max_bytes=round(file.buffer.max_mib * _MIB),
        max_age_ms=round(file.buffer.max_age_days * _DAY_MS),
        resend_after_ms=round(file.gateway.resend_after_s * 1000),
        newest_first=file.gateway.newest_first,
    )
    devices = tuple(_configured(device, profiles[device.profile]) for device in file.devices)
    return EdgeSettings(
        file.agent,
        file.gateway,
        file.batch,
        file.buses,
        devices,
        path.parent / file.buffer.path,
        limits,
        file.buffer.when_full == "pause_polling",
        round(file.clock.tolerance_s * 1000),
        path.parent.absolute(),
        profiles,
    )


def _overlaid(own: Document, afar: Document, problems: list[Problem]) -> Document:
    """The own file with sections from afar; adds a problem for every key that cannot be changed from there."""
    if not isinstance(own.root, dict) or not isinstance(afar.root, dict):
        problems.append(afar.problem((), f"must be a mapping with {', '.join(SECTIONS)}"))
        return own
    sentence = f"cannot be changed from afar; only {', '.join(SECTIONS)} can"
    problems += [afar.problem((key,), sentence) for key in afar.root if key not in SECTIONS]
    taken = {key: value for key, value in afar.root.items() if key in SECTIONS}
    lines = {path: line for path, line in own.lines.items() if not path or path[0] not in taken}
    lines |= {path: line for path, line in afar.lines.items() if path and path[0] in taken}
    return Document({**own.root, **taken}, afar.file, lines, (*own.problems, *afar.problems))


def read_bus(text: str) -> Bus:
    """A bus as it would stand in the file, `{id: bus-1, driver: modbus-rtu, path: …}`; raises ConfigurationError."""
    document = parse(f"buses:\n- {text}", "--bus")
    problems: list[Problem] = []
    shape = build(document, _OneBus, problems)
    tree = Tree(document, {})
    for check in BUS_CHECKS:
        problems.extend(problem for problem in check(tree) if not _known(problem, problems))
    if shape is None or problems:
        raise ConfigurationError(problems)
    return shape.buses[0]


def connection_of(settings: EdgeSettings, environment: Mapping[str, str] = os.environ) -> Connection:
    """How to reach the gateway, with the password looked up; raises ConfigurationError if it is not there."""
    gateway, agent = settings.gateway, settings.agent
    tls = TlsFiles(*(_existing(gateway, settings.directory, key) for key in ("ca_file", "cert_file", "key_file")))
    if tls != NO_TLS_FILES:
        client_context(tls)
    password = _password(gateway, settings.directory, environment)
    default_name = f"{agent.enterprise}/{agent.id}" if password is not None else None
    username = gateway.username or default_name
    return Connection(gateway.mqtt, agent.enterprise, agent.id, username, password, tls, gateway.version)


def _existing(gateway: GatewaySection, directory: Path, key: str) -> str | None:
    name = getattr(gateway, key)
    if name is None:
        return None
    path = directory / name
    if not path.is_file():
        raise ConfigurationError([Problem("there is no such file", str(path), key=f"gateway.{key}")])
    return str(path)


def _password(gateway: GatewaySection, directory: Path, environment: Mapping[str, str]) -> str | None:
    if gateway.password_file is not None:
        path = directory / gateway.password_file
        try:
            password = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([Problem(f"cannot be read: {error}", key="gateway.password_file")]) from error
        if not password:
            message = f"{path} is empty; `tanmai token create` makes a device token"
            raise ConfigurationError([Problem(message, key="gateway.password_file")])
        return password
    if gateway.password_env is not None:
        if not environment.get(gateway.password_env):
            message = f"the environment variable {gateway.password_env} is not set; put the device token there"
            raise ConfigurationError([Problem(message, key="gateway.password_env")])
        return environment[gateway.password_env]
    return None


def _configured(device: DeviceSection, profile: MeterProfile) -> ConfiguredDevice:
    points = profile.points if device.points is None else device.points
    return ConfiguredDevice(device, profile, profile.select(points))


def _known(problem: Problem, problems: list[Problem]) -> bool:
    """Whether this key has a problem already: one per key is enough."""
    return any((problem.line, problem.key) == (other.line, other.key) for other in problems)


def _profiles(document: Document, directory: Path, problems: list[Problem]) -> dict[str, MeterProfile]:
    """Shipped profiles and those of `profiles_dir`; their problems are added to ours."""
    extra = text_of(document.root.get("profiles_dir")) if isinstance(document.root, dict) else None
    try:
        return load_profiles(shipped_config_dir(), *([directory / extra] if extra else []))
    except ConfigurationError as error:
        problems.extend(error.problems)
        return {}
