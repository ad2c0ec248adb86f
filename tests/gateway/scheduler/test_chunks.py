"""However few points and days are read at once, the same is booked."""

from __future__ import annotations

import pytest

from gateway.scheduler import entries_stage
from gateway.store.ledger_repository import LedgerRepository
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, steady


@pytest.mark.parametrize("point_days", [1, 3, 10_000])
def test_chunks_of_any_size_book_the_same_entries(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, point_days: int
) -> None:
    monkeypatch.setattr(entries_stage, "CHUNK_POINT_DAYS", point_days)
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 72, 10.0, 33.3))
    plant.put("gas", "volume", steady("2026-10-01 00:00", 72, 999_990.0, 0.5))
    plant.put("incomer", "energy_import", steady("2026-10-02 00:00", 24, 0.0, 5.0), SECOND)
    done = plant.roll_up("2026-10-05 00:00")
    assert done["entries"]["entries_posted"] == 3 + 3 + 1
    days = ("2026-10-01", "2026-10-02", "2026-10-03")
    assert plant.standing().keys() == {(source, day) for source in ("grid", "burner") for day in days}
    assert plant.standing(SECOND).keys() == {("grid", "2026-10-02")}
    digests = {
        (entry.draft.source, entry.draft.day.isoformat()): entry.draft.digest
        for entry in LedgerRepository(plant.house.engine).chain(PLANT)
    }
    assert len(set(digests.values())) == len(digests)
    assert plant.house.operations.call("verify")["ok"]  # which reads each source by itself


def test_an_enterprise_that_left_the_registry_keeps_its_account(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 24, 0.0, 5.0), SECOND)
    plant.roll_up("2026-10-03 00:00")
    stood = plant.standing(SECOND)
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 24, 0.0, 7.0), SECOND)
    plant.house.operations.call("registry_apply", text=f"enterprises: [{{id: {SECOND}, retired: true}}]")
    plant.roll_up("2026-10-03 00:10")
    assert stood and plant.standing(SECOND) == stood
