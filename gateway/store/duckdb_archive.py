"""Old months of a DuckDB store, in Parquet files beside it: sorted by (point, time), one row per point and instant.

`archived_file` in the DuckDB file says which files count. Its rows are written by the transaction that takes the same
readings out of the table, so at every instant, and after a kill at any, each reading stands in exactly one of them.

What stays true:
- A file is written under another name, read back and compared, fsynced and renamed before that transaction begins; a
  file that no row names is no part of the store and is removed before the next month is looked at.
- What arrives late for an archived month stands in the table and comes before the archived row of its instant. The
  next run makes those files anew that hold its points.
- Files that were replaced stay for GRACE_S, so that whoever reads them meanwhile can finish.

Limits: PIECE_ROWS at once in memory, and as many in a file, or one point's hour. Whoever asks for a day of all points
reads their whole month; whoever asks for a point's month reads little more than that.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from collectors.clock import HOUR_MS, from_ms, to_ms
from collectors.errors import ConfigurationError
from gateway.store.columns import sorted_readings, take_readings
from gateway.store.duckdb_file import FORMAT_WITH_ARCHIVE, quoted
from gateway.store.timeseries import ReadingColumns

PIECE_ROWS = 2_000_000  # of one file: 42 MB of columns
GROUP_ROWS = 65_536  # of one row group, which is read whole: six weeks of a point that is read every minute
GRACE_S = 600.0
GLOB = "*?[]{}"  # in a path of Parquet files DuckDB takes these for patterns

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_MANIFEST = "select name, month_ms, first_ms, last_ms, lowest, highest, readings, size_bytes from archived_file"
_COLUMNS = "point_id, at_ms, value, quality"
_OF_PIECE = "at_ms >= ? and at_ms < ? and arrival <= ? and point_id between ? and ?"


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One Parquet file of a month."""

    name: str
    month_ms: int  # the first instant of the UTC month
    first_ms: int  # of its readings
    last_ms: int
    lowest: int  # of its point ids
    highest: int
    readings: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What a new file is made of: a few points' month, or a stretch of a month of one point that is read very often."""

    lowest: int  # of its point ids
    highest: int
    start_ms: int
    end_ms: int
    old: tuple[ArchivedFile, ...]  # that it replaces, alone or with others

    def mark(self, arrival: int) -> str:
        """What makes a file's name one that no other file of these points has or had."""
        whole = (self.start_ms, self.end_ms) == (month_of(self.start_ms), month_after(self.start_ms))
        return str(arrival) if whole else f"{arrival}-{self.start_ms}"


