"""Promises of adjustments: never silent, never alone above the threshold, exact, and taken back as they were booked."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from collectors.errors import StoreRefused
from gateway.control import OperationFailed
from gateway.scheduler.changed_rules import EVER
from gateway.store.database import writing
from gateway.store.ledger_repository import LedgerRepository
from tests.gateway.scheduler.plant import ON_BOTH_ENGINES, PLANT, Plant, at, steady

DAY = "2026-09-02"
LINE = ("grid/adjustment", DAY)
PAPER = base64.b64encode(b"meter test report").decode()


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ledger_operations.now_ms", lambda: at("2026-09-10 09:00"))


@pytest.fixture
def booked(plant: Plant) -> Plant:
    plant.put("incomer", "energy_import", steady("2026-09-01 00:00", 24 * 4, 0.0, 10.0, every_min=60))
    plant.roll_up("2026-09-10 08:00")
    return plant


def call(plant: Plant, name: str, /, **arguments: Any) -> dict[str, Any]:
    return plant.house.operations.call(name, **{"enterprise": PLANT, "by": "li.na", "reason": "test", **arguments})


def asked(plant: Plant, kilograms: str = "-12.345", /, **arguments: Any) -> dict[str, Any]:
    given = {"source": "grid", "day": DAY, "emission_kg": kilograms, "energy_kgce": "1.5"}
    given |= {"name": "report.pdf", "content": PAPER, "reason": "the meter ran 2 % fast, see its test report"}
    return call(plant, "adjustment_request", **(given | arguments))


def with_threshold(plant: Plant, kilograms: float) -> None:
    plant.house.settings = replace(plant.house.settings, adjustment_approval_kg=kilograms)


def verified(plant: Plant) -> dict[str, Any]:
    return plant.house.verifier.run(plant.house.registry(), PLANT, None)


def test_what_waits_for_approval_is_not_booked_and_what_was_approved_is(booked: Plant) -> None:
    before = booked.standing()
    assert asked(booked)["status"] == "pending"
    booked.roll_up("2026-09-11 08:00")
    assert booked.standing() == before
    assert call(booked, "adjustment_approve", number=1, by="wang.fang")["status"] == "standing"
    booked.roll_up("2026-09-12 08:00")
    assert booked.standing() == before | {LINE: -12_345}
    assert verified(booked)["ok"]


def test_its_author_cannot_approve_it(booked: Plant) -> None:
    asked(booked)
    with pytest.raises(OperationFailed, match="another person"):
        call(booked, "adjustment_approve", number=1, by="Li.Na")


def test_below_the_threshold_it_stands_at_once_and_above_it_waits(booked: Plant) -> None:
    with_threshold(booked, 10.0)
    assert asked(booked, "10", energy_kgce="0")["status"] == "standing"
    assert asked(booked, "-10.001", energy_kgce="0")["status"] == "pending"
    assert asked(booked, "0", energy_kgce="11")["status"] == "pending"


def test_the_entry_says_who_why_and_on_what_evidence_and_its_hash_covers_it(booked: Plant) -> None:
    evidence = asked(booked)["evidence"]
    call(booked, "adjustment_approve", number=1, by="wang.fang", reason="agreed with the laboratory")
    booked.roll_up("2026-09-11 08:00")
    (entry,) = LedgerRepository(booked.house.engine).standing(PLANT, ["grid/adjustment"], *EVER)
    assert (entry.reason, entry.draft.scope, entry.draft.stage) == ("operator", 2, "production")
    assert (entry.draft.amount_u, entry.draft.energy_gce) == (0, 1_500)
    explained = booked.house.operations.call("explain", entry=entry.id)
    (told,) = explained["adjustments"]
    assert (told["author"], told["approved_by"], told["evidence"]) == ("li.na", "wang.fang", evidence)
    assert "2 % fast" in told["why"] and told["approved_why"] == "agreed with the laboratory"
    assert explained["computed"] == "-12345 gCO2e" and explained["energy_computed"] == "1500 gce"


@ON_BOTH_ENGINES
def test_several_on_one_day_are_one_entry_with_their_exact_sum_and_withdrawing_one_leaves_the_others(
    booked: Plant,
) -> None:
    with_threshold(booked, 1_000.0)
    asked(booked, "-12.345")
    asked(booked, "0.001")
    booked.roll_up("2026-09-11 08:00")
    assert booked.standing()[LINE] == -12_344
    call(booked, "adjustment_withdraw", number=1)
    booked.roll_up("2026-09-12 08:00")
    assert booked.standing()[LINE] == 1
    call(booked, "adjustment_withdraw", number=2)
    booked.roll_up("2026-09-13 08:00")
    assert LINE not in booked.standing()
    chain = list(LedgerRepository(booked.house.engine).chain(PLANT))
    own = [entry for entry in chain if entry.draft.source == LINE[0]]
    assert {entry.reason for entry in own} == {"operator"} and sum(entry.draft.emission_g for entry in own) == 0
    assert verified(booked)["ok"]


def test_rolling_up_again_posts_nothing(booked: Plant) -> None:
    with_threshold(booked, 1_000.0)
    asked(booked)
    booked.roll_up("2026-09-11 08:00")
    length = booked.chain_length()
    booked.roll_up("2026-09-12 08:00")
    assert booked.chain_length() == length


@ON_BOTH_ENGINES
def test_a_closed_month_gets_its_next_version(booked: Plant) -> None:
    with_threshold(booked, 1_000.0)
    booked.roll_up("2026-10-05 08:00")
    booked.house.pipeline.close("2026-09", PLANT, at("2026-10-06 08:00"))
    first = booked.house.operations.call("account", enterprise=PLANT, period="2026-09")["statement"]
    asked(booked)
    booked.roll_up("2026-10-07 08:00")
    second = booked.house.operations.call("account", enterprise=PLANT, period="2026-09")["statement"]
    assert (second["version"], second["predecessor"], second["status"]) == (2, 1, "closed")
    assert round(1000 * (second["compliance_kg"] - first["compliance_kg"])) == -12_345
    (line,) = [one for one in second["by_source"] if one["source"] == "grid/adjustment"]
    assert (line["amount"], line["basis"], line["emission_kg"]) == (0.0, "operator", -12.345)


def test_verify_sees_one_that_was_not_booked_and_one_that_nobody_asked_for(booked: Plant) -> None:
    with_threshold(booked, 1_000.0)
    asked(booked)
    booked.roll_up("2026-09-11 08:00")
    with writing(booked.house.engine) as connection:
        connection.execute(text("DROP TRIGGER adjustments_no_update"))
        connection.execute(text("UPDATE adjustments SET why = 'because'"))
    report = verified(booked)
    assert not report["ok"] and "is not what was asked for" in report["first_break"]["what"]
    with writing(booked.house.engine) as connection:
        connection.execute(text("UPDATE adjustments SET source = 'burner', why = 'x'"))
        connection.execute(text("UPDATE adjustments SET day = '2026-09-03'"))
    assert not verified(booked)["ok"]


@ON_BOTH_ENGINES
def test_what_was_asked_and_decided_is_never_changed(booked: Plant) -> None:
    asked(booked)
    call(booked, "adjustment_withdraw", number=1)
    for table in ("adjustments", "adjustment_decisions"):
        with pytest.raises(StoreRefused, match=f"{table} only grows"), writing(booked.house.engine) as connection:
            connection.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(OperationFailed, match="withdrawn"):
        call(booked, "adjustment_approve", number=1, by="wang.fang")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"source": "nobody"}, "no source"),
        ({"day": "2099-01-01"}, "no day that can"),
        ({"day": "monday"}, "is no day"),
        ({"emission_kg": "0.0001"}, "finer than a gram"),
        ({"emission_kg": "NaN"}, "at most"),
        ({"emission_kg": "much"}, "no number"),
        ({"emission_kg": "0", "energy_kgce": "0"}, "adjusts nothing"),
        ({"content": None, "evidence": "0" * 64}, "needs evidence"),
        ({"content": None}, "needs evidence"),
        ({"reason": ""}, "give a reason"),
        ({"by": " "}, "say who"),
    ],
)
def test_what_cannot_be_adjusted_is_refused_with_the_reason(plant: Plant, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(OperationFailed, match=why):
        asked(plant, **arguments)
    assert call(plant, "adjustment_list")["items"] == []
