"""What meters taught us about reading them, kept over restarts: ranges they refuse, and how quickly they answer.

A range that a meter refused is cut where the refusal ended; the plan then never leads over that place again. The
measured latency takes the place of the profile's in the cost model.

What stays true:
- It is knowledge that can be learned again: a file that is missing, damaged or cannot be written costs a few requests,
  never a reading, and is never an error.
- What was learned holds for a device with the same unit and profile, and for KEEP_MS; then it is asked again, because a
  meter may have been replaced or updated.

Limits: MAX_CUTS cuts per device. The file is written when something new was learned, as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from collectors.driver import PolledDevice
from collectors.modbus.plan import Cut

KEEP_MS = 30 * 86_400_000
MAX_CUTS = 200
VERSION = 1


@dataclass(frozen=True, slots=True)
class Learned:
    """About one device."""

    unit: int
    profile: str
    since_ms: int  # when the first of it was learned
    cuts: tuple[Cut, ...] = ()
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class _File:
    v: int
    devices: dict[str, Learned]


class PlanMemory:
    """All devices of an agent; may be shared by the threads of its buses. Without a path it lives as long as itself."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._devices = {} if path is None else _read(path)

    def of(self, device: PolledDevice, now_ms: int) -> Learned:
        """What holds for this device now."""
        with self._lock:
            learned = self._devices.get(device.id)
        if learned is None or (learned.unit, learned.profile) != (device.unit, device.profile.id):
            return Learned(device.unit, device.profile.id, now_ms)
        return learned if 0 <= now_ms - learned.since_ms < KEEP_MS else Learned(device.unit, device.profile.id, now_ms)

    def learn_cuts(self, device: PolledDevice, cuts: Iterable[Cut], now_ms: int) -> None:
        known = self.of(device, now_ms)
        merged = tuple(sorted({*known.cuts, *cuts}))[:MAX_CUTS]
        if merged != known.cuts:
            self._keep(device, replace(known, cuts=merged))

    def learn_latency(self, device: PolledDevice, latency_s: float, now_ms: int) -> None:
        self._keep(device, replace(self.of(device, now_ms), latency_s=round(latency_s, 4)))

    def _keep(self, device: PolledDevice, learned: Learned) -> None:
        with self._lock:
            self._devices[device.id] = learned
            if self._path is not None:
                _write(self._path, _File(VERSION, self._devices))


def _read(path: Path) -> dict[str, Learned]:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return {}
    return file.devices if file.v == VERSION else {}


def _write(path: Path, file: _File) -> None:
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_bytes(msgspec.json.encode(file))
        beside.replace(path)
    except OSError:
        return  # it is in memory; the next thing learned tries again
