"""Which hours to recompute after readings touched some, and what changed by it. Pure.

Runs of dirty hours closer than MERGE_GAP_MS become one window (reading a little more is cheaper than asking again),
long ones are cut into spans, and points with the same hours share a window, so that live polling of a whole park is
one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.clock import HOUR_MS
from collectors.reading import Int64s
from gateway.carbon.usage import REACH
from gateway.store.timeseries import DirtyHours, Int32s, ReadingColumns, UsageColumns

Bools = npt.NDArray[np.bool_]

DAY_MS = 24 * HOUR_MS
MERGE_GAP_MS = 2 * DAY_MS
SPAN_MS = 31 * DAY_MS  # the longest window
MAX_POINTS = 8_000  # of one window
MAX_POINT_DAYS = 8_000  # of one window, both multiplied: 200,000 hours. Who reads bounds rows (`bounded_reads`)

# Whole days: a run longer than this starts and ends with a day, so that more points share a window.
ALIGN_FROM_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some points to recompute: start_ms <= hour < end_ms, both whole hours."""

    point_ids: tuple[int, ...]  # ascending
    start_ms: int
    end_ms: int


def windows_of(dirty: DirtyHours, day_begins_ms: int = 0) -> list[Window]:
    """Every dirty hour is in at least one window of its point.

    Long windows begin and end where days do, at `day_begins_ms` past midnight UTC: who then looks at whole days finds
    each of them in one window.
    """
    shared: dict[tuple[int, int], list[int]] = {}
    spans: dict[tuple[int, int], list[tuple[int, int]]] = {}  # of a run; most points share theirs
    for point_id, start_ms, end_ms in _runs(dirty.point_id, dirty.hour_ms):
        if (start_ms, end_ms) not in spans:
            spans[start_ms, end_ms] = list(_spans(start_ms, end_ms, day_begins_ms))
        for span in spans[start_ms, end_ms]:
            shared.setdefault(span, []).append(point_id)
    windows: list[Window] = []
    for (start_ms, end_ms), point_ids in sorted(shared.items()):
        ordered = sorted(set(point_ids))
        for first in range(0, len(ordered), MAX_POINTS):
            windows += _bounded(tuple(ordered[first : first + MAX_POINTS]), start_ms, end_ms)
    return windows


