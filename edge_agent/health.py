"""The agent's status document: what a person or the gateway needs to see that all is well, or what is not.

It is published retained, left in a file beside the buffer for `tanmai edge status`, and replaced by the last will when
the connection is lost. Counters start at 0 with the process, except those of the buffer, which are kept for good.

Limit: one entry per configured device; texts of errors are cut at MAX_TEXT characters.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from collectors.wire import Receipt
from edge_agent.buffer import BufferStats
from edge_agent.polling import Poll
from edge_agent.trial import Asked

VERSION = 1
MAX_TEXT = 200
LOAD_SPAN_MS = 300_000


@dataclass(slots=True)
class _Device:
    polls: int = 0
    answers: int = 0  # polls that gave a reading
    last_seen_ms: int | None = None  # start of the last poll that gave a reading
    failures_in_a_row: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # kind -> count
    last_error: str = ""
    last_error_ms: int | None = None

    def document(self) -> dict[str, Any]:
        return {
            "polls": self.polls,
            "last_seen_at": self.last_seen_ms,
            "failures_in_a_row": self.failures_in_a_row,
            "errors": dict(self.errors),
            "last_error": self.last_error,
            "last_error_at": self.last_error_ms,
        }


@dataclass(frozen=True, slots=True)
class LineState:
    """How the line to the gateway stands."""

    connected: bool
    problem: str
    on_their_way: int  # batches sent and not yet confirmed
    dropped_receipts: int
    mqtt_version: str
    form: str  # in which batches travel
    refused_messages: int  # by the broker
    oversized_batches: int  # larger than the broker takes


@dataclass(slots=True)
class _Bus:
    """How busy a bus is: what its polls took, in this span of time and the one before."""

    since_ms: int
    busy_s: float = 0.0
    busy_before_s: float = 0.0
    before_since_ms: int | None = None

    def took(self, seconds: float, now_ms: int) -> None:
        if not 0 <= now_ms - self.since_ms < LOAD_SPAN_MS:
            self.busy_before_s, self.before_since_ms = self.busy_s, self.since_ms
            self.busy_s, self.since_ms = 0.0, now_ms
        self.busy_s += seconds

    def load(self, now_ms: int) -> float:
        """Share of the time; after the clock was set, a guess until the span is over."""
        since_ms = self.since_ms if self.before_since_ms is None else self.before_since_ms
        passed_s = max(now_ms - since_ms, 1) / 1000
        return round(min((self.busy_s + self.busy_before_s) / passed_s, 1.0), 3)


class Health:
    """What happened so far. `devices` names the bus of each."""

    def __init__(self, devices: Mapping[str, str], started_ms: int) -> None:
        self._started_ms = started_ms
        self._bus_of = dict(devices)
        self._devices = {device: _Device() for device in devices}
        self._buses = {bus: _Bus(started_ms) for bus in devices.values()}
        self._receipts: Counter[str] = Counter()
        self._set_aside_by_gateway: Counter[str] = Counter()  # reason -> readings
        self._last_receipt: dict[str, Any] | None = None
        self._lost_readings = 0

    def polled(self, poll: Poll, now_ms: int) -> None:
        """A poll has ended, well or not."""
        device = self._devices[poll.device]
        self._buses[self._bus_of[poll.device]].took(poll.took_s, now_ms)
        device.polls += 1
        if poll.result.readings:
            device.answers += 1
            device.last_seen_ms = poll.started_ms
            device.failures_in_a_row = 0
        elif poll.result.errors:
            device.failures_in_a_row += 1
        for error in poll.result.errors:
            device.errors[error.kind] += 1
        if poll.result.errors:  # the first one is the cause of what follows
            first = poll.result.errors[0]
            points = (
                first.points[0] if len(first.points) == 1 else f"{first.points[0]} and {len(first.points) - 1} more"
            )
            device.last_error = f"{points}: {first.error}"[:MAX_TEXT]
            device.last_error_ms = poll.started_ms

    def reconfigured(self, devices: Mapping[str, str], now_ms: int) -> None:
        """Other devices and buses from now on; those that stay keep their counts."""
        self._devices = {device: self._devices.get(device) or _Device() for device in devices}
        self._bus_of = dict(devices)
        self._buses = {bus: self._buses.get(bus) or _Bus(now_ms) for bus in devices.values()}

    def asked(self) -> dict[str, Asked]:
        """How often each device was asked and gave a reading."""
        return {name: Asked(device.polls, device.answers) for name, device in self._devices.items()}

    def alive(self) -> frozenset[str]:
        """The devices that gave a reading when they were asked last."""
        return frozenset(
            name for name, device in self._devices.items() if device.answers and not device.failures_in_a_row
        )

    def received(self, receipt: Receipt, now_ms: int) -> None:
        """The gateway has answered."""
        self._receipts[receipt.status] += 1
        for reason in receipt.reasons:
            self._set_aside_by_gateway[reason.reason] += reason.count
        self._last_receipt = {"at": now_ms, "batch": receipt.batch, "status": receipt.status}

    def lost(self, readings: int) -> None:
        """Readings had to be thrown away because the disk did not take them."""
        self._lost_readings += readings

    def document(
        self,
        now_ms: int,
        buffer: BufferStats,
        line: LineState,
        clock: Mapping[str, Any],
        problems: Iterable[str],
        *,
        paused: bool,
    ) -> dict[str, Any]:
        """The status at this moment. `paused`: nothing is read, because the buffer is full."""
        return {
            "v": VERSION,
            "online": True,
            "at": now_ms,
            "started_at": self._started_ms,
            "versions": versions(),
            "devices": {name: device.document() for name, device in self._devices.items()},
            "buses": {name: {"load": bus.load(now_ms)} for name, bus in self._buses.items()},
            "clock": dict(clock),
            "paused": paused,
            "buffer": asdict(buffer) | {"lost_readings": self._lost_readings},
            "gateway": asdict(line)
            | {
                "receipts": dict(self._receipts),
                "set_aside": dict(self._set_aside_by_gateway),
                "last_receipt": self._last_receipt,
            },
            "problems": list(problems),
        }


@cache
def versions() -> Mapping[str, str]:
    """Of what runs here; looked up once, for that reads files and the status is renewed all the time."""
    try:
        own = version("tanmai")
    except PackageNotFoundError:  # run from a source tree that was never installed
        own = "not installed"
    return {"tanmai": own, "python": platform.python_version()}


def offline(reason: str) -> bytes:
    """A status that only says that the agent is away, and why."""
    return msgspec.json.encode({"v": VERSION, "online": False, "reason": reason})


def last_will() -> bytes:
    """What the broker says for us when it loses us."""
    return offline("the connection was lost")


class _Said(msgspec.Struct):
    at: int | None = None


def last_said_ms(document: bytes) -> int | None:
    """When a status was written; None if it does not say."""
    try:
        return msgspec.json.decode(document, type=_Said).at
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def encode_status(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)


def write_status(path: Path, document: bytes) -> None:
    """Replace the status file as a whole: a reader sees the old one or the new one. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(document)
    beside.replace(path)
