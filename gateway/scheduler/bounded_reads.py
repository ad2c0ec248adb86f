"""Points and days in parts whose readings fit in memory, however close together the readings are.

Who reads bounds points × days, which is rows only for a meter that is read once a minute; one that is read ten times a
second has 600 times as many. So where that many could lie in what is asked for, rows are counted first: then the days
are halved, and then the points of one day.

What stays true: the parts cover every point and day once, a point's days in their order. Limits: MOST_ROWS, or the rows
of one day of one point; meters that are read more often than QUICKEST_PER_HOUR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collectors.clock import HOUR_MS
from gateway.scheduler.windows import DAY_MS, Window
from gateway.store.timeseries import TimeSeriesStore

MOST_ROWS = 6_000_000  # about 500 MB while usage is made of them
QUICKEST_PER_HOUR = 36_000  # ten readings a second: few points and hours need not be counted

Part = tuple[tuple[int, ...], tuple[int, ...]]  # points, and the instants at which their days begin and end


def bounded(timeseries: TimeSeriesStore, point_ids: Sequence[int], edges: Sequence[int]) -> Iterator[Part]:
    """Parts of some points and days: `edges` are where the days begin and where the last one ends."""
    whole = tuple(point_ids), tuple(edges)
    hours = -(-(edges[-1] - edges[0]) // HOUR_MS)
    if len(point_ids) * hours * QUICKEST_PER_HOUR <= MOST_ROWS:
        yield whole
        return
    if timeseries.count(point_ids, edges[0], edges[-1]) <= MOST_ROWS or len(point_ids) == 1 == len(edges) - 1:
        yield whole
    elif len(edges) > 2:
        middle = len(edges) // 2
        yield from bounded(timeseries, point_ids, edges[: middle + 1])
        yield from bounded(timeseries, point_ids, edges[middle:])
    else:
        middle = len(point_ids) // 2
        yield from bounded(timeseries, point_ids[:middle], edges)
        yield from bounded(timeseries, point_ids[middle:], edges)


def bounded_windows(timeseries: TimeSeriesStore, window: Window) -> Iterator[Window]:
    """The same hours of the same points, in windows that fit."""
    edges = (*range(window.start_ms, window.end_ms, DAY_MS), window.end_ms)
    for points, days in bounded(timeseries, window.point_ids, edges):
        yield Window(points, days[0], days[-1])
