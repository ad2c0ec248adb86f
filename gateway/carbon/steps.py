"""Readings in order -> steps between neighbours, with falls and implausible rises judged.

The columns hold readings of many points. A *track* is what one meter showed: a declared replacement ends one track and
begins the next, with the declared last and first values as readings of their own. Everything that simply rises goes
through in columns; only falls, doubtful rises and long gaps are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.clock import HOUR_MS
from collectors.reading import Float64s, Int64s
from gateway.carbon.falls import MARGIN, MICRO, Step, glitches, judge_fall, judge_rise
from gateway.carbon.hours import Segments
from gateway.carbon.oddities import OddityLog
from gateway.carbon.point_rule import PointRule
from gateway.carbon.runs import Runs
from gateway.store.timeseries import Int32s, ReadingColumns

Bools = npt.NDArray[np.bool_]

GAP_FINDING_MS = HOUR_MS  # shorter gaps show in the coverage only
DECLARED_END = 1  # mark of a replaced meter's declared last value


@dataclass(frozen=True, slots=True)
class Tracks:
    """Readings that are used, sorted by (point, meter, time)."""

    point_id: Int32s
    meter: Int64s  # 0 for a point's first meter, one more with each declared replacement
    at_ms: Int64s
    value: Float64s
    mark: Int64s  # DECLARED_END or 0

    def __len__(self) -> int:
        return int(self.at_ms.size)

    def joined(self) -> Bools:
        """Per row but the last: is the next row of the same meter?"""
        same = (self.point_id[1:] == self.point_id[:-1]) & (self.meter[1:] == self.meter[:-1])
        return np.asarray(same, dtype=bool)

    def only(self, rows: Bools | npt.NDArray[np.intp]) -> Tracks:
        return Tracks(self.point_id[rows], self.meter[rows], self.at_ms[rows], self.value[rows], self.mark[rows])


def tracks_of(readings: ReadingColumns, rules: Mapping[int, PointRule], log: OddityLog) -> Tracks:
    """Readings with declared replacements put in. `readings` must be in order."""
    zeros = np.zeros(len(readings), np.int64)
    tracks = Tracks(readings.point_id, zeros, readings.at_ms, readings.value, zeros.copy())
    runs = Runs.of(readings.point_id)
    extra: list[tuple[int, int, int, float, int]] = []
    for point_id, first, count in zip(runs.points, runs.firsts.tolist(), runs.counts.tolist(), strict=True):
        last = first + count
        number = 0
        for change in rules[point_id].changes:
            if change.at_ms <= readings.at_ms[first]:
                continue  # before everything at hand: only the new meter is seen
            number += 1
            place = first + int(np.searchsorted(readings.at_ms[first:last], change.at_ms, "left"))
            tracks.meter[place:last] += 1
            extra.append((point_id, number - 1, change.at_ms, change.final, DECLARED_END))
            extra.append((point_id, number, change.at_ms, change.initial, 0))
            log.note(point_id, "counter.replacement", change.at_ms, before=change.final, after=change.initial)
    return _with_extra(tracks, extra) if extra else tracks


def _with_extra(tracks: Tracks, extra: list[tuple[int, int, int, float, int]]) -> Tracks:
    point_id, meter, at_ms, value, mark = zip(*extra, strict=True)
    joined = Tracks(
        np.concatenate([np.array(point_id, np.int32), tracks.point_id]),
        np.concatenate([np.array(meter, np.int64), tracks.meter]),
        np.concatenate([np.array(at_ms, np.int64), tracks.at_ms]),
        np.concatenate([np.array(value, np.float64), tracks.value]),
        np.concatenate([np.array(mark, np.int64), tracks.mark]),
    )
    return joined.only(np.lexsort((joined.at_ms, joined.meter, joined.point_id)))  # stable: declared values first


def counter_segments(tracks: Tracks, rules: Mapping[int, PointRule], log: OddityLog) -> Segments:
    """Steps of counters. Glitches are dropped first, then each remaining step is booked or judged."""
    kept = _without_glitches(tracks, rules, log)
    row = np.flatnonzero(kept.joined())
    amount_u = np.rint(kept.value * MICRO).astype(np.int64)
    segments = _segments(kept, row, amount_u[row + 1] - amount_u[row], rules)
    for place in np.flatnonzero(_doubtful(kept, row, rules)):
        _judge(kept, int(row[place]), int(place), segments, rules, log)
    _note_gaps(segments, rules, log)
    return segments


def _without_glitches(tracks: Tracks, rules: Mapping[int, PointRule], log: OddityLog) -> Tracks:
    falls = np.flatnonzero(tracks.joined() & (tracks.value[1:] < tracks.value[:-1]))
    dropped = np.zeros(len(tracks), dtype=bool)
    for fall in falls.tolist():
        first, last = _around(tracks, fall)
        found = glitches(
            tracks.at_ms[first:last].tolist(),
            tracks.value[first:last].tolist(),
            fall - first,
            rules[int(tracks.point_id[fall])].limits,
        )
        for place in found:
            dropped[first + place] = tracks.mark[first + place] != DECLARED_END
    for place in np.flatnonzero(dropped).tolist():
        _note_glitch(tracks, place, log)
    return tracks.only(~dropped) if dropped.any() else tracks


def _around(tracks: Tracks, fall: int) -> tuple[int, int]:
    """The rows around a fall that may be looked at: one before it and up to three after, of the same meter."""
    first = fall - 1 if fall > 0 and _same_meter(tracks, fall - 1, fall) else fall
    last = fall + 2
    while last < min(len(tracks), fall + 4) and _same_meter(tracks, fall, last):
        last += 1
    return first, last


def _same_meter(tracks: Tracks, one: int, other: int) -> bool:
    return bool(tracks.point_id[one] == tracks.point_id[other] and tracks.meter[one] == tracks.meter[other])


def _note_glitch(tracks: Tracks, place: int, log: OddityLog) -> None:
    log.note(
        int(tracks.point_id[place]),
        "counter.glitch",
        int(tracks.at_ms[place]),
        value=float(tracks.value[place]),
        before=float(tracks.value[max(place - 1, 0)]),
        after=float(tracks.value[min(place + 1, len(tracks) - 1)]),
    )


def _doubtful(kept: Tracks, row: npt.NDArray[np.intp], rules: Mapping[int, PointRule]) -> Bools:
    """Steps that must be judged: falls, rises above the rating, and rises from zero where no rating is known."""
    before = kept.value[row]
    step = kept.value[row + 1] - before
    runs = Runs.of(kept.point_id)
    rated = runs.per_row(rules, lambda rule: rule.limits.rated_per_hour or np.inf)[row]
    unrated = np.isinf(rated)
    doubtful = (step < 0) | (unrated & (before == 0) & (step > 0))
    if not unrated.all():
        duration_ms = kept.at_ms[row + 1] - kept.at_ms[row]
        resolution = runs.per_row(rules, lambda rule: rule.limits.resolution)[row]
        most = np.where(unrated, 0.0, rated) * duration_ms / HOUR_MS * MARGIN + resolution
        doubtful |= ~unrated & (step > most)
    return np.asarray(doubtful, dtype=bool)


def _judge(
    kept: Tracks, row: int, place: int, segments: Segments, rules: Mapping[int, PointRule], log: OddityLog
) -> None:
    """Judge the step from `row` to `row + 1`, write the verdict into `segments` and note what was odd."""
    point_id = int(kept.point_id[row])
    limits = rules[point_id].limits
    step = _step(kept, row)
    falls = step.after < step.before
    judged = judge_fall(step, limits) if falls else judge_rise(step, limits)
    if judged.verdict == "booked":
        return
    segments.amount_u[place] = judged.amount_u
    segments.blind[place] = judged.verdict not in ("rollover", "reset")
    if judged.verdict == "undecided":
        return
    name = f"counter.{judged.verdict}"
    if not falls:
        name = "counter.rise_from_zero" if limits.rated_per_hour is None else "counter.implausible_step"
    elif step.closed and judged.verdict == "quarantined":
        name = "counter.replacement_mismatch"
    values = {"before": step.before, "after": step.after, "from_ms": int(kept.at_ms[row])}
    if judged.amount_u:
        values["amount"] = judged.amount_u / MICRO
    if name == "counter.implausible_step":
        values["most"] = limits.most(step.duration_ms)
    log.note(point_id, name, int(kept.at_ms[row + 1]), **values)


def _step(kept: Tracks, row: int) -> Step:
    has_earlier = row > 0 and _same_meter(kept, row - 1, row)
    has_later = row + 2 < len(kept) and _same_meter(kept, row, row + 2)
    return Step(
        earlier=float(kept.value[row - 1]) if has_earlier else None,
        before=float(kept.value[row]),
        after=float(kept.value[row + 1]),
        later=float(kept.value[row + 2]) if has_later else None,
        duration_ms=int(kept.at_ms[row + 1] - kept.at_ms[row]),
        later_ms=int(kept.at_ms[row + 2] - kept.at_ms[row + 1]) if has_later else 0,
        opened=not has_earlier and bool(kept.meter[row] > 0),
        closed=bool(kept.mark[row + 1] == DECLARED_END),
    )


def gauge_segments(tracks: Tracks, rules: Mapping[int, PointRule], log: OddityLog) -> Segments:
    """Steps of gauges: trapezoid up to gap_max, nothing beyond it."""
    row = np.flatnonzero(tracks.joined())
    hours = (tracks.at_ms[row + 1] - tracks.at_ms[row]) / HOUR_MS
    mean = (tracks.value[row] + tracks.value[row + 1]) / 2
    segments = _segments(tracks, row, np.rint(mean * hours * MICRO).astype(np.int64), rules)
    segments.amount_u[segments.gap] = 0
    _note_gaps(segments, rules, log)
    return segments


def delta_segments(tracks: Tracks, rules: Mapping[int, PointRule], log: OddityLog) -> Segments:
    """Deltas are amounts of their own; the time between them only counts for coverage."""
    row = np.flatnonzero(tracks.joined())
    segments = _segments(tracks, row, np.zeros(row.size, np.int64), rules)
    _note_gaps(segments, rules, log)
    return segments


def _segments(tracks: Tracks, row: npt.NDArray[np.intp], amount_u: Int64s, rules: Mapping[int, PointRule]) -> Segments:
    gap_max_ms = Runs.of(tracks.point_id).per_row(rules, lambda rule: rule.gap_max_ms)[row]
    start_ms, end_ms = tracks.at_ms[row], tracks.at_ms[row + 1]
    return Segments(
        tracks.point_id[row], start_ms, end_ms, amount_u, end_ms - start_ms > gap_max_ms, np.zeros(row.size, dtype=bool)
    )


def _note_gaps(segments: Segments, rules: Mapping[int, PointRule], log: OddityLog) -> None:
    """A gap is noted at the reading that ends it."""
    long = segments.gap & (segments.end_ms - segments.start_ms > GAP_FINDING_MS) & ~segments.blind
    for place in np.flatnonzero(long).tolist():
        point_id = int(segments.point_id[place])
        log.note(
            point_id,
            f"{rules[point_id].kind}.gap",
            int(segments.end_ms[place]),
            from_ms=int(segments.start_ms[place]),
            to_ms=int(segments.end_ms[place]),
            amount=int(segments.amount_u[place]) / MICRO,
        )
