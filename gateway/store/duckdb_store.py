"""Time series in one DuckDB file, inside the gateway's own process.

What stays true:
- `reading` only grows and has no key: a key would cost three quarters of the speed and ten times the room. Every row
  carries `arrival`, a number that grows by one, and rows stand in that order; of several rows of one instant the
  highest is read.
- Readings and the notes of the hours they touched are one transaction. When it returns, DuckDB has fsynced its log:
  a kill or power cut loses nothing that was appended (`tests/gateway/store/test_duckdb_store.py` kills it).
- One lock orders the writers, so arrival numbers follow the order of commits. Readers never wait: each call has a
  cursor of its own, which sees the last commit.
- Old months may stand in Parquet files (`duckdb_archive`): every question reads table and files as of one instant.

Limits: one process owns the file. Memory and threads are capped (below); a scan larger than memory spills beside the
file. `usage` is replaced in place, because the running hour is written again each minute and would fill the disk.
A point that has been silent for long costs `before` and `latest` a scan of its silence: 15 ms per million rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from collectors.clock import HOUR_MS, monotonic_s
from collectors.errors import ConfigurationError, StoreUnavailable
from gateway.store.columns import (
    LATEST_MS,
    id_column,
    refuse_unstorable,
    sorted_readings,
    sorted_usage,
    take_readings,
    touched_hours,
)
from gateway.store.duckdb_archive import GRACE_S, Archive, ArchivedFile, month_after, month_name, month_of
from gateway.store.duckdb_columns import Columns, columns_of, notes, readings_of, rows_of
from gateway.store.duckdb_file import CIRCUMSTANCES, USE, first_line, open_file
from gateway.store.timeseries import Archived, DirtyHours, Int32s, ReadingColumns, UsageColumns

MEMORY_LIMIT_MIB = 64  # of its buffers; chosen by what a gateway may hold under load (docs/performance.md)
THREADS = 2
# Pairs remembered so as not to note them twice; forgetting costs a second note, nothing else.
NOTED_LIMIT = 1_000_000
# `before` and `after` look this far first and four times farther each time: DuckDB's min-max index skips nearly all.
FIRST_WINDOW_MS = HOUR_MS // 4
WINDOW_GROWTH = 4

# Not with `arrival` as one more column of `incoming`: DuckDB would then insert by batches that several threads make and
# one puts in order, for a third more CPU. Rows stand in the order in which they come.
_APPEND = """
insert into reading select point_id, at_ms, value, quality, arrival
from incoming positional join range($first, $last + 1) numbered(arrival)
"""
_READ = """
select point_id, at_ms, value, quality, arrival from {source}
where at_ms >= $start and at_ms < $end and point_id in (select id from wanted)
"""
# Neighbouring points without a join: then DuckDB gives rows in the table's order, which is that of their arrival, so
# that the widest column need not be read. A third of the time.
_READ_RANGE = """
select point_id, at_ms, value, quality from {source}
where at_ms >= $start and at_ms < $end and point_id between $lowest and $highest
"""
_COUNTS = """
select point_id, count(*) as rows from {source}
where at_ms >= $start and at_ms < $end and point_id in (select id from wanted) group by point_id
"""
DENSE = 0.5  # of the points in a range at least this share is asked for: the others' rows are dropped here
_READ_NEAREST = _READ + "qualify dense_rank() over (partition by point_id order by at_ms {order}) <= $count"
_READ_USAGE = """
select point_id, hour_ms, amount_u, estimated_u, covered_ms from usage_hourly
where hour_ms >= $start and hour_ms < $end and point_id in (select id from wanted)
order by point_id, hour_ms
"""
_REPLACED_USAGE = """
delete from usage_hourly using incoming
where usage_hourly.point_id = incoming.point_id and usage_hourly.hour_ms = incoming.hour_ms
and usage_hourly.hour_ms between $first and $last
"""
# First whose turn it is, by their notes, then their hours: to put all in order at every claim costs ten times as much.
_CLAIM = """
with waiting as (select point_id, min(touched) as since, count(*) as notes from dirty_hour group by point_id),
upto as (select *, sum(notes) over (order by since, point_id rows unbounded preceding) as notes_upto from waiting),
due as (select point_id, since from upto where notes_upto - notes < $reach)
select point_id, hour_ms from dirty_hour join due using (point_id) group by point_id, hour_ms, since
order by since, point_id, hour_ms limit $limit
"""
_CLEAR = """
delete from dirty_hour using claimed
where dirty_hour.point_id = claimed.point_id and dirty_hour.hour_ms = claimed.hour_ms and touched <= $token
"""
_FORGET = "delete from reading using forgotten where reading.point_id = forgotten.id and at_ms < forgotten.until"
_COUNT_NOTES = "select count(*) from dirty_hour"
_COUNT_DIRTY = "select count(*) from (select distinct point_id, hour_ms from dirty_hour)"
_EXTENT = """
select min(first_ms), max(last_ms) from (
    select min(at_ms) as first_ms, max(at_ms) as last_ms from reading
    union all select min(first_ms), max(last_ms) from archived_file)
