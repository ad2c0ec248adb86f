"""A time-series store in memory, as quick on months of readings as the worlds need; it survives its gateway's crashes.

It passes the conformance suite of the real stores (`tests/conformance`). Each point has its instants and its hours as
sorted columns. What stays true: what a call answered is kept, whatever happens to the process that called; so a crashed
house goes on with the same object, as it would with a disk that wrote before each answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gateway.store.columns import (
    one_after_another,
    refuse_unstorable,
    sorted_readings,
    sorted_usage,
    take_readings,
    take_usage,
    touched_hours,
)
from gateway.store.timeseries import Archived, DirtyHours, ReadingColumns, UsageColumns


class QuickStore:
    """A `TimeSeriesStore`."""

    def __init__(self) -> None:
        self._readings: dict[int, ReadingColumns] = {}
        self._usage: dict[int, UsageColumns] = {}
        self._noted: dict[tuple[int, int], tuple[int, int]] = {}  # (point, hour) -> (first, last arrival) since cleared
        self._arrival = 0

    def append(self, readings: ReadingColumns) -> None:
        refuse_unstorable(readings)
        self._arrival += len(readings)
        for point in np.unique(readings.point_id).tolist():
            own = take_readings(readings, readings.point_id == point)
            before = self._readings.get(point, ReadingColumns.empty())
            self._readings[point] = sorted_readings(ReadingColumns.concatenate([before, own]))
        columns = touched_hours(readings.point_id, readings.at_ms)
        for pair in zip(*(column.tolist() for column in columns), strict=True):
            self._noted[pair] = self._noted.get(pair, (self._arrival, 0))[0], self._arrival

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        return self._found(point_ids, lambda at: slice(_place(at, start_ms), _place(at, end_ms)))

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        return dict(Counter(self.read(point_ids, start_ms, end_ms).point_id.tolist()))

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        return self._found(point_ids, lambda at: slice(max(0, _place(at, at_ms) - count), _place(at, at_ms)))

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        return self._found(point_ids, lambda at: slice(_place(at, at_ms), _place(at, at_ms) + count))

    def latest(self, point_ids: Sequence[int]) -> ReadingColumns:
        return self._found(point_ids, lambda at: slice(-1, None))

    def claim_dirty(self, limit: int) -> DirtyHours:
        oldest = sorted(self._noted, key=lambda pair: (self._noted[pair][0], pair))[:limit]
        points, hours = zip(*oldest, strict=True) if oldest else ((), ())
        return DirtyHours(np.array(points, np.int32), np.array(hours, np.int64), self._arrival)

    def clear_dirty(self, claimed: DirtyHours) -> None:
        for pair in zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True):
            if pair in self._noted and self._noted[pair][1] <= claimed.token:
                del self._noted[pair]

    def dirty_count(self) -> int:
        return len(self._noted)

    def put_usage(self, usage: UsageColumns) -> None:
        for point in np.unique(usage.point_id).tolist():
            own = take_usage(usage, usage.point_id == point)
            before = self._usage.get(point, UsageColumns.empty())
            self._usage[point] = sorted_usage(_joined([before, own]))

    def usage(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        parts = []
        for point in _sorted(point_ids):
            if point in self._usage:
                hours = self._usage[point].hour_ms
                parts.append(take_usage(self._usage[point], slice(_place(hours, start_ms), _place(hours, end_ms))))
        return _joined(parts) if parts else UsageColumns.empty()

    def archive(self, before_ms: int) -> Archived | None:
        return None

    def forget(self, before: Mapping[int, int]) -> None:
        for point, until_ms in before.items():
            own = self._readings.get(point, ReadingColumns.empty())
            self._readings[point] = take_readings(own, slice(_place(own.at_ms, until_ms), None))

    def archived(self) -> tuple[int, int]:
        return 0, 0

    def is_archived(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
        return False

    def ping(self) -> str:
        return "a quick store of the simulation"

    def close(self) -> None:
        """Nothing to give back, and nothing to forget."""

    def _found(self, point_ids: Sequence[int], rows: Callable[[np.ndarray], slice]) -> ReadingColumns:
        parts = [self._readings[point] for point in _sorted(point_ids) if point in self._readings]
        return one_after_another([take_readings(part, rows(part.at_ms)) for part in parts])


def _place(column: np.ndarray, value: int) -> int:
    return int(np.searchsorted(column, value, "left"))


def _sorted(point_ids: Sequence[int]) -> list[int]:
    return sorted({int(point) for point in point_ids})


def _joined(parts: list[UsageColumns]) -> UsageColumns:
    names = ("point_id", "hour_ms", "amount_u", "estimated_u", "covered_ms")
    return UsageColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
