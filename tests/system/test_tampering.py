"""`tanmai verify` after somebody has been at the files: exit 1, and the entry, statement or day touched is named.

The files are changed as somebody with the disk in hand would: with the gateway stopped, past its triggers.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.system.small_park import AGENT, PLANT, Gateway, day_text, local_midnight_ms

pytestmark = pytest.mark.xdist_group("system-tampering")

DAYS = 3
STEP_MS = 15 * 60_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some booked days, made by a real gateway that has stopped."""
    directory = tmp_path_factory.mktemp("tampering") / "park"
    gateway = Gateway(directory, TANMAI_MQTT_URL="off")
    try:
        gateway.start()
        gateway.apply_registry()
        end_ms = local_midnight_ms()
        rows = {at_ms: [at_ms % 10**9 / 1000] for at_ms in range(end_ms - DAYS * DAY_MS, end_ms + 1, STEP_MS)}
        first = min(value for (value,) in rows.values())
        steady = {at_ms: [first + number * 12.25] for number, at_ms in enumerate(rows)}
        gateway.post_history(AGENT, "incomer-1", steady, "energy_import")
        gateway.operation("rollup")
        assert gateway.end(15)[0] == 0
    finally:
        gateway.close()
    return directory


@pytest.fixture
def copied(books: Path, tmp_path: Path) -> Gateway:
    """The same books again, for this test alone; no server runs."""
    shutil.copytree(books, tmp_path / "park")
    return Gateway(tmp_path / "park", TANMAI_MQTT_URL="off")


Verify = Callable[..., Any]


@pytest.fixture
def verify(copied: Gateway, in_process: Callable[..., Any]) -> Iterator[Verify]:
    def run(*options: str) -> Any:
        return in_process(["verify", *options], copied.environment)

    yield run


def in_sqlite(gateway: Gateway, *statements: str) -> None:
    with closing(sqlite3.connect(gateway.data_dir / "tanmai.sqlite", isolation_level=None)) as database:
        triggers = database.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        assert triggers, "nothing kept the ledger from being changed"
        for (name,) in triggers:
            database.execute(f'drop trigger "{name}"')
        for statement in statements:
            assert database.execute(statement).rowcount == 1, statement


def in_duckdb(gateway: Gateway, statement: str) -> None:
    with duckdb.connect(str(gateway.data_dir / "timeseries.duckdb")) as database:
        (changed,) = database.execute(statement).fetchone() or (0,)
        assert changed == 1, statement


def test_untouched_books_are_proven(verify: Verify) -> None:
    said = verify()
    assert said.code == 0, said
    assert f"{DAYS} entries against readings" in said.out


def test_ledger_and_changes_refuse_to_be_changed(copied: Gateway) -> None:
    with closing(sqlite3.connect(copied.data_dir / "tanmai.sqlite")) as database:
        for statement in (
            "update ledger_entries set emission_g = 0",
            "delete from ledger_entries",
            "update changes set seq = seq + 1",
            "delete from changes",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                database.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "emission_g = emission_g + 1",
        "amount_u = amount_u - 1",
        "factor = 'grid.national.2022'",
        "source = 'grid-powes'",
        "reason = 'late-data'",
        "booked_at_ms = booked_at_ms + 1",
        "coverage_ppm = coverage_ppm - 1",
        "digest = replace(digest, substr(digest, 1, 1), 'z')",
    ],
)
def test_one_byte_changed_in_the_ledger_names_the_entry(copied: Gateway, verify: Verify, change: str) -> None:
    in_sqlite(copied, f"update ledger_entries set {change} where seq = 2")
    said = verify()
    assert said.code == 1, said
    assert f"{PLANT}-2" in said.out


def test_entry_taken_out_of_the_middle_is_missed(copied: Gateway, verify: Verify) -> None:
    in_sqlite(copied, "delete from ledger_entries where seq = 2")
    middle = verify()
    assert middle.code == 1
    assert f"{PLANT}-3" in middle.out


def test_newest_entry_cut_off_is_missed(copied: Gateway, verify: Verify) -> None:
    in_sqlite(copied, f"delete from ledger_entries where seq = {DAYS}")
    said = verify()
    assert said.code == 1, said


def test_one_reading_changed_in_the_store_names_the_entry_of_its_day(copied: Gateway, verify: Verify) -> None:
    at_ms = local_midnight_ms() - 2 * DAY_MS + 40 * STEP_MS
    in_duckdb(copied, f"update reading set value = value + 0.001 where at_ms = {at_ms}")
    said = verify()
    assert said.code == 1, said
    assert f"{PLANT}-2" in said.out
    assert day_text(at_ms) in said.out
    assert "its readings or records are not those it was booked from" in said.out
    assert verify("--period", day_text(at_ms - DAY_MS)).code == 0, "another day is not touched"
    beside = verify("--enterprise", PLANT, "--period", day_text(at_ms), "--json")
    assert beside.json["first_break"]["entry"] == f"{PLANT}-2"


def test_reading_taken_out_or_put_in_is_noticed(copied: Gateway, verify: Verify) -> None:
    at_ms = local_midnight_ms() - DAY_MS + 8 * STEP_MS
    in_duckdb(copied, f"delete from reading where at_ms = {at_ms}")
    assert verify().code == 1
    columns = "point_id, at_ms, value, quality, arrival"
    nearest = f"from reading where at_ms = {at_ms - STEP_MS}"
    in_duckdb(
        copied, f"insert into reading ({columns}) select point_id, {at_ms}, value + 1, quality, arrival {nearest}"
    )
    assert verify().code == 1


def test_statement_changed_is_named_with_its_month(copied: Gateway, verify: Verify) -> None:
    month = day_text(local_midnight_ms() - DAY_MS)[:7]
    in_sqlite(
        copied,
        "update statements set body = replace(body, '\"lifecycle_kg\":', '\"lifecycle_kg\":1') "
        f"where enterprise = '{PLANT}' and period = '{month}'",
    )
    said = verify()
    assert said.code == 1, said
    assert f"{PLANT} {month}" in said.out
