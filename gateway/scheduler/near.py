"""A stretch of a few points read once with what lies around it, so that neighbours are found in memory.

A small question costs a store's planning, not its reading: DuckDB needs 4 ms for each, whatever it finds. A late
reading asks for neighbours on both sides, for the hours between, and for the neighbours of those. What stays true: the
answers are those of the store at the moment of the one reading; what lies beyond the margin is asked for. Limit: FEW
points; for many, reading a margin costs more than asking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from collectors.clock import HOUR_MS
from gateway.carbon.runs import Runs
from gateway.scheduler.bounded_reads import read_in_slices
from gateway.store.columns import one_after_another, take_readings
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore

FEW = 50  # points
WIDEST_MS = 31 * 24 * HOUR_MS  # of a stretch
MARGIN_MS = 2 * HOUR_MS  # on each side: a dozen readings of a meter that is read every ten minutes


class Readings(Protocol):
    """The questions about readings that a `TimeSeriesStore` answers."""

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns: ...

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns: ...

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns: ...


def near(timeseries: TimeSeriesStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> Readings:
    """Who answers questions in and around a stretch: the store, or for few points what was read of it once."""
    if not 0 < len(point_ids) <= FEW or end_ms - start_ms > WIDEST_MS:
        return InSlices(timeseries)
    return Near.of(timeseries, point_ids, start_ms - MARGIN_MS, end_ms + MARGIN_MS)


@dataclass(frozen=True, slots=True)
class InSlices:
    """The store, of which no more is read at once than fits."""

    timeseries: TimeSeriesStore

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        """Readings with start_ms <= at_ms < end_ms."""
        return read_in_slices(self.timeseries, point_ids, start_ms, end_ms)

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` newest readings per point with at_ms strictly before `at_ms`."""
        return self.timeseries.before(point_ids, at_ms, count)

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` oldest readings per point at or after `at_ms`."""
        return self.timeseries.after(point_ids, at_ms, count)


@dataclass(frozen=True, slots=True)
class Near:
    """All readings of these points with start_ms <= at_ms < end_ms, and the store for what lies beyond."""

    timeseries: TimeSeriesStore
    points: frozenset[int]
    start_ms: int
    end_ms: int
    readings: ReadingColumns

    @classmethod
    def of(cls, timeseries: TimeSeriesStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> Self:
        found = read_in_slices(timeseries, point_ids, start_ms, end_ms)
        return cls(timeseries, frozenset(point_ids), start_ms, end_ms, found)

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        """Readings with start_ms <= at_ms < end_ms."""
        if start_ms < self.start_ms or end_ms > self.end_ms or not self.points.issuperset(point_ids):
            return read_in_slices(self.timeseries, point_ids, start_ms, end_ms)
        return self._at_hand(point_ids, start_ms, end_ms)

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` newest readings per point with at_ms strictly before `at_ms`."""
        if not self.start_ms <= at_ms <= self.end_ms:
            return self.timeseries.before(point_ids, at_ms, count)
        found = _ranked(self._at_hand(point_ids, self.start_ms, at_ms), count, newest=True)
        return self._completed(self.timeseries.before, found, point_ids, at_ms, count)

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` oldest readings per point at or after `at_ms`."""
        if not self.start_ms <= at_ms <= self.end_ms:
            return self.timeseries.after(point_ids, at_ms, count)
        found = _ranked(self._at_hand(point_ids, at_ms, self.end_ms), count, newest=False)
        return self._completed(self.timeseries.after, found, point_ids, at_ms, count)

    def _at_hand(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        own, at_ms = self.readings, self.readings.at_ms
        wanted = np.isin(own.point_id, np.array(list(point_ids), np.int32))
        return take_readings(own, wanted & (at_ms >= start_ms) & (at_ms < end_ms))

    def _completed(
        self,
        ask: Callable[[Sequence[int], int, int], ReadingColumns],
        found: ReadingColumns,
        point_ids: Sequence[int],
        at_ms: int,
        count: int,
    ) -> ReadingColumns:
        """What was found, and what the store has of the points of which too little is at hand."""
        runs = Runs.of(found.point_id)
        enough = {point for point, rows in zip(runs.points, runs.counts.tolist(), strict=True) if rows == count}
        lacking = [point for point in point_ids if point not in enough or point not in self.points]
        if not lacking:
            return found
        kept = take_readings(found, ~np.isin(found.point_id, np.array(lacking, np.int32)))
        return one_after_another([kept, ask(lacking, at_ms, count)])  # of different points: their order is no matter


def _ranked(readings: ReadingColumns, count: int, *, newest: bool) -> ReadingColumns:
    """The first or last `count` rows of each point."""
    runs = Runs.of(readings.point_id)
    rank = np.arange(len(readings)) - runs.spread(runs.firsts)
    if newest:
        rank = runs.spread(runs.counts) - 1 - rank
    return take_readings(readings, rank < count)
