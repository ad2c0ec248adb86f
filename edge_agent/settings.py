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
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collectors.driver import Bus
from collectors.drivers import DRIVERS
from collectors.errors import ConfigurationError, Problem
from collectors.profile import MeterProfile, RegisterSpec, load_profiles, shipped_config_dir
from collectors.strict_yaml import Document, KeyPath, Scalar, build, parse
from edge_agent.buffer import BufferLimits
from edge_agent.publisher import DEFAULT_PORTS, Connection

# Ids go into MQTT topics, point references (device.point) and file names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_DAY_MS = 86_400_000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AgentSection:
    enterprise: str  # Unified Social Credit Code, as in the registry
    id: str  # the agent's id in the registry


@dataclass(frozen=True, slots=True)
class GatewaySection:
    mqtt: str  # mqtt://host:port or mqtts://host:port
    username: str | None = None  # None = <enterprise>/<agent>
    password_file: str | None = None  # holds the device token
    password_env: str | None = None  # names the variable that holds the device token
    ca_file: str | None = None  # mqtts: PEM file of certificate authorities; None = the system's
    resend_after_s: float = 30.0  # a batch without receipt goes out again after this


@dataclass(frozen=True, slots=True)
class BufferSection:
    path: str = "edge-buffer.sqlite"
    max_mib: float = 512.0
    max_age_days: float = 400.0


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
    profiles_dir: str | None = None  # further meter profiles beside the shipped ones


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
    directory: Path  # of the file; relative paths start here

    @property
    def status_path(self) -> Path:
        """Where the running agent leaves its last status document."""
        return self.buffer_path.with_name(self.buffer_path.name + ".status.json")


