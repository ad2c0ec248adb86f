"""A time-series store of a hundred lines, so that hundreds of worlds can be afforded.

It passes the conformance suite of the real stores (`tests/conformance`), and `test_simulation` tells one seed's story
on both. Every change is written to a journal before the call returns, so that a simulated kill, which goes on with a
copy of the directory, loses nothing that was answered.

Limit: everything is in memory, and a question looks at all of a point's instants. For worlds of some thousand readings.
"""

from __future__ import annotations

import pickle
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from collectors.errors import StoreRefused
from gateway.store.columns import refuse_unstorable, sorted_usage, touched_hours
from gateway.store.timeseries import Archived, DirtyHours, ReadingColumns, UsageColumns

Row = tuple[int, int, float, int]  # point, time, value, quality


class PlainStore:
    """A `TimeSeriesStore`."""

    def __init__(self, path: Path) -> None:
        self._series: dict[int, dict[int, tuple[float, int]]] = {}
        self._times: dict[int, list[int]] = {}  # each point's instants in order; made when asked for
        self._usage: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._noted: dict[tuple[int, int], tuple[int, int]] = {}  # (point, hour) -> (first, last arrival) since cleared
        self._arrival = 0
        self._changes = {"append": self._append, "put_usage": self._put_usage, "clear_dirty": self._clear_dirty}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as journal:
                while journal.peek(1):  # a kill copies whole lines: each was one write
                    name, arguments = pickle.load(journal)
                    self._changes[name](*arguments)
        self._journal = path.open("ab", buffering=0)

    def append(self, readings: ReadingColumns) -> None:
        refuse_unstorable(readings)
        columns = (readings.point_id, readings.at_ms, readings.value, readings.quality)
        self._change("append", [column.tolist() for column in columns])

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        def within(times: list[int]) -> list[int]:
            return times[bisect_left(times, start_ms) : bisect_left(times, end_ms)]

        return _readings(chain.from_iterable(self._rows(point, within) for point in _sorted(point_ids)))

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        return dict(Counter(self.read(point_ids, start_ms, end_ms).point_id.tolist()))

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        def newest(times: list[int]) -> list[int]:
            end = bisect_left(times, at_ms)
            return times[max(0, end - count) : end]

        return _readings(chain.from_iterable(self._rows(point, newest) for point in _sorted(point_ids)))

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        def oldest(times: list[int]) -> list[int]:
            start = bisect_left(times, at_ms)
            return times[start : start + count]

        return _readings(chain.from_iterable(self._rows(point, oldest) for point in _sorted(point_ids)))

    def latest(self, point_ids: Sequence[int]) -> ReadingColumns:
        return _readings(
            chain.from_iterable(self._rows(point, lambda times: times[-1:]) for point in _sorted(point_ids))
        )

    def claim_dirty(self, limit: int) -> DirtyHours:
        oldest = sorted(self._noted, key=lambda pair: (self._noted[pair][0], pair))[:limit]
        points, hours = zip(*oldest, strict=True) if oldest else ((), ())
        return DirtyHours(np.array(points, np.int32), np.array(hours, np.int64), self._arrival)

    def clear_dirty(self, claimed: DirtyHours) -> None:
        self._change("clear_dirty", [claimed.point_id.tolist(), claimed.hour_ms.tolist(), claimed.token])

    def dirty_count(self) -> int:
        return len(self._noted)

    def put_usage(self, usage: UsageColumns) -> None:
        usage = sorted_usage(usage)
        columns = (usage.point_id, usage.hour_ms, usage.amount_u, usage.estimated_u, usage.covered_ms)
        self._change("put_usage", [column.tolist() for column in columns])

    def usage(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        wanted = set(point_ids)
        keys = sorted(key for key in self._usage if key[0] in wanted and start_ms <= key[1] < end_ms)
        table = np.array([(*key, *self._usage[key]) for key in keys], np.int64).reshape(-1, 5)
        return UsageColumns(table[:, 0].astype(np.int32), *(table[:, column].copy() for column in range(1, 5)))

    def archive(self, before_ms: int) -> Archived | None:
        return None

    def forget(self, before: Mapping[int, int]) -> None:
        raise StoreRefused("a plain store forgets nothing")

    def archived(self) -> tuple[int, int]:
        return 0, 0

    def is_archived(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
        return False

    def ping(self) -> str:
        return "a plain store of the simulation"

    def close(self) -> None:
        self._journal.close()

    def _change(self, name: str, arguments: list[Any]) -> None:
        self._journal.write(pickle.dumps((name, arguments)))
        self._changes[name](*arguments)

    def _append(self, points: list[int], times: list[int], values: list[float], qualities: list[int]) -> None:
        self._arrival += len(points)
        for point, at_ms, value, quality in zip(points, times, values, qualities, strict=True):
            self._series.setdefault(point, {})[at_ms] = value, quality
        for point in set(points):
            self._times.pop(point, None)
        columns = touched_hours(np.array(points, np.int32), np.array(times, np.int64))
        for pair in zip(*(column.tolist() for column in columns), strict=True):
            self._noted[pair] = self._noted.get(pair, (self._arrival, 0))[0], self._arrival

    def _put_usage(self, points: list[int], hours: list[int], *figures: list[int]) -> None:
        self._usage.update(zip(zip(points, hours, strict=True), zip(*figures, strict=True), strict=True))

    def _clear_dirty(self, points: list[int], hours: list[int], token: int) -> None:
        for pair in zip(points, hours, strict=True):
            if pair in self._noted and self._noted[pair][1] <= token:
                del self._noted[pair]

    def _rows(self, point: int, chosen: Any) -> Iterable[Row]:
        series = self._series.get(point, {})
        if point not in self._times:
            self._times[point] = sorted(series)
        return [(point, at_ms, *series[at_ms]) for at_ms in chosen(self._times[point])]


def _last(times: list[int]) -> list[int]:
    return times[-1:]


def _sorted(point_ids: Sequence[int]) -> list[int]:
    return sorted({int(point) for point in point_ids})


def _readings(rows: Iterable[Row]) -> ReadingColumns:
    points, times, values, qualities = zip(*found, strict=True) if (found := list(rows)) else ((), (), (), ())
    return ReadingColumns(
        np.array(points, np.int32), np.array(times, np.int64), np.array(values, float), np.array(qualities, np.uint8)
    )
