"""A ledger that was booked before entries had frames is opened, verifies, keeps its hashes, and goes on.

`tests/cases/ledgers/first_format.sql` is such a database whole, as the version before migration 0015 wrote it: three
days of two enterprises, with a late reading and so a reversal. Its readings are stored anew here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.carbon.ledger import FRAMED, WHOLE, hash_of, text_of
from gateway.settings import Settings
from gateway.store.ledger_repository import LedgerRepository
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

DUMP = Path(__file__).parents[2] / "cases" / "ledgers" / "first_format.sql"
READINGS = steady("2026-10-05 00:00", 72, 0.0, 100.7)


@pytest.fixture
def old(settings: Settings) -> list[tuple[str, ...]]:
    """The old database in its place, and its entries as they lie there, all columns."""
    settings.data_path.mkdir(parents=True)
    path = settings.data_path / "tanmai.sqlite"
    stored = sqlite3.connect(path)
    stored.executescript(DUMP.read_text(encoding="utf-8"))
    assert stored.execute("SELECT version_num FROM alembic_version").fetchone() == ("0014",)
    rows = stored.execute("SELECT * FROM ledger_entries ORDER BY enterprise, seq").fetchall()
    stored.close()
    return rows


@pytest.fixture
def plant_of_old(old: list[tuple[str, ...]], open_plant: Callable[[], Plant]) -> Plant:
    plant = open_plant()
    plant.put("incomer", "energy_import", READINGS)
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 72, 0.0, 10.0), SECOND)
    return plant


def test_opening_changes_nothing_of_what_was_booked(old: list[tuple[str, ...]], plant_of_old: Plant) -> None:
    columns = "enterprise, seq, source, day, activity, scope, stage, category, amount_u, unit, factor, edition, basis, "
    columns += "gwp, emission_g, energy_gce, provisional, coverage_ppm, estimated_ppm, digest, calculation, reason, "
    columns += "reverses, booked_at_ms, previous_hash, hash, format, frame"
    with plant_of_old.house.engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {columns} FROM ledger_entries ORDER BY enterprise, seq").all()
    assert [tuple(row) for row in found] == [(*row, WHOLE, None) for row in old]


def test_it_verifies_and_goes_on_in_the_second_format(old: list[tuple[str, ...]], plant_of_old: Plant) -> None:
    plant = plant_of_old
    report = plant.house.operations.call("verify")
    assert report["ok"] and report["checked"]["entries"] == len(old), report
    before = {row[-1] for row in old}

    last_ms, last = READINGS[-1]
    plant.put(
        "incomer", "energy_import", [(last_ms + 15 * 60_000 * step, last + 30.0 * step) for step in range(1, 100)]
    )
    plant.put("incomer", "energy_import", [(READINGS[10][0] + 1, READINGS[10][1] + 5.0)])  # late: takes an old one back
    plant.roll_up("2026-10-09 01:00")
    plant.house.roots.make(at("2026-10-10 08:00"))
    entries = list(LedgerRepository(plant.house.engine).chain(PLANT))
    assert [entry.hash for entry in entries] == [hash_of(entry) for entry in entries]
    assert {entry.format for entry in entries if entry.hash in before} == {WHOLE}
    newer = [entry for entry in entries if entry.hash not in before]
    assert {entry.format for entry in newer} == {FRAMED}
    assert any(entry.reverses for entry in newer), "an entry of the first format was taken back"
    assert '"calculation":' in text_of(entries[0]) and '"frame":' in text_of(newer[0])

    report = plant.house.operations.call("verify")
    assert report["ok"] and report["checked"]["entries"] == len(old) + len(newer), report
    for entry in entries:
        explained = plant.house.operations.call("explain", entry=entry.id)
        assert explained["calculation"] == entry.draft.calculation
        proof = plant.house.operations.call("proof", entry=entry.id)
        assert ("frame" in proof) == (entry.format == FRAMED)
        assert proof["entry"] == text_of(entry)
