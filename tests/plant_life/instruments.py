"""What truly passed in the plants, and what instruments show of it.

A `Counter` knows its truth in whole hundredths of its unit, so the oracle can say what must be booked without looking
at how falls are judged. A turn (rollover, reset, replacement) changes what it shows, never what passed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
DAY_MS = 24 * HOUR_MS

Turn = Literal["", "rollover", "reset", "replacement"]
Kind = Literal["counter", "gauge", "delta"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What an instrument gave at an instant; a lie is off by a defect, and a bad one says so itself."""

    at_ms: int
    value: float
    lie: bool = False
    bad: bool = False


class Flow:
    """How much passed since `start_ms`, in hundredths: a whole rate for each hour, with nights and quiet days."""

    def __init__(self, rng: random.Random, start_ms: int, end_ms: int, most: int) -> None:
        self.start_ms = start_ms
        hours = (end_ms - start_ms) // HOUR_MS + 2
        quiet = {day for day in range(hours // 24 + 1) if rng.random() < 0.05}
        self.rates = [self._rate(rng, most, hour, quiet) for hour in range(hours)]
        self._sums = [0, *accumulate(self.rates)]

    @staticmethod
    def _rate(rng: random.Random, most: int, hour: int, quiet: set[int]) -> int:
        if hour // 24 in quiet:
            return 0
        share = rng.uniform(0.2, 1.0) if 7 <= hour % 24 < 20 else rng.uniform(0.02, 0.3)
        return int(most * share)

    def until(self, at_ms: int) -> int:
        hour, rest = divmod(at_ms - self.start_ms, HOUR_MS)
        return self._sums[hour] + self.rates[hour] * rest // HOUR_MS


@dataclass
class Counter:
    """A register that rises with what passes."""

    flow: Flow
    base: int  # hundredths shown at the start
    turn: Turn = ""
    turn_ms: int = 0
    modulus: int = 0  # hundredths; 0 = it never rolls over
    initial: int = 0  # hundredths that a replacing meter begins with

    def passed(self, at_ms: int) -> int:
        """Hundredths that truly passed since the start."""
        return self.flow.until(at_ms)

    def shows(self, at_ms: int) -> float:
        running = self.base + self.flow.until(at_ms)
        if self.turn in ("reset", "replacement") and at_ms >= self.turn_ms:
            running = self.flow.until(at_ms) - self.flow.until(self.turn_ms) + self.initial
        return (running % self.modulus if self.modulus else running) / 100

    @property
    def final(self) -> float:
        """What a replaced meter showed last."""
        return (self.base + self.flow.until(self.turn_ms)) / 100


@dataclass
class Gauge:
    """A rate, in eighths, that swings within the hour."""

    flow: Flow

    def shows(self, at_ms: int) -> float:
        minute = at_ms // MINUTE_MS % 60
        return (self.flow.rates[(at_ms - self.flow.start_ms) // HOUR_MS] * 8 // 100 + minute % 7) / 8


@dataclass
class Pulses:
    """What has passed since it was last asked."""

    flow: Flow
    asked_ms: int

    def shows(self, at_ms: int) -> float:
        passed = self.flow.until(at_ms) - self.flow.until(self.asked_ms)
        self.asked_ms = at_ms
        return passed / 100


Instrument = Counter | Gauge | Pulses


@dataclass
class Point:
    """One quantity of one device, with all that it will ever have sent."""

    device: str
    name: str
    quantity: str
    kind: Kind
    instrument: Instrument
    every_ms: int  # between two readings
    rated_per_hour: int | None = None
    readings: list[Shown] = field(default_factory=list)  # by time
    gap_max_ms: int = 0  # two intervals unless the registry says otherwise

    def __post_init__(self) -> None:
        self.gap_max_ms = self.gap_max_ms or 2 * self.every_ms

    @property
    def key(self) -> tuple[str, str]:
        return self.device, self.name

    @property
    def usable(self) -> list[Shown]:
        """What may be made of it: neither lies nor readings marked bad."""
        return [one for one in self.readings if not one.lie and not one.bad]
