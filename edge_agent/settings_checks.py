"""What a configuration file must make sense of, beyond its form: one function per subject, all in `CHECKS`.

The checks run on the parsed file as written, so that they speak even where its form is wrong, and each gives every
problem it sees with the place of the key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from collectors.driver import DEFAULT_HOST, DEFAULT_PORT, Bus
from collectors.drivers import DRIVERS, DriverKind
from collectors.errors import Problem
from collectors.profile import MeterProfile
from collectors.strict_yaml import Document, KeyPath, Scalar
from edge_agent.connection import DEFAULT_PORTS, VERSIONS
from edge_agent.forms import WANTED_FORMS

# Ids go into MQTT topics, point references (device.point) and file names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_LINE_KEYS = frozenset(Bus.__dataclass_fields__) - {"id", "driver"}


@dataclass(frozen=True, slots=True)
class Tree:
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
    ("buses", "baud", 300, 4_000_000, "bits per second"),
    ("buses", "stopbits", 1, 2, "stop bits"),
    ("buses", "bytesize", 7, 8, "bits of a character"),
    ("devices", "unit", 0, 255, "a Modbus unit identifier"),
    ("devices", "every_s", 0.1, 86_400, "seconds between two readings"),
    ("gateway", "resend_after_s", 1, 3600, "seconds"),
    ("buffer", "max_mib", 1, 1024 * 1024, "MiB"),
    ("buffer", "max_age_days", 1, 36_500, "days"),
    ("clock", "tolerance_s", 0.5, 3600, "seconds"),
    ("batch", "max_readings", 1, 5000, "readings in one message"),
    ("batch", "max_age_s", 0, 60, "seconds"),
)


def _ranges(tree: Tree) -> Iterator[Problem]:
    for section, key, least, most, what in _RANGES:
        for path, text in tree.texts(section, key):
            number = _number_of(text)
            if number is not None and not least <= number <= most:
                yield tree.document.problem(path, f"must be {least:g} to {most:g} ({what}), not {text}")


def _ids(tree: Tree) -> Iterator[Problem]:
    for section, key in (("agent", "enterprise"), ("agent", "id"), ("buses", "id"), ("devices", "id")):
        found = list(tree.texts(section, key))
        seen = Counter(text for _, text in found)
        for path, text in found:
            if not _ID.match(text):
                yield tree.document.problem(path, f"{text!r} must be 1 to 64 letters, digits, - and _")
            if seen[text] > 1:
                yield tree.document.problem(path, f"{text} is used {seen[text]} times; ids must differ")


def _drivers(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.texts("buses", "driver"):
        if text not in DRIVERS:
            yield tree.document.problem(path, f"there is no driver {text}; known are {', '.join(DRIVERS)}")


def _buses(tree: Tree) -> Iterator[Problem]:
    known = [text for _, text in tree.texts("buses", "id")]
    used = set()
    for path, text in tree.texts("devices", "bus"):
        used.add(text)
        if text not in known:
            yield tree.document.problem(path, f"there is no bus {text}; known are {', '.join(known) or 'none'}")
    for path, text in tree.texts("buses", "id"):
        if text not in used:
            yield tree.document.problem(path, f"no device is on bus {text}; remove the bus or add its devices")


def _devices(tree: Tree) -> Iterator[Problem]:
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


def _gateway(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.texts("gateway", "mqtt"):
        reason = _wrong_url(text)
        if reason:
            yield tree.document.problem(path, reason)
    for path, entry in tree.entries("gateway"):
        if text_of(entry.get("password_file")) and text_of(entry.get("password_env")):
            yield tree.document.problem((*path, "password_env"), "give either password_file or password_env, not both")
        if not (text_of(entry.get("mqtt")) or "").startswith("mqtts:"):
            for key in ("ca_file", "cert_file", "key_file"):
                if text_of(entry.get(key)):
                    yield tree.document.problem((*path, key), "only means something with an mqtts:// address")
        if text_of(entry.get("key_file")) and not text_of(entry.get("cert_file")):
            yield tree.document.problem((*path, "key_file"), "needs cert_file, the certificate of this key")


def _trusted_keys(tree: Tree) -> Iterator[Problem]:
    for path, entry in tree.entries("agent"):
        raw = entry.get("trusted_config_keys")
        texts = [text_of(one) for one in raw] if isinstance(raw, list) else []
        for index, text in enumerate(texts):
            from collectors.seals import PublicKey  # most agents have no such key and need no cryptography

            try:
                PublicKey.parse(text or "")
            except ValueError as error:
                yield tree.document.problem((*path, "trusted_config_keys", index), str(error))


_CHOICES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("gateway", "version", VERSIONS),
    ("gateway", "form", WANTED_FORMS),
    ("buffer", "when_full", ("drop_oldest", "pause_polling")),
)


def _choices(tree: Tree) -> Iterator[Problem]:
    for section, key, allowed in _CHOICES:
        for path, text in tree.texts(section, key):
            if text not in allowed:
                yield tree.document.problem(path, f"must be one of {', '.join(allowed)}, not {text}")


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


def _not_empty(tree: Tree) -> Iterator[Problem]:
    root = tree.document.root
    for section in ("buses", "devices"):
        if isinstance(root, dict) and root.get(section) == []:
            yield tree.document.problem((section,), "is empty; an agent needs something to read")


def _lines(tree: Tree) -> Iterator[Problem]:
    """Each bus has the keys that its driver understands, and a line of its own."""
    taken: dict[str, str] = {}
    for path, entry in tree.entries("buses"):
        kind = DRIVERS.get(text_of(entry.get("driver")) or "")
        if kind is None:
            continue
        name = text_of(entry.get("driver"))
        for key in sorted(kind.needs - entry.keys()):
            yield tree.document.problem(path, f"{name} needs {key}")
        for key in sorted(_LINE_KEYS & entry.keys() - kind.needs - kind.takes):
            allowed = ", ".join(sorted(kind.needs | kind.takes))
            yield tree.document.problem((*path, key), f"means nothing to {name}; it takes {allowed}")
        if name == "modbus-rtu" and text_of(entry.get("bytesize")) == "7":
            yield tree.document.problem((*path, "bytesize"), "RTU needs 8 bits; 7 are for modbus-ascii")
        place = _place_of(entry, kind)
        if place in taken:
            message = f"{place} is bus {taken[place]} already: put its devices there, one bus asks one at a time"
            yield tree.document.problem((*path, "path" if "path" in entry else "port"), message)
        if place is not None:
            taken.setdefault(place, text_of(entry.get("id")) or "")


def _place_of(entry: Mapping[str, Any], kind: DriverKind) -> str | None:
    """What two buses must not share; None if it is missing."""
    if "path" in kind.needs:
        return text_of(entry.get("path"))
    return f"{text_of(entry.get('host')) or DEFAULT_HOST}:{text_of(entry.get('port')) or DEFAULT_PORT}"


Check = Callable[[Tree], Iterator[Problem]]
BUS_CHECKS: tuple[Check, ...] = (_ids, _ranges, _drivers, _lines)  # what can be said of buses alone
CHECKS: tuple[Check, ...] = (*BUS_CHECKS, _buses, _devices, _gateway, _trusted_keys, _choices, _not_empty)
