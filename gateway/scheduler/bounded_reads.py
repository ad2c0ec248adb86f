"""Points and days in parts whose readings fit in memory, however close together the readings are.

Who reads bounds points × days, which is rows only for a meter that is read once a minute; one that is read ten times a
second has 600 times as many. So where that many could lie in what is asked for, the rows of each point are counted
first: then the days are halved, and then the points of one day are put together as they fit. A part is read in slices
of time: a store needs several times the room of what it gives while it puts that in order, and what was sent over and
over stands over and over in it, but once in what is read.

What stays true: the parts cover every point and day once, a point's days in their order. Limits: a part has MOST_ROWS
in the store, or the different readings of one day of one point; a slice SLICE_ROWS, if rows lie evenly in time; meters
that are read more often than QUICKEST_PER_HOUR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from collectors.clock import HOUR_MS
from gateway.scheduler.windows import DAY_MS, Window
from gateway.store.columns import one_after_another
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore

MOST_ROWS = 1_000_000  # 21 MB of columns, and as much again for what is made of them
SLICE_ROWS = 250_000  # 40 MB while DuckDB gathers them and they are put in order, where a million are 150
QUICKEST_PER_HOUR = 36_000  # ten readings a second: few points and hours need not be counted

Part = tuple[tuple[int, ...], tuple[int, ...]]  # points, and the instants at which their days begin and end


def bounded(timeseries: TimeSeriesStore, point_ids: Sequence[int], edges: Sequence[int]) -> Iterator[Part]:
    """Parts of some points and days: `edges` are where the days begin and where the last one ends."""
    if not _may_exceed(MOST_ROWS, point_ids, edges[0], edges[-1]):
        yield tuple(point_ids), tuple(edges)
        return
    rows = timeseries.counts(point_ids, edges[0], edges[-1])
    if sum(rows.values()) > MOST_ROWS and len(edges) > 2:
        middle = len(edges) // 2
        yield from bounded(timeseries, point_ids, edges[: middle + 1])
        yield from bounded(timeseries, point_ids, edges[middle:])
        return
    for some in _together(point_ids, rows):
        yield some, tuple(edges)


def bounded_windows(timeseries: TimeSeriesStore, window: Window) -> Iterator[Window]:
    """The same hours of the same points, in windows that fit."""
    edges = (*range(window.start_ms, window.end_ms, DAY_MS), window.end_ms)
    for points, days in bounded(timeseries, window.point_ids, edges):
        yield Window(points, days[0], days[-1])


def read_in_slices(timeseries: TimeSeriesStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
    """Readings with start_ms <= at_ms < end_ms, about SLICE_ROWS of the store's rows at once."""
    if not _may_exceed(SLICE_ROWS, point_ids, start_ms, end_ms):
        return timeseries.read(point_ids, start_ms, end_ms)
    slices = -(-sum(timeseries.counts(point_ids, start_ms, end_ms).values()) // SLICE_ROWS)
    edges = [start_ms + (end_ms - start_ms) * place // slices for place in range(slices)]
    return one_after_another([timeseries.read(point_ids, *stretch) for stretch in pairwise([*edges, end_ms])])


def _may_exceed(rows: int, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
    return len(point_ids) * -(-(end_ms - start_ms) // HOUR_MS) * QUICKEST_PER_HOUR > rows


def _together(point_ids: Sequence[int], rows: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
    """Neighbouring points whose rows are no more than MOST_ROWS together; at least one."""
    held, first = 0, 0
    for place, point_id in enumerate(point_ids):
        own = rows.get(point_id, 0)
        if held + own > MOST_ROWS and place > first:
            yield tuple(point_ids[first:place])
            held, first = 0, place
        held += own
    yield tuple(point_ids[first:])
