"""Hourly usage and readings of many points over a stretch of time, read at once and handed out point by point.

A store answers one question about a thousand points nearly as fast as one about a single point, so the roll-up asks
for whole chunks of enterprises. Limit: all of a `Series` is in memory; who asks bounds points × days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.scheduler.near import near
from gateway.store.columns import one_after_another, take_readings, take_usage
from gateway.store.timeseries import Int32s, ReadingColumns, TimeSeriesStore, UsageColumns

Stretch = tuple[int, int]  # start_ms <= time < end_ms

# Hourly usage of some points between two instants: as stored, or recomputed from the readings for verification.
UsageOf = Callable[[Sequence[int], int, int], UsageColumns]
# Digests that were kept of days whose raw readings were dropped: point -> start of the day -> digest.
Kept = Mapping[int, Mapping[int, str]]
KeptOf = Callable[[Sequence[int], int, int], Kept]


def nothing_dropped(point_ids: Sequence[int], start_ms: int, end_ms: int) -> Kept:
    """All raw readings are there."""
    return {}


@dataclass(frozen=True, slots=True)
class PointSeries:
    """One point's part of a `Series`."""

    usage: UsageColumns  # by hour
    readings: ReadingColumns  # by time, with the last one before the stretch and the first one after it
    kept: Mapping[int, str] = field(default_factory=dict)  # start of a day -> digest, where raw readings were dropped

    def around(self, start_ms: int, end_ms: int) -> ReadingColumns:
        """The readings of a part of the stretch with the last one before it and the first one after it.

        A part that lies before or after all readings has none: no step reaches into it, and what is read between it
        and them later changes nothing in it.
        """
        at_ms = self.readings.at_ms
        first = int(np.searchsorted(at_ms, start_ms, "left"))
        end = int(np.searchsorted(at_ms, end_ms, "left"))
        if 0 < first < at_ms.size:
            first -= 1
        if end > 0:
            end += 1
        return take_readings(self.readings, slice(first, end))


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of some points, each sorted by (point, time)."""

    usage: UsageColumns
    readings: ReadingColumns  # in the stretch, with the last one before it and the first one after it
    kept: Kept = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        timeseries: TimeSeriesStore,
        usage_of: UsageOf,
        point_ids: Sequence[int],
        stretch: Stretch,
        kept_of: KeptOf = nothing_dropped,
    ) -> Series:
        start_ms, end_ms = stretch
        source = near(timeseries, point_ids, start_ms, end_ms)
        readings = (
            source.before(point_ids, start_ms, 1),
            source.read(point_ids, start_ms, end_ms),
            source.after(point_ids, end_ms, 1),
        )
        kept = kept_of(point_ids, start_ms, end_ms)
        return cls(usage_of(point_ids, start_ms, end_ms), one_after_another(readings), kept)

    def of_point(self, point_id: int) -> PointSeries:
        """Views of the columns, not copies."""
        usage, readings = self.usage, self.readings
        return PointSeries(
            take_usage(usage, _rows(usage.point_id, point_id)),
            take_readings(readings, _rows(readings.point_id, point_id)),
            self.kept.get(point_id, {}),
        )


@dataclass(frozen=True, slots=True)
class SeriesSource:
    """Gives the series of points; what was read ahead is not read again."""

    timeseries: TimeSeriesStore
    usage_of: UsageOf
    ahead: Mapping[Stretch, Series] = field(default_factory=dict)  # each of all points that will be asked for
    kept_of: KeptOf = nothing_dropped

    def read_ahead(self, wanted: Iterable[tuple[Stretch, int]]) -> SeriesSource:
        """A source that has the series of these (stretch, point) at hand: one read per distinct stretch."""
        points: dict[Stretch, set[int]] = {}
        for stretch, point_id in wanted:
            points.setdefault(stretch, set()).add(point_id)
        ahead = {
            stretch: Series.read(self.timeseries, self.usage_of, sorted(own), stretch, self.kept_of)
            for stretch, own in points.items()
        }
        return SeriesSource(self.timeseries, self.usage_of, ahead, self.kept_of)

    def of(self, point_ids: Sequence[int], stretch: Stretch) -> Series:
        found = self.ahead.get(stretch)
        return found or Series.read(self.timeseries, self.usage_of, point_ids, stretch, self.kept_of)


def _rows(point_ids: Int32s, point_id: int) -> slice:
    """Where a sorted column holds a point."""
    wanted = np.int32(point_id)  # a Python int would make numpy convert the whole column first
    return slice(int(np.searchsorted(point_ids, wanted, "left")), int(np.searchsorted(point_ids, wanted, "right")))
