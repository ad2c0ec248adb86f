"""The embedded store under what a machine does to it: kills, a full disk, another owner, many threads."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from collectors.clock import HOUR_MS
from collectors.errors import ConfigurationError, StoreUnavailable
from gateway.store import duckdb_file
from gateway.store.duckdb_file import ROW_GROUP_ROWS
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import DirtyHours, ReadingColumns, UsageColumns

T0_MS = 1_760_000_400_000 // HOUR_MS * HOUR_MS


def readings(point: int, start_ms: int, count: int, value: float = 1.0, step_ms: int = 1) -> ReadingColumns:
    return ReadingColumns(
        np.full(count, point, np.int32),
        start_ms + step_ms * np.arange(count, dtype=np.int64),
        np.full(count, value),
        np.zeros(count, np.uint8),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "timeseries.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(path)
    yield opened
    opened.close()


APPENDING = """
    import resource, signal, sys
    from pathlib import Path
    import numpy as np
    from collectors.errors import StoreUnavailable
    from gateway.store.duckdb_store import DuckDBStore
    from gateway.store.timeseries import ReadingColumns

    def readings(batch, rows):
        at_ms = 1760000400000 + batch * 3_600_000 + np.arange(rows, dtype=np.int64)
        return ReadingColumns(np.full(rows, 7, np.int32), at_ms, np.random.default_rng(batch).random(rows),
                              np.zeros(rows, np.uint8))

    store = DuckDBStore(Path(sys.argv[1]))