"""
_ARRIVAL = "select greatest((select max(arrival) from reading), (select max(arrival) from archived_arrival), 0)"
_EARLIEST = "select min(at_ms) from reading"


class DuckDBStore:
    """A `TimeSeriesStore` in one file. Safe to call from any thread."""

    def __init__(self, path: Path, memory_limit_mib: int = MEMORY_LIMIT_MIB, threads: int = THREADS) -> None:
        """Open or create the file; raises StoreUnavailable while another process owns it."""
        self._path = path
        self._writer = threading.Lock()
        self._archiving = threading.Lock()
        self._replaced: dict[str, float] = {}  # archived file that counts no longer -> when that began
        self._archive = Archive(path.with_name(f"{path.stem}-months").absolute())
        self._connection = open_file(path, self._archive.folder, memory_limit_mib, threads)
        with self._reading() as cursor:
            self._archive.check(cursor)
            # Whether a question must ask which files it needs. Never set back: a question may be under way.
            self._has_archive = bool(self._archive.files(cursor))
        self._arrival: int = self._one(_ARRIVAL)[0]  # of the last row stored
        # Times of the earliest and the latest reading; None while there is none. Asked from the file only once: that
        # takes as long as all the rest of a search for neighbours.
        self._extent: tuple[int, int] | None = _extent(self._one(_EXTENT))
        self._noted: set[tuple[int, int]] = set()  # (point, hour) noted since the last claim

    def append(self, readings: ReadingColumns) -> None:
        """One transaction: the readings, and a note for every (point, hour) not noted since the last claim."""
        if not len(readings):
            return
        refuse_unstorable(readings)
        points, hours = touched_hours(readings.point_id, readings.at_ms)
        touched = set(zip(points.tolist(), hours.tolist(), strict=True))
        with self._writer:
            first, last = self._arrival + 1, self._arrival + len(readings)
            # A pair noted after the last claim still waits for the next claim, which will see these readings too.
            fresh = sorted(touched - self._noted)
            with self._transaction() as cursor:
                cursor.register("incoming", rows_of(readings))
                cursor.execute(_APPEND, {"first": first, "last": last})
                if fresh:
                    cursor.register("fresh", notes(fresh, last))
                    cursor.execute("insert into dirty_hour select * from fresh")
            first_ms, last_ms = int(readings.at_ms.min()), int(readings.at_ms.max())
            if self._extent is not None:
                first_ms, last_ms = min(first_ms, self._extent[0]), max(last_ms, self._extent[1])
            # Only after the commit, and before a claim can run: a pair remembered wrongly would lose its next note.
            self._arrival = last
            self._extent = first_ms, last_ms
            if len(self._noted) > NOTED_LIMIT:
                self._noted.clear()
            self._noted.update(fresh)

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        """Readings with start_ms <= at_ms < end_ms."""
        wanted = id_column(point_ids)
        if not wanted.size:
            return ReadingColumns.empty()
        lowest, highest = int(wanted[0]), int(wanted[-1])
        if wanted.size < DENSE * (highest - lowest + 1):
            return readings_of(self._select(_READ, wanted, start=start_ms, end=end_ms))
        values = {"start": start_ms, "end": end_ms, "lowest": lowest, "highest": highest}
        with self._snapshot(start_ms, end_ms, (lowest, highest)) as (cursor, files):
            # Files first: of two rows of one instant the later stands.
            sources = [self._archive.table(files)] * bool(files) + ["reading"]
            parts = [cursor.execute(_READ_RANGE.format(source=own), values).fetchnumpy() for own in sources]
        rows = ReadingColumns.concatenate([columns_of(found) for found in parts])
        if wanted.size <= highest - lowest:
            rows = take_readings(rows, np.isin(rows.point_id, wanted))
        return sorted_readings(rows)

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        """Of each point that has any: its rows with start_ms <= at_ms < end_ms."""
        found = self._select(_COUNTS, point_ids, start=start_ms, end=end_ms)
        return dict(zip(found["point_id"].tolist(), found["rows"].tolist(), strict=True))

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` newest readings per point with at_ms strictly before `at_ms`."""
        if self._extent is None:
            return ReadingColumns.empty()
        earliest, latest = self._extent
        end = min(at_ms, latest + 1)
        windows = ((max(end - width, earliest), end, end - width <= earliest) for width in _widths())
        return self._nearest(point_ids, windows, count, "desc")

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` oldest readings per point at or after `at_ms`."""
        if self._extent is None:
            return ReadingColumns.empty()
        earliest, latest = self._extent
        start = max(at_ms, earliest)
        windows = ((start, min(start + width, latest + 1), start + width > latest) for width in _widths())
        return self._nearest(point_ids, windows, count, "asc")

    def latest(self, point_ids: Sequence[int]) -> ReadingColumns:
        """The newest reading of each point that has one."""
        return self.before(point_ids, LATEST_MS + 1, 1)

    def claim_dirty(self, limit: int) -> DirtyHours:
        """`limit` distinct dirty (point, hour), or all if fewer wait; all of the point with the oldest note first.

        So a bulk load is claimed by whole points, their days at hand. The token is the last arrival that notes cover.
        """
        with self._writer, self._reading() as cursor:
            found = cursor.execute(_CLAIM, claim := {"limit": limit, "reach": limit}).fetchnumpy()
            while len(found["hour_ms"]) < limit and claim["reach"] < self._one(_COUNT_NOTES)[0]:
                claim["reach"] *= 2  # of how many notes: some hours were noted again and again
                found = cursor.execute(_CLAIM, claim).fetchnumpy()
            self._noted.clear()  # what is touched from now on must be noted again, to outlive the clearing
            return DirtyHours(found["point_id"], found["hour_ms"], self._arrival)

    def clear_dirty(self, claimed: DirtyHours) -> None:
        """Forget the claimed notes made up to the claim; notes made since stay."""
        with self._writer, self._transaction() as cursor:
            cursor.register("claimed", {"point_id": claimed.point_id, "hour_ms": claimed.hour_ms})
            cursor.execute(_CLEAR, {"token": claimed.token})

    def dirty_count(self) -> int:
        """Distinct dirty (point, hour) waiting."""
        return int(self._one(_COUNT_DIRTY)[0])

    def put_usage(self, usage: UsageColumns) -> None:
        """Replace hourly usage: the old rows go and the new ones come in one transaction."""
        if not len(usage):
            return
        usage = sorted_usage(usage)
        incoming = {name: getattr(usage, name) for name in _USAGE_COLUMNS}
        bounds = {"first": int(usage.hour_ms.min()), "last": int(usage.hour_ms.max())}
        with self._writer, self._transaction() as cursor:
            cursor.register("incoming", incoming)
            cursor.execute(_REPLACED_USAGE, bounds)
            cursor.execute("insert into usage_hourly select * from incoming")

    def usage(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        """Hourly usage with start_ms <= hour_ms < end_ms, sorted by (point_id, hour_ms)."""
        found = self._select(_READ_USAGE, point_ids, start=start_ms, end=end_ms)
        return UsageColumns(*(found[name] for name in _USAGE_COLUMNS))

    def archive(self, before_ms: int) -> Archived | None:
        """Move the earliest month that ended before an instant and has rows in the table into Parquet files.

        Appends go on meanwhile, except for the moment in which the rows leave the table.
        """
        problem = self._archive.problem()
        if problem is not None:
            raise ConfigurationError(f"nothing can be archived: {problem}. Give another TANMAI_DATA_DIR.")
        with self._archiving:
            since_s = monotonic_s() - GRACE_S
            still_read = [name for name, replaced_s in self._replaced.items() if replaced_s > since_s]
            with self._reading() as cursor:
                self._archive.remove_strangers(cursor, still_read)
            (earliest,) = self._one(_EARLIEST)
            if earliest is None or month_after(month_of(earliest)) > before_ms:
                return None
            return self._archive_month(month_of(earliest))

    def _archive_month(self, month_ms: int) -> Archived:
        with self._writer:
            arrival = self._arrival  # every row up to it is committed; what comes later stays in the table
        old: dict[str, ArchivedFile] = {}
        new: list[ArchivedFile] = []
        with self._reading() as cursor:
            for piece in list(self._archive.pieces(cursor, month_ms, arrival)):
                rows = self._archive.rows(cursor, piece, arrival)
                new.append(self._archive.write(cursor, month_ms, piece.mark(arrival), rows))
                old |= {file.name: file for file in piece.old}
        self._has_archive = True  # before the commit: whoever looks after it must look into the files
        with self._writer, self._transaction() as cursor:
            self._archive.swap(cursor, month_ms, arrival, list(old.values()), new)
        self._replaced |= dict.fromkeys(old, monotonic_s())
        size = sum(file.size_bytes for file in new)
        return Archived(month_name(month_ms), sum(file.readings for file in new), len(new), size)

    def forget(self, before: Mapping[int, int]) -> None:
        """Forget readings: of each point those before its instant. File by file, and last those in the table."""
        if not before:
            return
        points = min(before), max(before)
        with self._archiving:
            with self._reading() as cursor:
                files = self._archive.files(cursor, end_ms=max(before.values()), points=points)
            for file in files:
                with self._reading() as cursor:
                    new = self._archive.forget(cursor, file, before)
                if new is not None:
                    with self._writer, self._transaction() as cursor:
                        self._archive.replace(cursor, [file], new)
                    self._replaced[file.name] = monotonic_s()
            wanted = {"id": np.array(list(before), np.int32), "until": np.array(list(before.values()), np.int64)}
            with self._writer:
                with self._transaction() as cursor:
                    cursor.execute("delete from archived_arrival")
                    cursor.execute("insert into archived_arrival values ($last)", {"last": self._arrival})
                    cursor.register("forgotten", wanted)
                    cursor.execute(_FORGET)
                self._extent = _extent(self._one(_EXTENT))

    def archived(self) -> tuple[int, int]:
        """Readings in archived months, and the bytes they take."""
        with self._reading() as cursor:
            files = self._archive.files(cursor)
        return sum(file.readings for file in files), sum(file.size_bytes for file in files)

    def is_archived(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
        """Whether files of archived months can hold readings of these points in start_ms <= at_ms < end_ms."""
        if not point_ids or not self._has_archive:
            return False
        with self._reading() as cursor:
            return bool(self._archive.files(cursor, start_ms, end_ms, (min(point_ids), max(point_ids))))

    def ping(self) -> str:
        """The engine and its version, such as "DuckDB 2.0.0"."""
        self._one("select 1 from store_format")
        return f"DuckDB {duckdb.__version__}"

    def close(self) -> None:
        """Fold the log into the file and give both back."""
        with self._writer:
            self._connection.close()

    def _nearest(
        self, point_ids: Sequence[int], windows: Iterator[tuple[int, int, bool]], count: int, order: str
    ) -> ReadingColumns:
        """Widen the window (start_ms, end_ms, whether it is the last) for the points that still lack readings."""
        wanted = id_column(point_ids)
        parts = []
        for start_ms, end_ms, is_last in windows:
            if not wanted.size:
                break
            query = _READ_NEAREST.replace("{order}", order)
            found = readings_of(self._select(query, wanted, start=start_ms, end=end_ms, count=count))
            points, counts = np.unique(found.point_id, return_counts=True)
            enough = wanted if is_last else points[counts >= count]
            parts.append(take_readings(found, np.isin(found.point_id, enough)))
            wanted = np.setdiff1d(wanted, enough)
        return sorted_readings(ReadingColumns.concatenate(parts))

    def _select(self, query: str, point_ids: Sequence[int] | Int32s, **values: int) -> Columns:
        """Columns of a query over the table `wanted` of point ids; {source} in it becomes where readings stand."""
        wanted = id_column(point_ids)
        points = (int(wanted[0]), int(wanted[-1])) if wanted.size else None
        with self._snapshot(values["start"], values["end"], points) as (cursor, files):
            cursor.register("wanted", {"id": wanted})
            return cursor.execute(query.replace("{source}", self._archive.source(files)), values).fetchnumpy()

    def _one(self, query: str) -> tuple[Any, ...]:
        with self._reading() as cursor:
            return cursor.execute(query).fetchall()[0]

    @contextmanager
    def _snapshot(
        self, start_ms: int, end_ms: int, points: tuple[int, int] | None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[ArchivedFile]]]:
        """A cursor, and the archived files that belong to what it sees: those that a question may need."""
        with self._reading() as cursor:
            if not self._has_archive:
                yield cursor, []
                return
            cursor.begin()  # which files count, and what stands in the table, as of one instant
            yield cursor, self._archive.files(cursor, start_ms, end_ms, points)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees the last commit; trouble with disk or memory becomes StoreUnavailable."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(USE)
                yield cursor
        except CIRCUMSTANCES as error:
            raise StoreUnavailable(
                f"{self._path}: DuckDB cannot go on: {first_line(error)}. Nothing of this call was stored. Make room "
                "on the disk or memory; if it says that the database was invalidated, restart the gateway."
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor whose changes are durable together, or never happened. Closing a cursor rolls it back."""
        with self._reading() as cursor:
            cursor.begin()
            yield cursor
            cursor.commit()


_USAGE_COLUMNS = ("point_id", "hour_ms", "amount_u", "estimated_u", "covered_ms")


def _extent(found: tuple[Any, ...]) -> tuple[int, int] | None:
    earliest, latest = found
    return None if earliest is None else (int(earliest), int(latest))


def _widths() -> Iterator[int]:
    """Widths of the windows in milliseconds, without end."""
    width = FIRST_WINDOW_MS
    while True:
        yield width
        width *= WINDOW_GROWTH
