"""Promises of reopening a closed month: a new open version, never closed by the clock, and never in silence."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from collectors.errors import StoreRefused
from gateway.control import OperationFailed
from gateway.store.changes_repository import ChangesRepository
from gateway.store.database import writing
from gateway.store.reopenings_repository import ReopeningsRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement
from tests.gateway.scheduler.plant import ON_BOTH_ENGINES, PLANT, Plant, at, steady

WHY = "the gas bill of September came back corrected"


@pytest.fixture
def closed(plant: Plant) -> Plant:
    readings = steady("2026-09-01 00:00", 24 * 32, 0.0, 10.0, every_min=60)
    plant.put("incomer", "energy_import", [one for one in readings if one[0] != at("2026-09-10 12:00")])
    plant.roll_up("2026-10-02 08:00")
    plant.house.pipeline.close("2026-09", PLANT, at("2026-10-06 08:00"))
    return plant


def versions(plant: Plant) -> list[StoredStatement]:
    return StatementsRepository(plant.house.engine).versions(PLANT, "2026-09")


def reopen(plant: Plant) -> int | None:
    return plant.house.pipeline.reopen("2026-09", PLANT, "li.na", WHY, at("2026-10-08 09:00"))


@ON_BOTH_ENGINES
def test_a_reopened_month_follows_the_ledger_in_place_until_it_is_closed_by_hand(closed: Plant) -> None:
    (first,) = versions(closed)
    assert reopen(closed) == 2
    closed.put("incomer", "energy_import", [(at("2026-09-10 12:00"), 2286.0), (at("2026-09-01 00:00"), 1.0)])
    closed.roll_up("2026-10-09 08:00")
    kept, second = versions(closed)
    assert kept == first
    assert (second.version, second.status, second.predecessor) == (2, "open", 1)
    assert msgspec.json.decode(second.body)["compliance_kg"] < msgspec.json.decode(first.body)["compliance_kg"]
    assert closed.house.pipeline.close_months(at("2026-11-08 09:00"), 5) >= 1  # October
    assert versions(closed)[1].status == "open"
    assert closed.house.pipeline.close("2026-09", PLANT, at("2026-11-08 10:00")) == (
        [(PLANT, "2026-09", 2), (PLANT, "2026-Q3", 2)],
        [],
    )
    assert [one.status for one in versions(closed)] == ["closed", "closed"]


@ON_BOTH_ENGINES
def test_who_when_and_why_stand_in_the_signed_text_in_a_table_and_in_the_feed(closed: Plant) -> None:
    before = ChangesRepository(closed.house.engine).after(0, 1000)[-1].seq
    reopen(closed)
    (kept,) = ReopeningsRepository(closed.house.engine).of_enterprise(PLANT)
    assert (kept.period, kept.version, kept.by, kept.why) == ("2026-09", 2, "li.na", WHY)
    told = [one.kind for one in ChangesRepository(closed.house.engine).after(before, 100)]
    assert told[0] == "reopening" and "statement" in told
    closed.house.pipeline.close("2026-09", PLANT, at("2026-10-09 08:00"))
    said = msgspec.json.decode(versions(closed)[1].body)["reopened"]
    assert said == {"at": "2026-10-08T01:00:00Z", "by": "li.na", "why": WHY}


def test_a_correction_after_the_second_closing_is_a_third_version_that_nobody_reopened(closed: Plant) -> None:
    reopen(closed)
    closed.house.pipeline.close("2026-09", PLANT, at("2026-10-09 08:00"))
    closed.roll_up("2026-10-09 09:00")
    assert len(versions(closed)) == 2
    closed.put("incomer", "energy_import", [(at("2026-09-01 00:00"), 1.0)])
    closed.roll_up("2026-10-10 08:00")
    third = versions(closed)[2]
    assert (third.status, third.predecessor) == ("closed", 2)
    assert msgspec.json.decode(third.body)["reopened"] is None


def test_verify_accepts_it_and_sees_a_reopening_that_was_kept_nowhere(closed: Plant) -> None:
    reopen(closed)
    closed.roll_up("2026-10-09 08:00")
    verify = closed.house.verifier.run
    assert verify(closed.house.registry(), PLANT, None)["ok"]
    with writing(closed.house.engine) as connection:
        connection.execute(text("DROP TRIGGER reopenings_no_delete"))
        connection.execute(text("DELETE FROM reopenings"))
    report = verify(closed.house.registry(), PLANT, None)
    assert not report["ok"] and "li.na" in report["first_break"]["what"]


@ON_BOTH_ENGINES
def test_what_was_kept_of_it_is_not_changed(closed: Plant) -> None:
    reopen(closed)
    with pytest.raises(StoreRefused, match="reopenings only grows"), writing(closed.house.engine) as connection:
        connection.execute(text("UPDATE reopenings SET why = ''"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"period": "2026-10"}, "no closed statement"),
        ({"period": "2026-Q3"}, "only months"),
        ({"reason": " "}, "give a reason"),
        ({"by": ""}, "say who"),
        ({"enterprise": "nobody"}, "not registered"),
    ],
)
def test_it_is_refused_with_the_reason(closed: Plant, arguments: dict[str, str], why: str) -> None:
    given = {"period": "2026-09", "enterprise": PLANT, "reason": WHY, "by": "li.na"} | arguments
    with pytest.raises(OperationFailed, match=why):
        closed.house.operations.call("reopen", **given)


def test_a_month_that_is_open_already_is_refused(closed: Plant) -> None:
    given = {"period": "2026-09", "enterprise": PLANT, "reason": WHY, "by": "li.na"}
    assert closed.house.operations.call("reopen", **given)["version"] == 2
    with pytest.raises(OperationFailed, match="nothing to reopen"):
        closed.house.operations.call("reopen", **given)
