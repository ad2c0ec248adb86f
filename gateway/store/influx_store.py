"""Time series in InfluxDB, for a city: several gateways, one server.

What stays true:
- Measurement `reading` has the tags enterprise, device, point and the fields value (float) and quality (integer);
  `usage_hourly` has the same tags and integer fields. Others can read them without knowing our point numbers.
- Last write wins, because InfluxDB keeps one value per series, field and instant, and we always write all fields.
- Both values and times survive exactly (see `line_protocol`).
- The dirty-hour log is in the relational database: InfluxDB has no transactions that could hold both.

Limits: instants from 1677 to 2262; one request carries at most LINES_PER_WRITE lines and asks for at most
POINTS_PER_QUERY points, so that neither a body nor a statement grows without bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from collectors.errors import StoreRefused
from gateway.store.ahead import one_ahead
from gateway.store.columns import (
    EARLIEST_MS,
    LATEST_MS,
    id_column,
    refuse_unstorable,
    sorted_readings,
    sorted_usage,
    take_readings,
    take_usage,
    touched_hours,
)
from gateway.store.dirty_log import DirtyLog
from gateway.store.influx_protocol import InfluxServer
from gateway.store.line_protocol import (
    READING,
    TAGS,
    USAGE,
    SeriesKeys,
    reading_lines,
    series_condition,
    slices,
    usage_lines,
)
from gateway.store.timeseries import Archived, DirtyHours, PointDirectory, ReadingColumns, UsageColumns

# InfluxDB 1.x weighs every series against every alternative of the condition: 25 to 50 points a query read fastest,
# 200 take half as long again (measured with 1.6.7).
POINTS_PER_QUERY = 50
_NS_PER_MS = 1_000_000

# Rows of an answer: time, then the fields in the order asked. A field is null where another program wrote only some.
_ReadingRow = tuple[int, float | None, int | None]
_UsageRow = tuple[int, int | None, int | None, int | None]
_CountRow = tuple[int, int]

_READING_FIELDS = '"value", "quality"'
_READING_TYPES = (np.int64, np.float64, np.uint8)
_USAGE_FIELDS = '"amount_u", "estimated_u", "covered_ms"'
_USAGE_TYPES = (np.int64, np.int64, np.int64, np.int64)
# What 1.x says of a write of which it took some: "partial write: points beyond retention policy dropped=2".
_DROPPED = re.compile(r"dropped=(\d+)")
_BY_TAGS = " GROUP BY " + ", ".join(f'"{tag}"' for tag in TAGS)


class InfluxStore:
    """A `TimeSeriesStore` on an InfluxDB server of any generation. Safe to call from any thread."""

    def __init__(self, server: InfluxServer, directory: PointDirectory, dirty_log: DirtyLog) -> None:
        self._server = server
        self._directory = directory
        self._dirty_log = dirty_log
        self._keys = SeriesKeys(directory)

    def append(self, readings: ReadingColumns) -> None:
        """Write readings request by request, and then note their hours.

        The order matters. Were the note first, the roll-up could claim it, find the old readings, clear the note, and
        the new readings would never be accounted for. This way round, a crash between the two leaves readings without
        a note only where no receipt was given: the edge sends them again, and the second time notes them.
        """
        if not len(readings):
            return
        refuse_unstorable(readings)
        written: list[ReadingColumns] = []
        try:
            for part, lines in one_ahead(self._requests(readings)):
                try:
                    self._server.write(lines)
                except StoreRefused as error:
                    # A partial write: the server kept the lines it liked, so their hours are touched. A note too many
                    # is harmless, one too few is not.
                    written.append(part)
                    dropped = _DROPPED.search(str(error))
                    error.whole = dropped is not None and int(dropped[1]) == len(part) == len(readings)
                    raise
                written.append(part)
        finally:
            self._note(ReadingColumns.concatenate(written))

    def _requests(self, readings: ReadingColumns) -> Iterator[tuple[ReadingColumns, bytes]]:
        """(readings, their lines), of at most LINES_PER_WRITE."""
        for rows in slices(len(readings)):
            # Sorted, the last of each instant: InfluxDB 3 does not say which of two rows in a request would win.
            part = sorted_readings(take_readings(readings, rows))
            yield part, reading_lines(part, self._keys)

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        """Readings with start_ms <= at_ms < end_ms."""
        return self._readings(point_ids, start_ms, end_ms)

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        """Of each point that has any: its readings with start_ms <= at_ms < end_ms."""
        query = f'SELECT COUNT("value") FROM "{READING}"'
        found = self._select(query, _CountRow, point_ids, start_ms, end_ms)
        return {point_id: count for point_id, rows in found for _, count in rows}

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` newest readings per point with at_ms strictly before `at_ms`."""
        return self._readings(point_ids, EARLIEST_MS, at_ms, f" ORDER BY time DESC LIMIT {count}")

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` oldest readings per point at or after `at_ms`."""
        return self._readings(point_ids, at_ms, LATEST_MS + 1, f" ORDER BY time ASC LIMIT {count}")

    def latest(self, point_ids: Sequence[int]) -> ReadingColumns:
        """The newest reading of each point that has one."""
        return self.before(point_ids, LATEST_MS + 1, 1)

    def claim_dirty(self, limit: int) -> DirtyHours:
        """Up to `limit` distinct dirty (point, hour), oldest notes first."""
        return self._dirty_log.claim(limit)

    def clear_dirty(self, claimed: DirtyHours) -> None:
        """Forget the claimed notes, unless readings touched the hour again since the claim."""
        self._dirty_log.clear(claimed)

    def dirty_count(self) -> int:
        """Distinct dirty (point, hour) waiting."""
        return self._dirty_log.count()

    def put_usage(self, usage: UsageColumns) -> None:
        """Write hourly usage over what stood for the same (point, hour)."""
        usage = sorted_usage(usage)
        with self._dirty_log.fenced(usage.point_id, usage.hour_ms):
            for rows in slices(len(usage)):
                self._server.write(usage_lines(take_usage(usage, rows), self._keys))

    def usage(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        """Hourly usage with start_ms <= hour_ms < end_ms, sorted by (point_id, hour_ms)."""
        found = self._select(f'SELECT {_USAGE_FIELDS} FROM "{USAGE}"', _UsageRow, point_ids, start_ms, end_ms)
        return sorted_usage(UsageColumns(*_columns(found, _USAGE_TYPES)))

    def archive(self, before_ms: int) -> Archived | None:
        """None: the server packs its own files."""
        return None

    def forget(self, before: Mapping[int, int]) -> None:
        """Point by point, by a DELETE of InfluxDB 1.x. Other generations, and what looks like 1.x, may not have it."""
        for point_id, before_ms in sorted(before.items()):
            span = _span(EARLIEST_MS, before_ms)
            where = series_condition([self._directory(point_id)])
            if span is None:
                continue
            self._server.delete(f'DELETE FROM "{READING}" WHERE {span} AND ({where})')
            if len(self.before([point_id], before_ms, 1)):
                raise StoreRefused("the server took a DELETE and deleted nothing: let its own retention drop readings")

    def archived(self) -> tuple[int, int]:
        """None: what the server packs is not known here."""
        return 0, 0

    def is_archived(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
        """False: the server packs its own files."""
        return False

    def ping(self) -> str:
        """The engine and its version, such as "InfluxDB 1.6.7"."""
        return f"InfluxDB {self._server.version()}"

    def close(self) -> None:
        """Close the connections; the relational engine belongs to whoever made it."""
        self._server.close()

    def _note(self, readings: ReadingColumns) -> None:
        self._dirty_log.note(*touched_hours(readings.point_id, readings.at_ms))

    def _readings(self, point_ids: Sequence[int], start_ms: int, end_ms: int, ending: str = "") -> ReadingColumns:
        query = f'SELECT {_READING_FIELDS} FROM "{READING}"'
        found = self._select(query, _ReadingRow, point_ids, start_ms, end_ms, ending)
        return sorted_readings(ReadingColumns(*_columns(found, _READING_TYPES)))

    def _select(
        self, query: str, row: Any, point_ids: Sequence[int], start_ms: int, end_ms: int, ending: str = ""
    ) -> Iterator[tuple[int, list[Any]]]:
        """(point_id, rows) of the points asked for, in pieces."""
        span = _span(start_ms, end_ms)
        refs = [self._directory(point_id) for point_id in id_column(point_ids).tolist()] if span else []
        for first in range(0, len(refs), POINTS_PER_QUERY):
            asked = refs[first : first + POINTS_PER_QUERY]
            ids = {(ref.enterprise, ref.device, ref.point): ref.point_id for ref in asked}
            where = f" WHERE {span} AND ({series_condition(asked)})"
            for series in self._server.query(query + where + _BY_TAGS + ending, row):
                tags = series.tags
                yield ids[tags["enterprise"], tags["device"], tags["point"]], series.values


def _columns(pieces: Iterable[tuple[int, list[Any]]], types: Sequence[type]) -> list[npt.NDArray[Any]]:
    """Point ids and then the rows' columns. A row without all fields was not written by us and is left out."""
    parts = []
    for point_id, rows in pieces:
        complete = [row for row in rows if None not in row]
        columns = zip(*complete, strict=True) if complete else ([] for _ in types)
        parts.append([np.full(len(complete), point_id), *columns])
    every = zip(*parts, strict=True) if parts else ([] for _ in [int, *types])
    return [
        np.concatenate([np.asarray(piece, kind) for piece in pieces_of_column] or [np.empty(0, kind)])
        for pieces_of_column, kind in zip(every, [np.int32, *types], strict=True)
    ]


def _span(start_ms: int, end_ms: int) -> str | None:
    """A half-open range as InfluxQL nanoseconds, cut to what 64 bits hold; None if nothing can lie in it."""
    start_ms, end_ms = max(start_ms, EARLIEST_MS), min(end_ms, LATEST_MS + 1)
    if start_ms >= end_ms:
        return None
    return f"time >= {start_ms * _NS_PER_MS} AND time <= {(end_ms - 1) * _NS_PER_MS}"