def load_settings(path: Path) -> EdgeSettings:
    """Read and check a configuration file; raises ConfigurationError with every problem in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(f"cannot be read: {error}", str(path))]) from error
    document = parse(text, str(path))
    problems: list[Problem] = []
    file = build(document, _File, problems)
    profiles = _profiles(document, path.parent, problems)
    tree = _Tree(document, profiles)
    for check in CHECKS:
        problems.extend(problem for problem in check(tree) if not _known(problem, problems))
    if file is None or problems:
        raise ConfigurationError(sorted(problems, key=lambda problem: (problem.file != str(path), problem.line)))
    limits = BufferLimits(
        max_bytes=round(file.buffer.max_mib * _MIB),
        max_age_ms=round(file.buffer.max_age_days * _DAY_MS),
        resend_after_ms=round(file.gateway.resend_after_s * 1000),
    )
    devices = tuple(_configured(device, profiles[device.profile]) for device in file.devices)
    buffer_path = path.parent / file.buffer.path
    return EdgeSettings(
        file.agent, file.gateway, file.batch, file.buses, devices, buffer_path, limits, path.parent.absolute()
    )


def connection_of(settings: EdgeSettings, environment: Mapping[str, str] = os.environ) -> Connection:
    """How to reach the gateway, with the password looked up; raises ConfigurationError if it is not there."""
    gateway, agent = settings.gateway, settings.agent
    ca_file = None if gateway.ca_file is None else str(settings.directory / gateway.ca_file)
    if ca_file is not None and not Path(ca_file).is_file():
        raise ConfigurationError([Problem("there is no such file", ca_file, key="gateway.ca_file")])
    password = _password(gateway, settings.directory, environment)
    default_name = f"{agent.enterprise}/{agent.id}" if password is not None else None
    return Connection(gateway.mqtt, agent.enterprise, agent.id, gateway.username or default_name, password, ca_file)


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


# --- checks of sense: on the parsed file, so that they run even where its form is wrong -------------------------------


@dataclass(frozen=True, slots=True)
class _Tree:
    """The file as written. A value whose form is wrong is None here: that is another check's problem."""

    document: Document
    profiles: Mapping[str, MeterProfile]

    def entries(self, section: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
        """The mappings of a section: one for `agent`, one for each device of `devices`."""
        raw = self.document.root.get(section) if isinstance(self.document.root, dict) else None
        if isinstance(raw, dict):
            yield (section,), raw
        for index, entry in enumerate(raw if isinstance(raw, list) else ()):
            if isinstance(entry, dict):
                yield (section, index), entry

    def texts(self, section: str, key: str) -> Iterator[tuple[KeyPath, str]]:
        """Each text written under a key of a section."""
        for path, entry in self.entries(section):
            text = text_of(entry.get(key))
            if text is not None:
                yield (*path, key), text


def text_of(raw: Any) -> str | None:
    return raw.text if isinstance(raw, Scalar) and not raw.is_null else None


def _number_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_RANGES: tuple[tuple[str, str, float, float, str], ...] = (
    ("buses", "port", 1, 65535, "a TCP port"),
    ("devices", "unit", 0, 255, "a Modbus unit identifier"),
    ("devices", "every_s", 0.1, 86_400, "seconds between two readings"),
    ("gateway", "resend_after_s", 1, 3600, "seconds"),
    ("buffer", "max_mib", 1, 1024 * 1024, "MiB"),
    ("buffer", "max_age_days", 1, 36_500, "days"),
    ("batch", "max_readings", 1, 5000, "readings in one message"),
    ("batch", "max_age_s", 0, 60, "seconds"),
)


def _ranges(tree: _Tree) -> Iterator[Problem]:
    for section, key, least, most, what in _RANGES:
        for path, text in tree.texts(section, key):
            number = _number_of(text)
            if number is not None and not least <= number <= most:
                yield tree.document.problem(path, f"must be {least:g} to {most:g} ({what}), not {text}")


def _ids(tree: _Tree) -> Iterator[Problem]:
    for section, key in (("agent", "enterprise"), ("agent", "id"), ("buses", "id"), ("devices", "id")):
        found = list(tree.texts(section, key))
        seen = Counter(text for _, text in found)
        for path, text in found:
            if not _ID.match(text):
                yield tree.document.problem(path, f"{text!r} must be 1 to 64 letters, digits, - and _")
            if seen[text] > 1:
                yield tree.document.problem(path, f"{text} is used {seen[text]} times; ids must differ")


def _buses(tree: _Tree) -> Iterator[Problem]:
    for path, text in tree.texts("buses", "driver"):
        if text not in DRIVERS:
            yield tree.document.problem(path, f"there is no driver {text}; known are {', '.join(sorted(DRIVERS))}")
    known = [text for _, text in tree.texts("buses", "id")]
    used = set()
    for path, text in tree.texts("devices", "bus"):
        used.add(text)
        if text not in known:
            yield tree.document.problem(path, f"there is no bus {text}; known are {', '.join(known) or 'none'}")
    for path, text in tree.texts("buses", "id"):
        if text not in used:
            yield tree.document.problem(path, f"no device is on bus {text}; remove the bus or add its devices")


def _devices(tree: _Tree) -> Iterator[Problem]:
    for path, entry in tree.entries("devices"):
        name = text_of(entry.get("profile"))
        if name is None:
            continue
        profile = tree.profiles.get(name)
        if profile is None:
            message = f"there is no profile {name}; known are {', '.join(sorted(tree.profiles)) or 'none'}"
            yield tree.document.problem((*path, "profile"), message)
            continue
        points = entry.get("points")
        texts = [text_of(raw) for raw in points] if isinstance(points, list) else []
        if isinstance(points, list) and not points:
            yield tree.document.problem((*path, "points"), "is empty; leave the key out to read all points")
        for index, text in enumerate(texts):
            place = (*path, "points", index)
            if text is not None and text not in profile.by_point:
                message = f"{name} has no point {text}; it has {', '.join(profile.points)}"
                yield tree.document.problem(place, message)
            elif text is not None and text in texts[:index]:
                yield tree.document.problem(place, f"{text} stands here twice")


def _gateway(tree: _Tree) -> Iterator[Problem]:
    for path, text in tree.texts("gateway", "mqtt"):
        reason = _wrong_url(text)
        if reason:
            yield tree.document.problem(path, reason)
    for path, entry in tree.entries("gateway"):
        if text_of(entry.get("password_file")) and text_of(entry.get("password_env")):
            yield tree.document.problem((*path, "password_env"), "give either password_file or password_env, not both")
        if text_of(entry.get("ca_file")) and not (text_of(entry.get("mqtt")) or "").startswith("mqtts:"):
            yield tree.document.problem((*path, "ca_file"), "only means something with an mqtts:// address")


def _wrong_url(text: str) -> str:
    """Why a text is no address of a broker; "" if it is one. Does not repeat a password."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "must be mqtt://host:port or mqtts://host:port with a port of 1 to 65535"
    if parts.username or parts.password:
        return "must not hold a name or password; use username and password_file or password_env"
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0 or parts.path not in ("", "/"):
        return f"must be mqtt://host:port or mqtts://host:port, not {text}"
    return ""


def _not_empty(tree: _Tree) -> Iterator[Problem]:
    root = tree.document.root
    for section in ("buses", "devices"):
        if isinstance(root, dict) and root.get(section) == []:
            yield tree.document.problem((section,), "is empty; an agent needs something to read")


CHECKS: tuple[Callable[[_Tree], Iterator[Problem]], ...] = (_ids, _ranges, _buses, _devices, _gateway, _not_empty)


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
