"""Hourly usage of many points over some days, and the digests of what it rests on, read at once for all of them.

A store answers one question about a thousand points nearly as fast as one about a single point, so the roll-up asks
for whole chunks of enterprises. Readings are read only where a day's digest is not known from elsewhere, and are let go
as soon as they are digested. Limit: all usage of a `Series` is in memory; who asks bounds points × days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from gateway.carbon.evidence import digest_of_readings
from gateway.scheduler.bounded_reads import bounded
from gateway.scheduler.near import near
from gateway.scheduler.reached_days import Follower, follower
from gateway.store.columns import one_after_another, take_readings, take_usage
from gateway.store.timeseries import Int32s, ReadingColumns, TimeSeriesStore, UsageColumns

Stretch = tuple[int, int]  # start_ms <= time < end_ms
Edges = tuple[int, ...]  # where consecutive days begin, and where the last one ends

# Hourly usage of some points between two instants: as stored, or recomputed from the readings for verification.
UsageOf = Callable[[Sequence[int], int, int], UsageColumns]
# Digests of days that begin between two instants, as far as they are known: point -> start of the day -> digest.
Digests = Mapping[int, Mapping[int, str]]
DigestsOf = Callable[[Sequence[int], int, int], Digests]


def none_known(point_ids: Sequence[int], start_ms: int, end_ms: int) -> Digests:
    """Nothing is known but by reading."""
    return {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is needed of some days."""

    fed: set[int] = field(default_factory=set)  # points whose usage is booked
    measured: set[int] = field(default_factory=set)  # points that instruments show, on whose readings entries rest


@dataclass(frozen=True, slots=True)
class Series:
    """Usage of some points, sorted by (point, hour), and what the days of those that instruments show rest on."""

    usage: UsageColumns
    digests: Digests
    followers: Mapping[int, Follower | None]  # of points that were read: their first reading after the days

    def usage_of(self, point_id: int) -> UsageColumns:
        """A view of the columns, not a copy."""
        return take_usage(self.usage, _rows(self.usage.point_id, point_id))


@dataclass(frozen=True, slots=True)
class SeriesSource:
    """Gives the series of points; what was read ahead is not read again."""

    timeseries: TimeSeriesStore
    usage_of: UsageOf
    kept_of: DigestsOf = none_known  # of days whose raw readings were dropped: they stand, whatever is left to be read
    at_hand: DigestsOf = none_known  # of days that this run has read already
    ahead: Mapping[Edges, Series] = field(default_factory=dict)  # each of all points that will be asked for

    def without_memory(self) -> SeriesSource:
        """The same from the store alone: for who checks what was booked."""
        return replace(self, at_hand=none_known, ahead={})

    def read_ahead(self, wanted: Mapping[Edges, Wanted]) -> SeriesSource:
        """A source that has the series of these days at hand: one read for each."""
        return replace(self, ahead={edges: self._read(own, edges) for edges, own in wanted.items()})

    def of(self, wanted: Wanted, edges: Edges) -> Series:
        found = self.ahead.get(edges)
        return found or self._read(wanted, edges)

    def _read(self, wanted: Wanted, edges: Edges) -> Series:
        points, stretch = sorted(wanted.measured), (edges[0], edges[-1])
        kept, at_hand = self.kept_of(points, *stretch), self.at_hand(points, *stretch)
        known = {point_id: {**at_hand.get(point_id, {}), **kept.get(point_id, {})} for point_id in points}
        lacking = [point_id for point_id in points if not known[point_id].keys() >= set(edges[:-1])]
        followers: dict[int, Follower | None] = {}
        for some, days in bounded(self.timeseries, lacking, edges) if lacking else ():
            for point_id, own in each_point(self.timeseries, some, (days[0], days[-1])):
                read = {from_ms: digest_of_readings(around(own, from_ms, to_ms)) for from_ms, to_ms in pairwise(days)}
                known[point_id] = read | known[point_id]
                followers[point_id] = follower(own, days[-1])  # of the last part at last: the days come in their order
        return Series(self.usage_of(sorted(wanted.fed), *stretch), known, followers)


def each_point(
    timeseries: TimeSeriesStore, point_ids: Sequence[int], stretch: Stretch
) -> Iterator[tuple[int, ReadingColumns]]:
    """Each point with its readings of a stretch, the last one before it and the first one after it, by time."""
    if not point_ids:
        return
    start_ms, end_ms = stretch
    source = near(timeseries, point_ids, start_ms, end_ms)
    readings = one_after_another(
        [
            source.before(point_ids, start_ms, 1),
            source.read(point_ids, start_ms, end_ms),
            source.after(point_ids, end_ms, 1),
        ]
    )
    for point_id in point_ids:
        yield point_id, take_readings(readings, _rows(readings.point_id, point_id))


def around(readings: ReadingColumns, start_ms: int, end_ms: int) -> ReadingColumns:
    """One point's readings of a part of a stretch with the last one before it and the first one after it.

    A part that lies before or after all readings has none: no step reaches into it, and what is read between it and
    them later changes nothing in it.
    """
    at_ms = readings.at_ms
    first = int(np.searchsorted(at_ms, start_ms, "left"))
    end = int(np.searchsorted(at_ms, end_ms, "left"))
    if 0 < first < at_ms.size:
        first -= 1
    if end > 0:
        end += 1
    return take_readings(readings, slice(first, end))


def _rows(point_ids: Int32s, point_id: int) -> slice:
    """Where a sorted column holds a point."""
    wanted = np.int32(point_id)  # a Python int would make numpy convert the whole column first
    return slice(int(np.searchsorted(point_ids, wanted, "left")), int(np.searchsorted(point_ids, wanted, "right")))
