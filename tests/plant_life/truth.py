"""Hourly usage as an omniscient observer knows it: from what truly passed, never from how a fall is judged.

The rules are those of docs/guarantees.md. Between two readings that are there a counter's amount is spread evenly over
the time between, however long; a reset's unknown part is not counted; a declared replacement is exact; a gauge is the
trapezoid up to the longest gap and nothing beyond it; amounts of deltas stand in their hour. Amounts are whole
millionths; where exactly half a millionth is to be rounded either neighbour is right, so amounts are ranges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from tests.plant_life.instruments import HOUR_MS, Counter, Point
from tests.plant_life.plants import Derived, Feed, NormalVolume, Plant, PointKey

MICRO_PER_HUNDREDTH = 10_000
NORMAL_KPA, ZERO_DEGC_K = Fraction("101.325"), Fraction("273.15")


@dataclass(slots=True)
class Hour:
    """One hour of one point: low <= amount <= high, in millionths."""

    low: int = 0
    high: int = 0
    estimated: int = 0
    covered_ms: int = 0

    @property
    def known(self) -> bool:
        return self.low != 0 or self.high != 0 or self.covered_ms != 0


Hours = dict[int, Hour]  # start of the UTC hour -> what passed


@dataclass(frozen=True, slots=True)
class _Step:
    """What passed between two readings."""

    start_ms: int
    end_ms: int
    low: int
    high: int
    gap: bool


def half_even(value: Fraction | int) -> int:
    """The one rounding of the books."""
    return round(Fraction(value))


def _either(numerator: int, denominator: int) -> tuple[int, int]:
    """The whole number nearest to a fraction; both neighbours of a half."""
    whole, rest = divmod(numerator, denominator)
    if 2 * rest == denominator:
        return whole, whole + 1
    return (whole, whole) if 2 * rest < denominator else (whole + 1, whole + 1)


def usage_of(plant: Plant) -> dict[PointKey, Hours]:
    """Every point of a plant, the derived ones too."""
    found = {key: _measured(point) for key, point in plant.points.items()}
    for derived in plant.derived:
        found["derived", derived.id] = _derived(derived, found)
    return found


def _measured(point: Point) -> Hours:
    hours: Hours = defaultdict(Hour)
    steps = {"counter": _counter_steps, "gauge": _gauge_steps, "delta": _delta_steps}[point.kind](point)
    for step in steps:
        _spread(hours, step, estimated=point.kind == "counter" and step.gap)
    if point.kind == "delta":
        for one in point.usable:
            amount = round(one.value * 100) * MICRO_PER_HUNDREDTH
            hour = hours[one.at_ms // HOUR_MS * HOUR_MS]
            hour.low, hour.high = hour.low + amount, hour.high + amount
    return hours


def _counter_steps(point: Point) -> Iterator[_Step]:
    meter = point.instrument
    assert isinstance(meter, Counter)
    honest = [one.at_ms for one in point.usable]
    for start_ms, end_ms in pairwise(honest):
        turned = meter.turn if start_ms < meter.turn_ms <= end_ms else ""
        if turned == "replacement":
            yield _passed(point, meter, start_ms, meter.turn_ms, start_ms)
            yield _passed(point, meter, meter.turn_ms, end_ms, meter.turn_ms)
        else:
            yield _passed(point, meter, start_ms, end_ms, meter.turn_ms if turned == "reset" else start_ms)


def _passed(point: Point, meter: Counter, start_ms: int, end_ms: int, since_ms: int) -> _Step:
    amount = (meter.passed(end_ms) - meter.passed(since_ms)) * MICRO_PER_HUNDREDTH
    return _Step(start_ms, end_ms, amount, amount, end_ms - start_ms > point.gap_max_ms)


def _gauge_steps(point: Point) -> Iterator[_Step]:
    for one, other in pairwise(point.usable):
        duration_ms = other.at_ms - one.at_ms
        gap = duration_ms > point.gap_max_ms
        eighths = round((one.value + other.value) * 8)
        low, high = (0, 0) if gap else _either(eighths * duration_ms * 1_000_000, 16 * HOUR_MS)
        yield _Step(one.at_ms, other.at_ms, low, high, gap)


def _delta_steps(point: Point) -> Iterator[_Step]:
    for one, other in pairwise(point.usable):
        yield _Step(one.at_ms, other.at_ms, 0, 0, other.at_ms - one.at_ms > point.gap_max_ms)


def _spread(hours: Hours, step: _Step, *, estimated: bool) -> None:
    """Cut a step at hour edges: the part until an edge is rounded, an hour is the difference of two such parts."""
    duration_ms = step.end_ms - step.start_ms
    if duration_ms == 0:
        return
    before = (0, 0)
    first_ms = step.start_ms // HOUR_MS * HOUR_MS
    for hour_ms in range(first_ms, step.end_ms, HOUR_MS):
        from_ms, to_ms = max(hour_ms, step.start_ms), min(hour_ms + HOUR_MS, step.end_ms)
        elapsed_ms = to_ms - step.start_ms
        until = _either(step.low * elapsed_ms, duration_ms)[0], _either(step.high * elapsed_ms, duration_ms)[1]
        hour = hours[hour_ms]
        hour.low += max(0, until[0] - before[1])
        hour.high += until[1] - before[0]
        hour.estimated += until[0] - before[0] if estimated else 0
        hour.covered_ms += 0 if step.gap else to_ms - from_ms
        before = until


def _derived(derived: Derived, usage: dict[PointKey, Hours]) -> Hours:
    return _normal_volume(derived, usage) if isinstance(derived, NormalVolume) else _sum(derived.parts, usage)


def _normal_volume(derived: NormalVolume, usage: dict[PointKey, Hours]) -> Hours:
    factor = derived.pressure_kpa / NORMAL_KPA * ZERO_DEGC_K / (derived.temperature_degc + ZERO_DEGC_K)
    return {
        hour_ms: Hour(half_even(own.low * factor), half_even(own.high * factor), half_even(own.estimated * factor),
                      own.covered_ms)
        for hour_ms, own in usage[derived.of].items() if own.known
    }  # fmt: skip


def _sum(parts: Iterable[Feed], usage: dict[PointKey, Hours]) -> Hours:
    made: Hours = defaultdict(Hour)
    inputs = [(part.share, usage[part.point]) for part in parts]
    for hour_ms in {hour_ms for _, hours in inputs for hour_ms, own in hours.items() if own.known}:
        hour = made[hour_ms]
        known = [(share, hours[hour_ms]) for share, hours in inputs if hour_ms in hours and hours[hour_ms].known]
        for share, own in known:
            low, high = sorted((half_even(share * own.low), half_even(share * own.high)))
            hour.low, hour.high = hour.low + low, hour.high + high
            hour.estimated += abs(half_even(share * own.estimated))
        hour.estimated = min(hour.estimated, abs(hour.low))
        whole = len(known) == len(inputs)
        hour.covered_ms = min(own.covered_ms for _, own in known) if whole else 0
    return made
