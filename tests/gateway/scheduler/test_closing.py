"""Promises of closing a month: frozen, signed, corrected only by a next version."""

from __future__ import annotations

import msgspec
import pytest

from gateway.control import OperationFailed
from gateway.signing import Signer
from gateway.store.changes_repository import ChangesRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement
from tests.gateway.scheduler.plant import PLANT, Plant, at, steady


@pytest.fixture
def september(plant: Plant) -> Plant:
    readings = steady("2026-09-01 00:00", 24 * 32, 0.0, 10.0, every_min=60)
    plant.put("incomer", "energy_import", [one for one in readings if one[0] != at("2026-09-10 12:00")])
    plant.roll_up("2026-10-02 08:00")
    return plant


def versions(plant: Plant, month: str = "2026-09") -> list[StoredStatement]:
    return StatementsRepository(plant.house.engine).versions(PLANT, month)


def test_a_month_closes_on_its_day_and_not_before(september: Plant) -> None:
    assert september.house.pipeline.close_months(at("2026-10-04 23:00"), 5) == 0
    assert september.house.pipeline.close_months(at("2026-10-05 09:00"), 5) >= 1
    (closed,) = versions(september)
    assert closed.status == "closed"
    assert Signer.of(september.house.settings.data_path).signed("tanmai-statement", closed.body, closed.signature)


def test_a_month_that_still_receives_late_data_waits(september: Plant) -> None:
    september.put("incomer", "energy_import", [(at("2026-09-10 12:00"), 2286.0)])
    september.roll_up("2026-10-06 08:00")
    assert september.house.pipeline.close_months(at("2026-10-06 08:05"), 5) == 0
    assert versions(september)[0].status == "open"
    september.house.pipeline.close_months(at("2026-10-06 09:00"), 5)
    assert versions(september)[0].status == "closed"


def test_a_later_correction_makes_the_next_version_and_keeps_the_first(september: Plant) -> None:
    september.house.pipeline.close("2026-09", PLANT, at("2026-10-06 08:00"))
    (first,) = versions(september)
    september.put("incomer", "energy_import", [(at("2026-09-10 12:00"), 2286.0), (at("2026-09-01 00:00"), 1.0)])
    september.roll_up("2026-10-07 08:00")
    kept, second = versions(september)
    assert kept == first
    assert (second.version, second.status, second.predecessor) == (2, "closed", 1)
    assert msgspec.json.decode(second.body)["compliance_kg"] < msgspec.json.decode(first.body)["compliance_kg"]
    september.roll_up("2026-10-08 08:00")
    assert len(versions(september)) == 2


def test_the_feed_tells_every_version_in_order(september: Plant) -> None:
    september.house.pipeline.close("2026-09", PLANT, at("2026-10-06 08:00"))
    changes = ChangesRepository(september.house.engine).after(0, 100)
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    own = [change for change in changes if change.enterprise == PLANT and change.period == "2026-09"]
    assert [change.kind for change in own] == ["statement", "rating", "statement"]


def test_a_month_that_has_not_ended_is_refused(september: Plant) -> None:
    done, refused = september.house.pipeline.close("2026-10", PLANT, at("2026-10-06 08:00"))
    assert not done and refused == [(PLANT, "2026-10", "the month has not ended yet")]


def test_days_are_not_closed(september: Plant) -> None:
    with pytest.raises(OperationFailed, match="months, quarters and years are closed"):
        september.house.operations.call("close", period="2026-09-01")