def _bounded(point_ids: tuple[int, ...], start_ms: int, end_ms: int) -> Iterator[Window]:
    """A span cut so short that a window's hours fit in memory: many points are worked through day by day."""
    span_ms = max(MAX_POINT_DAYS // len(point_ids), 1) * DAY_MS
    for first_ms in range(start_ms, end_ms, span_ms):
        yield Window(point_ids, first_ms, min(first_ms + span_ms, end_ms))


def _runs(point_id: Int32s, hour_ms: Int64s) -> Iterator[tuple[int, int, int]]:
    """(point, first hour, end of the last hour) of runs without a gap of MERGE_GAP_MS."""
    order = np.lexsort((hour_ms, point_id))
    point_id, hour_ms = point_id[order], hour_ms[order]
    breaks = np.flatnonzero((np.diff(point_id) != 0) | (np.diff(hour_ms) > MERGE_GAP_MS))
    firsts = np.concatenate([[0], breaks + 1]) if hour_ms.size else np.empty(0, np.int64)
    lasts = np.concatenate([breaks, [hour_ms.size - 1]]) if hour_ms.size else firsts
    yield from zip(
        point_id[firsts].tolist(), hour_ms[firsts].tolist(), (hour_ms[lasts] + HOUR_MS).tolist(), strict=True
    )


def _spans(start_ms: int, end_ms: int, day_begins_ms: int) -> Iterator[tuple[int, int]]:
    if end_ms - start_ms > ALIGN_FROM_MS:
        start_ms -= (start_ms - day_begins_ms) % DAY_MS
        end_ms += (day_begins_ms - end_ms) % DAY_MS
    for first_ms in range(start_ms, end_ms, SPAN_MS):
        yield first_ms, min(first_ms + SPAN_MS, end_ms)


@dataclass(frozen=True, slots=True)
class Reach:
    """Per point of a window, the whole hours whose usage its readings can change: half-open, one row a point."""

    point_id: Int32s  # ascending
    start_ms: Int64s
    end_ms: Int64s

    @classmethod
    def of(cls, window: Window, before: ReadingColumns, after: ReadingColumns) -> Reach:
        """From the hour of the REACHth reading before the window to that of the REACHth one after it."""
        point_id = np.array(window.point_ids, np.int32)
        earlier, has_earlier = _nth(before, point_id, -REACH)
        later, has_later = _nth(after, point_id, REACH - 1)
        start_ms = np.where(has_earlier, earlier // HOUR_MS * HOUR_MS, window.start_ms)
        end_ms = np.where(has_later, later // HOUR_MS * HOUR_MS + HOUR_MS, window.end_ms)
        return cls(point_id, start_ms, end_ms)

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """(point, start_ms, end_ms)."""
        yield from zip(self.point_id.tolist(), self.start_ms.tolist(), self.end_ms.tolist(), strict=True)

    def windows(self) -> list[Window]:
        """The hours reached, as windows to recompute from all of their readings: points with the same hours share one.

        A point that was read long ago reaches far; it must not make all others of its park read as far.
        """
        shared: dict[tuple[int, int], list[int]] = {}
        for point_id, start_ms, end_ms in self.rows():
            shared.setdefault((start_ms, end_ms), []).append(point_id)
        return [Window(tuple(point_ids), start_ms, end_ms) for (start_ms, end_ms), point_ids in sorted(shared.items())]


def _nth(readings: ReadingColumns, point_id: Int32s, n: int) -> tuple[Int64s, Bools]:
    """Per point the time of its nth reading (from the end where n < 0), or of its last one on that side; has it any?"""
    first = np.searchsorted(readings.point_id, point_id, "left")
    end = np.searchsorted(readings.point_id, point_id, "right")
    has_any = end > first
    place = np.maximum(end + n, first) if n < 0 else np.minimum(first + n, end - 1)
    if not len(readings):
        return np.zeros(point_id.size, np.int64), has_any
    return readings.at_ms[place.clip(0, len(readings) - 1)], has_any


def difference(stored: UsageColumns, fresh: UsageColumns) -> UsageColumns:
    """Rows of `fresh` that `stored` does not have just so, and a zero row for each stored hour that is no more.

    Both cover the same hours and are sorted by (point, hour).
    """
    gone = ~_holds(fresh, stored) & ((stored.amount_u != 0) | (stored.covered_ms != 0))
    zeros = _rows(stored, gone)
    none = np.zeros(len(zeros), np.int64)
    zeros = UsageColumns(zeros.point_id, zeros.hour_ms, none, none.copy(), none.copy())
    unchanged = _holds(stored, fresh, values=True)
    new = _rows(fresh, ~unchanged)
    return UsageColumns(
        np.concatenate([new.point_id, zeros.point_id]),
        np.concatenate([new.hour_ms, zeros.hour_ms]),
        np.concatenate([new.amount_u, zeros.amount_u]),
        np.concatenate([new.estimated_u, zeros.estimated_u]),
        np.concatenate([new.covered_ms, zeros.covered_ms]),
    )


def _holds(haystack: UsageColumns, needles: UsageColumns, *, values: bool = False) -> Bools:
    """Per needle: is there a row for its (point, hour), and with `values` one with the same figures?"""
    if not len(haystack):
        return np.zeros(len(needles), dtype=bool)
    place = np.searchsorted(_keys(haystack), _keys(needles)).clip(max=len(haystack) - 1)
    same = (haystack.point_id[place] == needles.point_id) & (haystack.hour_ms[place] == needles.hour_ms)
    if values:
        same &= (
            (haystack.amount_u[place] == needles.amount_u)
            & (haystack.estimated_u[place] == needles.estimated_u)
            & (haystack.covered_ms[place] == needles.covered_ms)
        )
    return np.asarray(same, dtype=bool)


def _keys(usage: UsageColumns) -> Int64s:
    """One sortable integer per (point, hour): 2^31 points × 2^32 hours fit."""
    return (usage.point_id.astype(np.int64) << 32) + usage.hour_ms // HOUR_MS


def _rows(usage: UsageColumns, chosen: Bools) -> UsageColumns:
    return UsageColumns(
        usage.point_id[chosen],
        usage.hour_ms[chosen],
        usage.amount_u[chosen],
        usage.estimated_u[chosen],
        usage.covered_ms[chosen],
    )
