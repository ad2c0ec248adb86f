"""From readings to hourly usage, for all points at once.

What stays true:
- Conservation. Between two readings of a counter pass round(v2·10^6) − round(v1·10^6) millionths, spread linearly
  over the time between and cut at UTC hour edges by integers, so hours add up to last − first exactly.
- An outage whose counter survived loses nothing: its usage is spread over the gap and marked estimated.
- Order, duplicates and re-sends change nothing; of several readings of one instant the last row stands.
- A step depends on its own two readings and a bounded neighbourhood, so recomputing a window gives to the last digit
  what recomputing everything gives: new readings change hours from that of the REACHth reading before them to that of
  the REACHth after them, and judging those needs CONTEXT more readings on each side.
- Falls and implausible steps are judged by `falls`, and each becomes a finding with both readings.

Gauges are integrated by trapezoid up to `gap_max`; a longer gap is not invented but left uncovered. Deltas are summed
in the hour they stand in. Readings marked bad and values beyond MAX_VALUE are not used. Limits: memory is bounded by
CHUNK_ROWS and the largest point; a Python loop runs over oddities only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.clock import HOUR_MS
from collectors.quantities import Kind
from collectors.reading import Quality
from gateway.carbon.falls import MARGIN, MICRO
from gateway.carbon.hours import Segments, joined_usage, usage_of
from gateway.carbon.oddities import OddityLog, PointFinding
from gateway.carbon.point_rule import PointRule, rule_of
from gateway.carbon.runs import Runs
from gateway.carbon.steps import Tracks, counter_segments, delta_segments, gauge_segments, tracks_of
from gateway.store.timeseries import ReadingColumns, UsageColumns

__all__ = ["CONTEXT", "REACH", "PointRule", "UsageResult", "in_order", "rule_of", "usable", "usage_from"]

Bools = npt.NDArray[np.bool_]

REACH = 6  # neighbouring readings on each side whose hours a reading can change
CONTEXT = 6  # further readings on each side that must be at hand to judge those
MAX_VALUE = 9.0e12  # millionths of anything larger do not fit 64 bits
CHUNK_ROWS = 131_072  # rows worked on at once: columns of a million fall out of the processor's cache between steps

# kind -> how its steps are made
SEGMENTS: dict[Kind, Callable[[Tracks, Mapping[int, PointRule], OddityLog], Segments]] = {
    "counter": counter_segments,
    "gauge": gauge_segments,
    "delta": delta_segments,
}


@dataclass(frozen=True, slots=True)
class UsageResult:
    """Usage of the hours asked for, sorted by (point, hour), and what was odd about them."""

    usage: UsageColumns
    findings: tuple[PointFinding, ...]


def usage_from(readings: ReadingColumns, rules: Mapping[int, PointRule], start_ms: int, end_ms: int) -> UsageResult:
    """Hourly usage and findings with start_ms <= time < end_ms (whole hours), from readings in and around the window.

    Points without a rule are left out. An hour that some step touches has a row even if nothing is booked in it, so
    that it replaces what may have stood there.
    """
    if start_ms % HOUR_MS or end_ms % HOUR_MS:
        raise ValueError(f"the window {start_ms}..{end_ms} must begin and end on a whole UTC hour")
    log = OddityLog(rules, start_ms, end_ms)
    parts = []
    for kind, readings_of_kind in _by_kind(in_order(readings), rules):
        for chunk in _chunks(readings_of_kind):
            tracks = tracks_of(_usable(chunk, kind, rules, log), rules, log)
            amounts = _amounts(tracks) if kind == "delta" else UsageColumns.empty()
            parts.append(usage_of(SEGMENTS[kind](tracks, rules, log), amounts, start_ms, end_ms))
    parts.sort(key=lambda part: int(part.point_id[0]) if len(part) else -1)
    usage = joined_usage(parts)
    if len({rule.kind for rule in rules.values()}) > 1:
        usage = _by_point(usage)
    return UsageResult(usage, log.findings())


def in_order(readings: ReadingColumns) -> ReadingColumns:
    """Sorted by (point, time); of rows for one instant the last one stands."""
    point_id, at_ms = readings.point_id, readings.at_ms
    later = (point_id[1:] > point_id[:-1]) | ((point_id[1:] == point_id[:-1]) & (at_ms[1:] > at_ms[:-1]))
    if bool(later.all()):
        return readings
    order = np.lexsort((at_ms, point_id))  # stable: rows of one instant keep their order
    last = np.ones(order.size, dtype=bool)
    last[:-1] = (np.diff(point_id[order]) != 0) | (np.diff(at_ms[order]) != 0)
    return _take(readings, order[last])


def _take(readings: ReadingColumns, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> ReadingColumns:
    return ReadingColumns(readings.point_id[rows], readings.at_ms[rows], readings.value[rows], readings.quality[rows])


def _by_kind(readings: ReadingColumns, rules: Mapping[int, PointRule]) -> Iterator[tuple[Kind, ReadingColumns]]:
    runs = Runs.of(readings.point_id)
    for kind in SEGMENTS:
        own = np.array([point in rules and rules[point].kind == kind for point in runs.points], dtype=bool)
        if own.all() and own.size:
            yield kind, readings
        elif own.any():
            yield kind, _take(readings, runs.spread(own))


def _chunks(readings: ReadingColumns) -> Iterator[ReadingColumns]:
    """Whole points, about CHUNK_ROWS rows at a time."""
    ends = np.append(np.flatnonzero(np.diff(readings.point_id)) + 1, len(readings))
    first = 0
    while first < len(readings):
        place = min(int(np.searchsorted(ends, first + CHUNK_ROWS)), ends.size - 1)
        last = int(ends[place])
        yield _take(readings, slice(first, last))
        first = last


def usable(readings: ReadingColumns, rules: Mapping[int, PointRule]) -> ReadingColumns:
    """The readings that usage is made of, in order: what REACH and CONTEXT count are these."""
    parts = []
    for kind, own in _by_kind(in_order(readings), rules):
        good, refused = _good_and_refused(own, kind, rules)
        parts.append(_take(own, good & ~refused))
    return in_order(ReadingColumns.concatenate(parts))


def _usable(readings: ReadingColumns, kind: Kind, rules: Mapping[int, PointRule], log: OddityLog) -> ReadingColumns:
    """Without readings marked bad, and without those that are refused, which are noted."""
    good, refused = _good_and_refused(readings, kind, rules)
    for row in np.flatnonzero(refused).tolist():
        log.note(
            int(readings.point_id[row]),
            f"{kind}.out_of_range",
            int(readings.at_ms[row]),
            value=float(readings.value[row]),
        )
    keep = good & ~refused
    return readings if keep.all() else _take(readings, keep)


def _good_and_refused(readings: ReadingColumns, kind: Kind, rules: Mapping[int, PointRule]) -> tuple[Bools, Bools]:
    """Not marked bad; and of those: values out of range, gauges above their rating, negative deltas."""
    good = np.asarray(readings.quality != Quality.BAD, dtype=bool)
    refused = good & (np.abs(readings.value) > MAX_VALUE)
    if kind == "gauge":
        refused |= good & (np.abs(readings.value) > Runs.of(readings.point_id).per_row(rules, _most_of_gauge))
    elif kind == "delta":
        refused |= good & (readings.value < 0)
    return good, refused


def _most_of_gauge(rule: PointRule) -> float:
    return np.inf if rule.limits.rated_per_hour is None else rule.limits.rated_per_hour * MARGIN


def _amounts(tracks: Tracks) -> UsageColumns:
    """Deltas as amounts of the hour they stand in."""
    none = np.zeros(len(tracks), np.int64)
    amount_u = np.rint(tracks.value * MICRO).astype(np.int64)
    return UsageColumns(tracks.point_id, tracks.at_ms // HOUR_MS * HOUR_MS, amount_u, none, none.copy())


def _by_point(usage: UsageColumns) -> UsageColumns:
    order = np.lexsort((usage.hour_ms, usage.point_id))
    return UsageColumns(
        usage.point_id[order],
        usage.hour_ms[order],
        usage.amount_u[order],
        usage.estimated_u[order],
        usage.covered_ms[order],
    )
