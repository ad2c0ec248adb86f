"""Archived months: the same readings with and without them, whatever is killed, late, sent twice or asked meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from collectors.errors import ConfigurationError
from gateway.store import duckdb_archive
from gateway.store.duckdb_archive import month_after
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns
from tests.gateway.store.archived import DECEMBER, EVER, NOVEMBER, OCTOBER, archive_all, every_minute, readings


def rows_in_table(store: DuckDBStore) -> int:
    with store._reading() as cursor:
        return int(cursor.execute("select count(*) from reading").fetchall()[0][0])


def rows_of(store: DuckDBStore, *points: int) -> list[tuple[int, int, float]]:
    found = store.read(points, 0, EVER)
    return list(zip(found.point_id.tolist(), found.at_ms.tolist(), found.value.tolist(), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "timeseries.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(path)
    yield opened
    opened.close()


def folder_of(path: Path) -> Path:
    return path.with_name("timeseries-months")


def test_whole_months_that_have_ended_leave_the_table_without_their_duplicates(store: DuckDBStore, path: Path) -> None:
    for value in (1.0, 2.0):
        store.append(every_minute(1, OCTOBER, 600, value))
        store.append(every_minute(2, NOVEMBER - 60_000, 3, value))  # one of October, two of November
    assert store.archive(NOVEMBER - 1) is None
    archived = store.archive(DECEMBER - 1)
    assert archived is not None
    assert (archived.month, archived.readings, archived.files) == ("2025-10", 601, 1)
    assert store.archived() == (601, archived.size_bytes)
    assert store.archive(DECEMBER - 1) is None
    assert rows_in_table(store) == 4
    (file,) = folder_of(path).iterdir()
    assert file.name.startswith("2025-10.")
    with duckdb.connect() as other:
        columns = other.execute(f"select point_id, at_ms, value from '{file}'").fetchall()
    assert columns == sorted(columns)
    assert {value for _, _, value in columns} == {2.0}
    found = store.read([1, 2], 0, EVER)
    assert (len(found), set(found.value.tolist())) == (603, {2.0})


def test_a_late_reading_of_an_archived_month_is_the_one_that_is_read_and_joins_its_file(
    store: DuckDBStore, path: Path
) -> None:
    store.append(every_minute(1, OCTOBER, 10))
    store.append(every_minute(5, OCTOBER, 10))
    archive_all(store)
    store.append(readings(1, [OCTOBER + 60_000, OCTOBER + 90_000], 7.0))
    expected = [1.0, 7.0, 7.0, *[1.0] * 8]
    for _ in range(3):  # in the table, in a new file, and after a restart
        assert store.read([1], 0, EVER).value.tolist() == expected
        assert store.before([1], OCTOBER + 90_001, 2).value.tolist() == [7.0, 7.0]
        assert store.after([1], OCTOBER + 1, 1).value.tolist() == [7.0]
        assert len(store.read([5], 0, EVER)) == 10
        archive_all(store)
    store.close()
    again = DuckDBStore(path)
    assert again.read([1], 0, EVER).value.tolist() == expected
    again.close()


def test_only_files_whose_points_are_late_are_written_anew(
    store: DuckDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_archive, "PIECE_ROWS", 25)
    for point in range(1, 7):
        store.append(every_minute(point, OCTOBER, 10))
    archived = store.archive(EVER)
    assert archived is not None
    assert archived.files == 3  # two points each
    before = {file.name for file in folder_of(path).iterdir()}
    store.append(readings(4, [OCTOBER + 1]))
    store.append(readings(9, [OCTOBER + 1]))  # a point that is in no file
    archived = store.archive(EVER)
    assert archived is not None
    assert archived.files == 2
    assert len({file.name for file in folder_of(path).iterdir()} - before) == 2
    assert len(store.read(list(range(10)), 0, EVER)) == 62


def test_a_month_of_one_point_is_cut_by_hours_and_a_late_reading_finds_all_of_it(
    store: DuckDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_archive, "PIECE_ROWS", 150)
    pieces: list[int] = []
    sort = duckdb_archive.sorted_readings

    def counted(rows: ReadingColumns, **named: np.ndarray) -> ReadingColumns:
        pieces.append(len(rows))
        return sort(rows, **named)

    monkeypatch.setattr(duckdb_archive, "sorted_readings", counted)
    for value in (1.0, 2.0):
        store.append(every_minute(5, OCTOBER, 1000, value))
    store.append(every_minute(2, OCTOBER, 10))
    store.append(every_minute(9, OCTOBER, 20))
    before = rows_of(store, 2, 5, 9)
    assert archive_all(store) == ["2025-10"]
    assert max(pieces) <= 150
    assert (rows_in_table(store), len(list(folder_of(path).iterdir()))) == (0, 17 + 2)
    assert rows_of(store, 2, 5, 9) == before
    others = {file.name for file in folder_of(path).iterdir() if ".5-5." not in file.name}
    store.append(readings(5, [OCTOBER + 500 * 60_000, OCTOBER + 2000 * 60_000], 7.0))
    late = rows_of(store, 2, 5, 9)
    archive_all(store)
    assert max(pieces) <= 150
    assert rows_of(store, 2, 5, 9) == late
    assert others < {file.name for file in folder_of(path).iterdir()}
    store.forget({5: OCTOBER + 90 * 60_000})
    assert len(store.read([5], 0, EVER)) == 1001 - 90
    assert store.archived()[0] == 10 + 20 + 1001 - 90


def test_arrival_numbers_and_notes_go_on_when_nothing_is_left_in_the_table(store: DuckDBStore, path: Path) -> None:
    store.append(every_minute(1, OCTOBER, 3))
    claimed = store.claim_dirty(10)
    archive_all(store)
    store.close()
    again = DuckDBStore(path)
    again.append(readings(1, [OCTOBER]))  # touched after the claim: the claim's token must not cover it
    again.clear_dirty(claimed)
    assert again.dirty_count() == 1
    assert len(again.latest([1])) == 1
    again.close()


def test_a_file_that_is_not_there_or_not_whole_stops_the_start_and_is_named(store: DuckDBStore, path: Path) -> None:
    store.append(every_minute(1, OCTOBER, 100))
    archive_all(store)
    store.close()
    (file,) = folder_of(path).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(ConfigurationError, match=rf"{file.name} has \d+ bytes in place of .* backup"):
        DuckDBStore(path)
    file.unlink()
    with pytest.raises(ConfigurationError, match=f"{file.name} is missing, and holds 100 readings"):
        DuckDBStore(path)
    file.write_bytes(whole)
    DuckDBStore(path).close()


def test_a_program_that_knows_no_archive_refuses_the_file(store: DuckDBStore, path: Path) -> None:
    def version() -> int:
        with duckdb.connect(path) as connection:
            return int(connection.execute("select version from store_format").fetchall()[0][0])

    store.append(every_minute(1, OCTOBER, 3))
    store.close()
    assert version() == 1  # nothing archived yet: an older Tanmai may open it
    again = DuckDBStore(path)
    archive_all(again)
    again.close()
    assert version() == 2


def test_forgetting_takes_whole_files_away_and_writes_only_those_anew_that_hold_both(
    store: DuckDBStore, path: Path
) -> None:
    for month in (OCTOBER, NOVEMBER, DECEMBER):
        store.append(every_minute(1, month, 10))
    archive_all(store, DECEMBER)
    store.forget({1: NOVEMBER + 5 * 60_000, 2: EVER})
    assert store.archived()[0] == 5
    assert len(store.read([1], 0, EVER)) == 15
    store.close()
    again = DuckDBStore(path)  # files that count no longer are gone by the next run
    again.archive(0)
    assert len(list(folder_of(path).iterdir())) == 1
    assert len(again.read([1], 0, EVER)) == 15
    again.close()


def test_what_no_row_names_is_removed(store: DuckDBStore, path: Path) -> None:
    store.append(every_minute(1, OCTOBER, 3))
    archive_all(store)
    for name in ("2025-10.1-1.99.parquet", "2025-10.1-1.3.parquet.partial"):
        (folder_of(path) / name).write_bytes(b"half written")
    archive_all(store)
    assert [file.name for file in folder_of(path).iterdir()] == ["2025-10.1-1.3.parquet"]
    assert len(store.read([1], 0, EVER)) == 3


def test_a_path_that_duckdb_would_take_for_a_pattern_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    odd = tmp_path / "park [1]'s"
    store = DuckDBStore(odd / "timeseries.duckdb")
    store.append(every_minute(1, OCTOBER, 3))
    with pytest.raises(ConfigurationError, match="pattern"):
        store.archive(EVER)
    assert len(store.read([1], 0, EVER)) == 3
    store.close()
    quoted = DuckDBStore(tmp_path / "park's" / "timeseries.duckdb")
    quoted.append(every_minute(1, OCTOBER, 3))
    assert archive_all(quoted) == ["2025-10"]
    assert len(quoted.read([1], 0, EVER)) == 3
    quoted.close()


def test_who_reads_and_appends_meanwhile_misses_nothing_and_sees_nothing_twice(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_archive, "PIECE_ROWS", 500)
    for point in range(4):
        store.append(every_minute(point, OCTOBER, 400))
    finished = threading.Event()
    faults: list[str] = []

    def look() -> None:
        while not finished.is_set():
            found = store.read([0, 1, 2, 3], OCTOBER, OCTOBER + 400 * 60_000)
            if len(found) != 1600:
                faults.append(f"read {len(found)}")
            near = store.before([0, 3], OCTOBER + 200 * 60_000, 3)
            if near.at_ms.tolist() != [OCTOBER + minute * 60_000 for minute in (197, 198, 199)] * 2:
                faults.append(f"before {near.at_ms.tolist()}")

    def write() -> None:
        for count in range(30):
            store.append(readings(count % 4, [OCTOBER + (count * 7 % 400) * 60_000], 1.0))

    threads = [threading.Thread(target=work) for work in (look, look, write)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        archive_all(store)
    threads[2].join(120)
    archive_all(store)
    finished.set()
    for thread in threads:
        thread.join(120)
    assert faults == []
    assert (rows_in_table(store), store.archived()[0]) == (0, 1600)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from gateway.store import duckdb_archive
    from gateway.store.duckdb_archive import Archive
    from gateway.store.duckdb_store import DuckDBStore

    def dying(function, when):
        def call(*arguments, **named):
            if when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

    where, when = sys.argv[2].split()
    owner = {"sync": duckdb_archive, "replace": duckdb_archive.os}.get(where, Archive)
    setattr(owner, where, dying(getattr(owner, where), when))
    DuckDBStore(Path(sys.argv[1])).archive(2**62)
"""
INSTANTS = [f"{where} {when}" for where in ("rows", "write", "sync", "replace", "swap") for when in ("before", "after")]


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_between_any_two_steps_every_reading_is_there_once(path: Path, instant: str) -> None:
    store = DuckDBStore(path)
    store.append(every_minute(1, OCTOBER, 500))
    archive_all(store)
    store.append(every_minute(1, OCTOBER + 30_000, 500, 2.0))
    store.append(every_minute(1, OCTOBER, 10, 3.0))
    expected = store.read([1], 0, EVER)
    store.close()
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), instant], check=False)
    assert process.returncode == -signal.SIGKILL
    for _ in range(2):  # as it was left, and once the next run has finished the work
        store = DuckDBStore(path)
        found = store.read([1], 0, EVER)
        assert found.at_ms.tolist() == expected.at_ms.tolist()
        assert found.value.tolist() == expected.value.tolist()
        assert store.before([1], OCTOBER + 60_001, 2).value.tolist() == [2.0, 3.0]
        archive_all(store)
        assert rows_in_table(store) == 0
        store.close()
    assert len(list(folder_of(path).iterdir())) == 1


ARCHIVING = """
    import sys
    from pathlib import Path
    from gateway.store import duckdb_archive
    from gateway.store.duckdb_store import DuckDBStore

    duckdb_archive.PIECE_ROWS = 20_000
    store = DuckDBStore(Path(sys.argv[1]))
    print("open", flush=True)
    while store.archive(2**62) is not None:
        print("one more", flush=True)
    sys.stdin.read()
"""


def test_killed_somewhere_in_many_months_every_reading_is_there_once(path: Path) -> None:
    store = DuckDBStore(path)
    month, expected = OCTOBER, 0
    for _ in range(4):
        for point in range(1, 11):
            store.append(every_minute(point, month, 5_000))
            expected += 5_000
        month = month_after(month)
    store.close()
    done = 0
    while done < 4:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(ARCHIVING), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "open\n"
        assert process.stdout.readline() == "one more\n"
        process.kill()  # in the midst of the next month, or past all of them
        process.wait(60)
        process.stdout.close()
        process.stdin.close()
        store = DuckDBStore(path)
        found = store.read(list(range(11)), 0, EVER)
        assert len(found) == expected
        assert store.archived()[0] % 50_000 == 0
        done = store.archived()[0] // 50_000
        store.close()