"""


def child(code: str, path: Path) -> subprocess.Popen[str]:
    """Another process that owns the file and runs `code` after the lines above."""
    program = textwrap.dedent(APPENDING) + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)


def test_every_append_that_returned_survives_sigkill_with_its_notes(path: Path) -> None:
    # 40,000 rows a batch: 64 MiB of log pass within the run, so that the kill may also hit a checkpoint.
    process = child(
        """
        for batch in range(10_000):
            store.append(readings(batch, 40_000))
            print(batch, flush=True)
        """,
        path,
    )
    assert process.stdout is not None
    returned = -1
    for line in process.stdout:
        returned = int(line)
        if returned >= 60:
            process.kill()
            break
    returned = max([returned, *(int(line) for line in process.stdout)])
    assert process.wait(timeout=30) == -signal.SIGKILL
    process.stdout.close()
    store = DuckDBStore(path)
    found = store.read([7], 0, 2**62)
    hours = sorted(store.claim_dirty(10_000).hour_ms.tolist())
    whole = [T0_MS + batch * HOUR_MS for batch in range(len(hours))]
    assert len(hours) in (returned + 1, returned + 2)  # the last commit may have happened before it was told
    assert hours == whole
    assert len(found) == 40_000 * len(hours)
    store.append(readings(7, T0_MS, 1, value=-1.0))
    assert store.read([7], T0_MS, T0_MS + 1).value.tolist() == [-1.0]  # arrival numbers go on where they were
    store.close()


def test_a_full_disk_is_unavailable_stores_nothing_of_the_call_and_heals(path: Path) -> None:
    process = child(
        """
        store.append(readings(0, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, most))  # a disk with room for 600 kB
        stored = 1
        try:
            while True:
                store.append(readings(stored, 5000))
                stored += 1
        except StoreUnavailable as error:
            print(stored, len(store.read([7], 0, 2**62)), store.dirty_count(), error, sep="|", flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        store.append(readings(stored, 5000))
        print(len(store.read([7], 0, 2**62)), store.dirty_count(), sep="|", flush=True)
        """,
        path,
    )
    output, _ = process.communicate(timeout=60)
    full, healed = output.splitlines()
    stored, rows, notes, message = full.split("|")
    assert int(stored) > 1
    assert int(rows) == 1000 + 5000 * (int(stored) - 1)
    assert notes == stored
    assert str(path) in message and "Make room" in message
    assert healed == f"{int(rows) + 5000}|{int(stored) + 1}"


def test_a_file_owned_by_another_process_says_who_owns_it(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(APPENDING) + "print('open', flush=True)\nsys.stdin.read()", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(StoreUnavailable, match=rf"{path} is in use by process {process.pid}\b.*through it"):
        DuckDBStore(path)
    process.communicate(timeout=30)
    DuckDBStore(path).close()


def test_a_file_is_open_once_in_a_process(store: DuckDBStore, path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"{path} is open in this process already"):
        DuckDBStore(path)
    store.append(readings(1, 0, 1))
    assert len(store.read([1], 0, 1)) == 1


def row_groups(store: DuckDBStore) -> list[int]:
    with store._reading() as cursor:
        rows = cursor.execute("""
            select max(start + count) from pragma_storage_info('reading')
            where column_name = 'at_ms' and segment_type <> 'VALIDITY' group by row_group_id order by row_group_id
        """).fetchall()
    return [size for (size,) in rows]


def test_rows_stand_in_few_large_groups(store: DuckDBStore) -> None:
    """DuckDB holds something of each in memory for good."""
    for first in range(0, 2_000_000, 100_000):
        store.append(readings(1, first, 100_000))
    assert len(row_groups(store)) <= 2_000_000 // ROW_GROUP_ROWS + 1


def test_a_file_of_smaller_row_groups_is_read_and_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(duckdb_file, "ROW_GROUP_ROWS", 122_880)
        old = DuckDBStore(path)
        for first in range(0, 600_000, 100_000):
            old.append(readings(1, first, 100_000, value=first))
        old.close()
    store = DuckDBStore(path)
    assert len(row_groups(store)) >= 5
    store.append(readings(1, 300_000, 1, value=7.0))  # again, later
    store.append(readings(1, 600_000, 1_500_000, value=9.0))
    store.forget({1: 50_000})
    store.close()
    again = DuckDBStore(path)
    found = again.read([1], 0, 3_000_000)
    np.testing.assert_array_equal(found.at_ms, np.arange(50_000, 2_100_000))
    assert found.value[[0, 250_000 - 1, 250_000, 250_001, -1]].tolist() == [0.0, 200_000.0, 7.0, 300_000.0, 9.0]
    assert again.latest([1]).at_ms.tolist() == [2_099_999]
    again.close()


def test_another_file_or_another_format_is_refused_with_advice(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match=r"cannot be opened: .*not a valid DuckDB.*TANMAI_DATA_DIR"):
        DuckDBStore(path)
    path.unlink()
    DuckDBStore(path).close()
    with duckdb.connect(path) as connection:
        connection.execute("update store_format set version = 99")
    with pytest.raises(ConfigurationError, match="has format 99"):
        DuckDBStore(path)


def test_a_commit_after_closing_is_to_be_tried_again_and_not_refused(path: Path) -> None:
    """A listener that did not stop in time commits after the stores closed: its agents must keep their readings."""
    store = DuckDBStore(path)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.append(readings(1, 0, 1))


def test_threads_append_read_and_claim_at_once_and_nothing_is_lost(store: DuckDBStore) -> None:
    writers, appends = 4, 40
    finished = threading.Event()
    accounted: set[tuple[int, int]] = set()

    def write(point: int) -> None:
        for n in range(appends):
            store.append(readings(point, T0_MS + n * HOUR_MS // 4, 20))

    def read() -> int:
        most = 0
        while not finished.is_set():
            rows = len(store.read(list(range(writers)), 0, 2**62))
            assert rows >= most and rows % 20 == 0  # whole commits, and never fewer than before
            most = rows
            store.latest([0, 1])
        return most

    def claim() -> None:
        while not finished.is_set():
            claimed = store.claim_dirty(3)
            accounted.update(zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True))
            store.clear_dirty(claimed)

    with ThreadPoolExecutor(writers + 2) as threads:
        others = [threads.submit(read), threads.submit(claim)]
        for done in [threads.submit(write, point) for point in range(writers)]:
            done.result(timeout=120)
        finished.set()
        for other in others:
            other.result(timeout=120)
    left = store.claim_dirty(10_000)
    accounted.update(zip(left.point_id.tolist(), left.hour_ms.tolist(), strict=True))
    assert accounted == {(point, T0_MS + n * HOUR_MS) for point in range(writers) for n in range(appends // 4)}
    assert len(store.read(list(range(writers)), 0, 2**62)) == writers * appends * 20


@pytest.mark.parametrize("asked", [[1, 2], [1], [1, 900_000]], ids=["all", "one", "far_apart"])
def test_of_instants_written_again_and_again_over_many_row_groups_the_last_stands(
    store: DuckDBStore, asked: list[int]
) -> None:
    count = 400_000  # DuckDB reads row groups in parallel: two and a half of ours
    for value in (1.0, 2.0, 3.0):
        for point in (1, 2):
            store.append(readings(point, 0, count, value))
    found = store.read(asked, 0, count)
    assert len(found) == count * len({1, 2} & set(asked))
    assert set(found.value.tolist()) == {3.0}


def test_rows_stand_in_the_order_in_which_they_came_whatever_the_size_of_a_commit(store: DuckDBStore) -> None:
    sizes = [1, 2_047, 2_049, 300_000, 5]  # DuckDB hands on pieces of 2,048 rows
    total = sum(sizes)
    value = np.random.default_rng(1).random(total)
    point_id, quality = np.arange(total, dtype=np.int32), (np.arange(total) % 3).astype(np.uint8)
    end = 0
    for size in sizes:
        rows = slice(end, end := end + size)
        at_ms = T0_MS - np.arange(total, dtype=np.int64)[rows]
        store.append(ReadingColumns(point_id[rows], at_ms, value[rows], quality[rows]))
    with store._reading() as cursor:
        found = cursor.execute("select *, rowid from reading order by rowid").fetchnumpy()
    np.testing.assert_array_equal(found["arrival"], np.arange(1, total + 1))
    np.testing.assert_array_equal(found["point_id"], point_id)
    np.testing.assert_array_equal(found["at_ms"], T0_MS - np.arange(total))
    np.testing.assert_array_equal(found["value"], value)
    np.testing.assert_array_equal(found["quality"], quality)


def test_rewriting_the_running_hour_does_not_fill_the_disk(store: DuckDBStore, path: Path) -> None:
    points = np.arange(1, 501, dtype=np.int32)
    for minute in range(120):
        same = np.full(500, T0_MS, np.int64)
        store.put_usage(UsageColumns(points, same, same + minute, same * 0, same * 0 + minute))
    with store._reading() as cursor:
        assert cursor.execute("select count(*) from usage_hourly").fetchall() == [(500,)]
    assert set(store.usage([1, 500], T0_MS, T0_MS + 1).covered_ms.tolist()) == {119}


def test_what_does_not_fit_in_memory_is_spilled_beside_the_file(
    store: DuckDBStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    for first in range(0, 4_000_000, 500_000):
        store.append(readings(1, first, 500_000, value=first))
    seen: set[str] = set()
    with store._reading() as cursor:
        cursor.execute("set memory_limit = '24MiB'")
        cursor.execute("create temp table sorted as select * from reading order by value desc, at_ms desc")
        seen = {file for (file,) in cursor.execute("select path from duckdb_temporary_files()").fetchall()}
        assert cursor.execute("select count(*) from sorted").fetchall() == [(4_000_000,)]
    assert seen
    assert {Path(file).parent for file in seen} == {path.with_name("timeseries.duckdb.tmp")}
    assert not (Path.cwd() / ".tmp").exists()


def test_sql_can_neither_reach_other_files_nor_load_extensions(store: DuckDBStore, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with store._reading() as cursor:
        for statement in (
            f"select * from '{tmp_path}/secret.csv'",
            "install httpfs",
            "set enable_external_access=true",
        ):
            with pytest.raises(duckdb.Error):
                cursor.execute(statement)


pair = st.tuples(st.integers(1, 2), st.integers(0, 2))


class DirtyLogModel(RuleBasedStateMachine):
    """The store's dirty log, which skips notes it has already made, against one that notes everything."""

    claims: Bundle[tuple[DirtyHours, int]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = DuckDBStore(self.folder / "timeseries.duckdb")
        self.touched: dict[tuple[int, int], int] = {}
        self.now = 0

    @rule(pairs=st.sets(pair, min_size=1))
    def append(self, pairs: set[tuple[int, int]]) -> None:
        self.now += 1
        for point, hour in pairs:
            self.touched[point, T0_MS + hour * HOUR_MS] = self.now
        points, hours = zip(*pairs, strict=True)
        at_ms = T0_MS + np.array(hours, np.int64) * HOUR_MS + self.now
        self.store.append(
            ReadingColumns(np.array(points, np.int32), at_ms, np.ones(len(pairs)), np.zeros(len(pairs), np.uint8))
        )

    @rule(target=claims, limit=st.integers(1, 6))
    def claim(self, limit: int) -> tuple[DirtyHours, int]:
        return self.store.claim_dirty(limit), self.now

    @rule(claim=consumes(claims))
    def clear(self, claim: tuple[DirtyHours, int]) -> None:
        claimed, at = claim
        self.store.clear_dirty(claimed)
        for key in zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True):
            if self.touched.get(key, at + 1) <= at:
                del self.touched[key]

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = DuckDBStore(self.folder / "timeseries.duckdb")

    @invariant()
    def nothing_touched_is_forgotten(self) -> None:
        # Looked at from beside: claim_dirty would change what the store remembers.
        with self.store._reading() as cursor:
            noted = set(cursor.execute("select distinct point_id, hour_ms from dirty_hour").fetchall())
        assert noted == set(self.touched)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestDirtyLogModel = DirtyLogModel.TestCase
TestDirtyLogModel.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