@dataclass(frozen=True, slots=True)
class Archive:
    """The folder of archived months. Its callers hold transactions; it knows which files a question needs."""

    folder: Path

    def problem(self) -> str | None:
        """Why nothing can be archived here, or None."""
        wrong = sorted(set(GLOB) & set(str(self.folder)))
        return f"{self.folder}: DuckDB takes {' '.join(wrong)} in a path for a pattern" if wrong else None

    def check(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Raise ConfigurationError if a file that counts is not there whole."""
        for file in self.files(cursor):
            path = self.folder / file.name
            size = path.stat().st_size if path.is_file() else None
            if size != file.size_bytes:
                found = "is missing" if size is None else f"has {size} bytes in place of {file.size_bytes}"
                raise ConfigurationError(
                    f"{path} {found}, and holds {file.readings} readings: put it back from the backup that the "
                    "database is from."
                )

    def files(
        self, cursor: duckdb.DuckDBPyConnection, start_ms: int = -(2**62), end_ms: int = 2**62, points: Points = None
    ) -> list[ArchivedFile]:
        """The files that can hold readings of start_ms <= at_ms < end_ms of these points, by month, point and time."""
        lowest, highest = points or (_LOWEST, _HIGHEST)
        query = f"{_MANIFEST} where first_ms < ? and last_ms >= ? and lowest <= ? and highest >= ? order by 2, 5, 3"
        rows = cursor.execute(query, [end_ms, start_ms, highest, lowest]).fetchall()
        return [ArchivedFile(*row) for row in rows]

    def table(self, files: Sequence[ArchivedFile]) -> str:
        """SQL of the rows of some files."""
        paths = ", ".join(quoted(str(self.folder / file.name)) for file in files)
        return f"read_parquet([{paths}])"

    def source(self, files: Sequence[ArchivedFile]) -> str:
        """SQL of table and files together, with `arrival`: what was archived came before all that is in the table."""
        if not files:
            return "reading"
        return (
            f"(select {_COLUMNS}, arrival from reading union all "
            f"select {_COLUMNS}, 0::bigint as arrival from {self.table(files)})"
        )

    def pieces(self, cursor: duckdb.DuckDBPyConnection, month_ms: int, arrival: int) -> Iterator[Piece]:
        """What must be written. Where the month is archived already, only the files whose points have late readings."""
        month = month_ms, month_after(month_ms)
        files = [file for file in self.files(cursor) if file.month_ms == month_ms]
        # Files of one point lie behind each other in time, and stand or go together; all others are of other points.
        old = [tuple(own) for _, own in groupby(files, key=lambda file: file.lowest)] or [()]
        # Every point that is late belongs to one of these: that which begins at it or below, or else the first.
        edges = [_LOWEST, *(own[0].lowest for own in old[1:]), _HIGHEST + 1]
        for place, own in enumerate(old):
            whole = Piece(edges[place], edges[place + 1] - 1, *month, own)
            late = cursor.execute(f"select count(*) from reading where {_OF_PIECE}", _values(whole, arrival)).fetchall()
            if late[0][0]:
                yield from self._cut(cursor, whole, arrival)

    def _cut(self, cursor: duckdb.DuckDBPyConnection, whole: Piece, arrival: int) -> Iterator[Piece]:
        """Cut by points so that each piece has about PIECE_ROWS, and where one point alone has more, by its hours."""
        for first, last, rows in _ranges(self._counts(cursor, whole, arrival, "point_id")):
            piece = replace(whole, lowest=first, highest=last)
            if rows <= PIECE_ROWS:
                yield piece
                continue
            for first_hour, last_hour, _ in _ranges(self._counts(cursor, piece, arrival, f"at_ms // {HOUR_MS}")):
                yield replace(piece, start_ms=first_hour * HOUR_MS, end_ms=(last_hour + 1) * HOUR_MS)

    def _counts(
        self, cursor: duckdb.DuckDBPyConnection, piece: Piece, arrival: int, by: str
    ) -> Sequence[tuple[int, int]]:
        """How many rows of a piece there are by point or by hour."""
        query = f"select {by}, count(*) from {self.source(piece.old)} where {_OF_PIECE} group by 1 order by 1"
        return cursor.execute(query, _values(piece, arrival)).fetchall()

    def rows(self, cursor: duckdb.DuckDBPyConnection, piece: Piece, arrival: int) -> ReadingColumns:
        """The readings of a new file, as the store itself would read them."""
        query = f"select {_COLUMNS}, arrival from {self.source(piece.old)} where {_OF_PIECE}"
        found = cursor.execute(query, _values(piece, arrival)).fetchnumpy()
        rows = ReadingColumns(found["point_id"], found["at_ms"], found["value"], found["quality"])
        return sorted_readings(rows, arrival=found["arrival"])

    def write(self, cursor: duckdb.DuckDBPyConnection, month_ms: int, mark: str, rows: ReadingColumns) -> ArchivedFile:
        """Write a file so that it is there whole or not at all, and be sure that it says what was given.

        `mark` makes its name one that no file of these points had before.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        lowest, highest = int(rows.point_id[0]), int(rows.point_id[-1])
        first_ms, last_ms = int(rows.at_ms.min()), int(rows.at_ms.max())
        name = f"{month_name(month_ms)}.{lowest}-{highest}.{mark}.parquet"
        partial = self.folder / f"{name}.partial"
        cursor.register("incoming", {column: getattr(rows, column) for column in _COLUMNS.split(", ")})
        cursor.execute(
            f"copy (select {_COLUMNS} from incoming) to {quoted(str(partial))} "
            f"(format parquet, parquet_version v2, compression zstd, row_group_size {GROUP_ROWS})"
        )
        cursor.unregister("incoming")
        found = cursor.execute(f"select {_COLUMNS} from read_parquet({quoted(str(partial))})").fetchnumpy()
        if not all(np.array_equal(found[column], getattr(rows, column)) for column in _COLUMNS.split(", ")):
            raise AssertionError(f"{partial} does not hold what was written: nothing is taken out of the table")
        sync(partial)
        os.replace(partial, self.folder / name)  # noqa: PTH105  one name, so that tests can stop here
        sync(self.folder)
        size = (self.folder / name).stat().st_size
        return ArchivedFile(name, month_ms, first_ms, last_ms, lowest, highest, len(rows), size)

    def swap(
        self,
        cursor: duckdb.DuckDBPyConnection,
        month_ms: int,
        arrival: int,
        old: Sequence[ArchivedFile],
        new: Sequence[ArchivedFile],
    ) -> None:
        """Within the caller's transaction: the month's rows leave the table, and these files stand for them."""
        cursor.execute(
            "delete from reading where at_ms >= ? and at_ms < ? and arrival <= ?",
            [month_ms, month_after(month_ms), arrival],
        )
        self.replace(cursor, old, new)
        cursor.execute("delete from archived_arrival")
        cursor.execute("insert into archived_arrival values (?)", [arrival])
        cursor.execute("update store_format set version = ?", [FORMAT_WITH_ARCHIVE])

    def forget(
        self, cursor: duckdb.DuckDBPyConnection, file: ArchivedFile, before: Mapping[int, int]
    ) -> list[ArchivedFile] | None:
        """Write what of a file is not forgotten: one file or none; None if all of it stays."""
        found = cursor.execute(f"select {_COLUMNS} from {self.table([file])}").fetchnumpy()
        rows = sorted_readings(ReadingColumns(*(found[column] for column in _COLUMNS.split(", "))))
        points = np.array(sorted(before), np.int32)
        limits = np.array([before[point_id] for point_id in points.tolist()], np.int64)
        place = np.searchsorted(points, rows.point_id).clip(max=points.size - 1)
        stays = (points[place] != rows.point_id) | (rows.at_ms >= limits[place])
        if stays.all():
            return None
        rest = take_readings(rows, stays)
        return [self.write(cursor, file.month_ms, secrets.token_hex(8), rest)] if len(rest) else []

    def replace(
        self, cursor: duckdb.DuckDBPyConnection, old: Sequence[ArchivedFile], new: Sequence[ArchivedFile]
    ) -> None:
        """Within the caller's transaction: these files count in place of those."""
        for file in old:
            cursor.execute("delete from archived_file where name = ?", [file.name])
        for file in new:
            values: list[Any] = [getattr(file, name) for name in ArchivedFile.__slots__]
            cursor.execute("insert into archived_file values (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def remove_strangers(self, cursor: duckdb.DuckDBPyConnection, still_read: Collection[str]) -> int:
        """Remove files that no row names: half written, replaced, or left by a kill before their transaction."""
        if not self.folder.is_dir():
            return 0
        known = {*still_read, *(file.name for file in self.files(cursor))}
        strangers = [path for path in sorted(self.folder.glob("*.parquet*")) if path.name not in known]
        for path in strangers:
            path.unlink(missing_ok=True)
        return len(strangers)


Points = tuple[int, int] | None  # lowest and highest point id; None = all


def month_of(at_ms: int) -> int:
    """The first instant of the UTC month that an instant lies in."""
    at = from_ms(at_ms)
    return to_ms(datetime(at.year, at.month, 1, tzinfo=UTC))


def month_after(month_ms: int) -> int:
    """The first instant of the next month."""
    at = from_ms(month_ms)
    return to_ms(datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC))


def month_name(month_ms: int) -> str:
    """2026-10."""
    return f"{from_ms(month_ms):%Y-%m}"


def sync(path: Path) -> None:
    """Make a file or the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _values(piece: Piece, arrival: int) -> list[int]:
    return [piece.start_ms, piece.end_ms, arrival, piece.lowest, piece.highest]


def _ranges(counts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """(lowest, highest, rows) of neighbouring points or hours with about PIECE_ROWS rows together."""
    first, last, held = 0, 0, 0
    for key, rows in counts:
        if held and held + rows > PIECE_ROWS:
            yield first, last, held
            held = 0
        if not held:
            first = key
        last, held = key, held + rows
    if held:
        yield first, last, held
