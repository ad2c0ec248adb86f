"""The world's meters: what truly passed, what they show of it, and how they lie.

A counter knows its truth, so the oracle can say what must come out: each thing shown carries the counter's epoch (one
more after a rollover, reset or replacement) and whether it was a lie.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from collectors.driver import PolledDevice, PollError, PollResult
from collectors.errors import ExceptionReply, Unreachable
from collectors.reading import Reading
from tests.simulation.faults import HOUR_MS, Weather, within

Turn = Literal["rollover", "reset", "replacement"]
GAS_MODULUS = 1_000_000.0
HISTORY_MS = 72 * HOUR_MS  # how long before the start the meters were running already


@dataclass(frozen=True, slots=True)
class Shown:
    """What a meter gave for one point."""

    value: float | None
    true_ms: int  # when it was; the reading's stamp is the agent's word
    epoch: int = 0
    lie: bool = False


class Passed:
    """How much has passed since HISTORY_MS before the start: a rate per hour, drawn for each."""

    def __init__(self, rng: random.Random, start_ms: int, end_ms: int, least: float, most: float) -> None:
        self._start_ms = start_ms - HISTORY_MS
        hours = (end_ms - self._start_ms) // HOUR_MS + 48
        self._rates = [rng.uniform(least, most) for _ in range(hours)]
        self._sums = [0.0, *accumulate(self._rates)]

    def rate(self, at_ms: int) -> float:
        return self._rates[(at_ms - self._start_ms) // HOUR_MS]

    def until(self, at_ms: int) -> float:
        hour, rest = divmod(at_ms - self._start_ms, HOUR_MS)
        return self._sums[hour] + self._rates[hour] * rest / HOUR_MS


@dataclass
class Counter:
    """A register that rises with what passes, in hundredths."""

    passed: Passed
    base: float
    turn: Turn | None = None
    turn_ms: int = 0
    lies: list[tuple[int, str]] = field(default_factory=list)  # (from when, bad_zero | spike): one poll each

    def show(self, now_ms: int) -> Shown:
        kind = self._lie(now_ms)
        value, epoch = self.true_value(now_ms)
        if kind == "bad_zero":
            return Shown(0.0, now_ms, epoch, lie=True)
        if kind == "spike":
            return Shown(round(value + 400_000.0, 2), now_ms, epoch, lie=True)
        return Shown(value, now_ms, epoch)

    def true_value(self, now_ms: int) -> tuple[float, int]:
        """(what an honest register shows, its epoch)."""
        running = round(self.base + self.passed.until(now_ms), 2)
        if self.turn == "rollover":
            return (running, 0) if running < GAS_MODULUS else (round(running - GAS_MODULUS, 2), 1)
        if self.turn is None or now_ms < self.turn_ms:
            return running, 0
        return round(self.passed.until(now_ms) - self.passed.until(self.turn_ms) + self.initial, 2), 1

    @property
    def initial(self) -> float:
        """What a replacing meter begins with."""
        return 0.25 if self.turn == "replacement" else 0.0

    @property
    def final(self) -> float:
        """What a replaced meter showed last."""
        return round(self.base + self.passed.until(self.turn_ms), 2)

    def _lie(self, now_ms: int) -> str | None:
        if self.lies and now_ms >= self.lies[0][0]:
            return self.lies.pop(0)[1]
        return None


@dataclass
class Gauge:
    """A rate, in eighths."""

    passed: Passed

    def show(self, now_ms: int) -> Shown:
        return Shown(round(self.passed.rate(now_ms) * 8) / 8, now_ms)


@dataclass
class Pulses:
    """What has passed since it was last asked."""

    passed: Passed
    asked_ms: int

    def show(self, now_ms: int) -> Shown:
        amount = self.passed.until(now_ms) - self.passed.until(self.asked_ms)
        self.asked_ms = now_ms
        return Shown(round(amount, 2), now_ms)


Register = Counter | Gauge | Pulses


def make_registers(rng: random.Random, start_ms: int, end_ms: int) -> dict[tuple[str, str], Register]:
    """(device, point) -> register, each with its own fate."""

    def passed(least: float, most: float) -> Passed:
        return Passed(rng, start_ms, end_ms, least, most)

    incomer = Counter(passed(0.0, 900.0), rng.uniform(1e5, 9e5))
    tenant = Counter(passed(20.0, 90.0), rng.uniform(60_000, 90_000))
    gas = Counter(passed(100.0, 500.0), rng.uniform(1e5, 8e5))
    if rng.random() < 0.5:
        incomer.turn, incomer.turn_ms = rng.choice(("reset", "replacement")), _some_time(rng, start_ms, end_ms)
    if rng.random() < 0.4:
        tenant.turn, tenant.turn_ms = "reset", _some_time(rng, start_ms, end_ms)
    if rng.random() < 0.6:
        gas.turn, gas.turn_ms = "rollover", _some_time(rng, start_ms, end_ms)
        gas.base = GAS_MODULUS - gas.passed.until(gas.turn_ms)
    for counter in (incomer, tenant, gas):
        counter.lies = _lies(rng, counter, start_ms, end_ms)
    return {
        ("incomer", "energy_import"): incomer,
        ("incomer", "power"): Gauge(passed(0.0, 900.0)),
        ("tenant", "energy_import"): tenant,
        ("gas", "volume"): gas,
        ("pulses", "pulse_energy"): Pulses(passed(0.0, 50.0), start_ms),
    }


def _some_time(rng: random.Random, start_ms: int, end_ms: int) -> int:
    margin_ms = (end_ms - start_ms) // 8
    return rng.randrange(start_ms + margin_ms, end_ms - margin_ms)


def _lies(rng: random.Random, counter: Counter, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
    """Bad zeros, one or two in a row, and spikes; well apart from each other and from the counter's turn."""
    lies: list[tuple[int, str]] = []
    taken = [counter.turn_ms]
    for _ in range(rng.randint(0, 3)):
        at_ms = _some_time(rng, start_ms, end_ms)
        if any(abs(at_ms - other) < (end_ms - start_ms) // 5 for other in taken):
            continue
        taken.append(at_ms)
        lies += [(at_ms, kind) for kind in rng.choice((["bad_zero"], ["bad_zero"] * 2, ["spike"]))]
    return sorted(lies)


class MeterDriver:
    """All meters of the world as a driver; `note` is told what was shown under which stamp."""

    def __init__(
        self,
        registers: dict[tuple[str, str], Register],
        weather: Callable[[], Weather],
        rng: random.Random,
        true_ms: Callable[[], int],
        note: Callable[[Reading, Shown], None],
    ) -> None:
        self._registers = registers
        self._weather = weather
        self._rng = rng
        self._true_ms = true_ms
        self._note = note

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        weather, true_ms = self._weather(), self._true_ms()
        if within(true_ms, weather.meter_dead.get(device.id, ())):
            return PollResult((), (PollError(device.id, device.points, Unreachable("no reply in 1 s")),))
        readings, errors = [], []
        for point in device.points:
            if self._rng.random() < weather.failed_point:
                errors.append(PollError(device.id, (point,), ExceptionReply("slave device failure", 4)))
                continue
            shown = self._registers[device.id, point].show(true_ms)
            if self._rng.random() < weather.not_available:
                shown = Shown(None, true_ms)
            readings.append(Reading(device.id, point, now_ms, shown.value))
            self._note(readings[-1], shown)
        return PollResult(tuple(readings), tuple(errors))

    def close(self) -> None:
        """There is nothing to give back."""
