"""Promises of the daily roots: made of all ended days, once, from what is stored; and no tampering passes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection

from gateway.carbon import ledger
from gateway.carbon.roots import Span
from gateway.scheduler.daily_roots import BrokenHistory, DailyRoots
from gateway.scheduler.root_checks import RootChecks
from gateway.signing import Signer
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.roots_repository import RootsRepository
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

DAYS = 4


@pytest.fixture
def booked(plant: Plant) -> Plant:
    """Two plants with three days, booked day by day at one in the morning: 17:00 UTC of the day before."""
    for enterprise, per_hour in ((PLANT, 100.0), (SECOND, 10.0)):
        plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 72, 0.0, per_hour, every_min=60), enterprise)
    for day in (6, 7, 8):
        plant.roll_up(f"2026-10-{day:02} 01:00")
    return plant


def roots(plant: Plant) -> RootsRepository:
    return RootsRepository(plant.house.engine)


def spans(plant: Plant) -> list[tuple[date, int, int]]:
    return [(span.day, span.first_seq, span.last_seq) for span in roots(plant).spans_of_chain(PLANT)]


def verified(plant: Plant) -> str:
    """What `tanmai verify` names as the first break; "" if there is none."""
    found = plant.house.operations.call("verify")["first_break"]
    return "" if found is None else f"{found['enterprise']} {found['entry']} {found['period']} {found['what']}"


def tamper(connection: Connection, *changes: str) -> None:
    """Change tables as someone with the file would: the triggers have to go first."""
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
    for name in list(names):
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    for change in changes:
        connection.exec_driver_sql(change)


def test_a_day_gets_its_root_when_it_has_ended_and_not_before(booked: Plant) -> None:
    assert booked.house.roots.make(at("2026-10-06 07:59")) == {"roots": 0, "entries": 0}
    assert booked.house.roots.make(at("2026-10-06 08:00"))["roots"] == 1  # midnight UTC
    assert spans(booked) == [(date(2026, 10, 5), 1, 1)]


def test_a_gateway_that_was_away_makes_all_roots_when_it_is_back(booked: Plant) -> None:
    done = booked.house.roots.make(at("2026-10-10 09:00"))
    assert done == {"roots": 5, "entries": 6}
    assert [root.day for root in roots(booked).roots()] == [date(2026, 10, 5) + timedelta(days=n) for n in range(5)]
    assert booked.house.roots.make(at("2026-10-10 10:00")) == {"roots": 0, "entries": 0}


def test_daily_or_all_at_once_gives_the_same_roots(booked: Plant, open_plant: Callable[[], Plant]) -> None:
    for day in (6, 7, 8, 9):
        booked.house.roots.make(at(f"2026-10-{day:02} 09:00"))
    daily = [root.body for root in roots(booked).roots()]
    with booked.house.engine.begin() as connection:
        tamper(connection, "DELETE FROM ledger_roots", "DELETE FROM ledger_spans")
    again = open_plant()
    again.house.roots.make(at("2026-10-09 09:00"))
    assert [root.body for root in roots(again).roots()] == daily
    assert len(daily) == DAYS


def test_two_makers_at_once_make_one_set(booked: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = at("2026-10-09 09:00")
    rival = DailyRoots(booked.house.engine, booked.house.signer)
    original = RootsRepository.uncovered

    def overtaken(store: RootsRepository) -> object:
        monkeypatch.setattr(RootsRepository, "uncovered", original)
        found = original(store)
        rival.make(now_ms)
        return found

    monkeypatch.setattr(RootsRepository, "uncovered", overtaken)
    assert booked.house.roots.make(now_ms) == {"roots": 0, "entries": 0}
    assert len(roots(booked).roots()) == DAYS
    assert verified(booked) == ""


def test_an_entry_that_comes_after_the_root_of_its_day_goes_under_the_next(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-08 09:00"))
    before = booked.chain_length()
    booked.put("incomer", "energy_import", [(at("2026-10-05 12:30"), 1249.0), (at("2026-10-05 00:00"), 1.0)])
    booked.roll_up("2026-10-08 07:00")  # a clock that went back, or a transaction that took long
    assert booked.chain_length() > before
    booked.house.roots.make(at("2026-10-09 09:00"))
    assert spans(booked)[-1] == (date(2026, 10, 8), before + 1, booked.chain_length())
    assert verified(booked) == ""


def test_nothing_booked_gives_no_root(plant: Plant) -> None:
    assert plant.house.roots.make(at("2026-10-09 09:00")) == {"roots": 0, "entries": 0}
    assert verified(plant) == ""


def test_true_roots_pass_and_are_counted(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-09 09:00"))
    report = booked.house.operations.call("verify")
    assert report["ok"] and report["checked"]["roots"] == DAYS


# a change of one root or span -> the day that is named, and with which words
CHANGES = {
    "UPDATE ledger_roots SET body = replace(body, '\"entries\":2', '\"entries\":3')": ("2026-10-05", "signature"),
    "UPDATE ledger_roots SET signature = 'a..b' WHERE day = '2026-10-06'": ("2026-10-06", "signature"),
    "UPDATE ledger_roots SET signature = '' WHERE day = '2026-10-07'": ("2026-10-07", "signature"),
    "DELETE FROM ledger_roots WHERE day = '2026-10-06'": ("2026-10-06", "not there"),
    "DELETE FROM ledger_spans WHERE day = '2026-10-06'": ("2026-10-07", "next to be covered"),
    "UPDATE ledger_spans SET day = '2026-10-08' WHERE last_seq = 3": ("2026-10-07", "does not follow"),
    "DELETE FROM ledger_spans WHERE last_seq = 3": ("2026-10-07", "does not follow"),
    f"INSERT INTO ledger_spans VALUES ('{PLANT}', 9, 4, '2026-10-08', '00')": ("2026-10-08", "taken out"),
    "DELETE FROM ledger_entries WHERE seq = 3": ("2026-10-07", "taken out"),
    "UPDATE ledger_roots SET (body, signature) = (SELECT body, signature FROM ledger_roots WHERE day = '2026-10-05') "
    "WHERE day = '2026-10-07'": ("2026-10-07", "does not follow"),
}


def test_one_changed_root_or_span_is_named(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-09 09:00"))
    assert first_fault(booked, "SELECT 1") is None
    for change, (day, words) in CHANGES.items():
        found = first_fault(booked, change)
        assert found is not None and (found[0].isoformat(), words in found[1]) == (day, True), (change, found)


def first_fault(plant: Plant, change: str) -> tuple[date, str] | None:
    """What the checks find after a change, which is taken back at the end."""
    with plant.house.engine.connect() as connection:
        tamper(connection, change)
        checks, book = RootChecks.of(connection, plant.house.signer), LedgerRepository(connection)
        for enterprise in book.enterprises():
            found = checks.chain(enterprise, [entry.hash for entry in book.chain(enterprise)])
            if found is not None:
                return found
        return checks.first_fault()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_roots SET body = replace(body, '2026-10-05', '2026-10-04') WHERE day = '2026-10-05'",
        "UPDATE ledger_roots SET body = replace(body, '2026-10-06', '2026-10-09') WHERE day = '2026-10-06'",
        "UPDATE ledger_roots SET body = '[]' WHERE day = '2026-10-05'",
        "DELETE FROM ledger_roots WHERE day = '2026-10-05'",
    ],
)
def test_nothing_is_signed_on_top_of_changed_roots(booked: Plant, change: str) -> None:
    booked.house.roots.make(at("2026-10-07 09:00"))
    with booked.house.engine.begin() as connection:
        tamper(connection, change)
    before = roots(booked).roots()
    with pytest.raises(BrokenHistory, match="tanmai verify"):
        booked.house.roots.make(at("2026-10-09 09:00"))
    assert roots(booked).roots() == before


def test_what_breaks_a_root_breaks_verify(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-09 09:00"))
    with booked.house.engine.begin() as connection:
        tamper(connection, "UPDATE ledger_roots SET body = replace(body, '2026-10-06', '2026-10-07')")
    assert "2026-10-06 the signature of this day's root" in verified(booked)


def test_a_chain_that_was_hashed_anew_after_a_change_is_given_away(booked: Plant) -> None:
    """All hashes fit each other again; only the signed root was made over others."""
    booked.house.roots.make(at("2026-10-09 09:00"))
    book = LedgerRepository(booked.house.engine)
    head, changes = None, []
    for entry in book.chain(SECOND):
        previous = head.hash if head else ledger.NO_HASH
        booked_at_ms = entry.booked_at_ms + (entry.seq == 2)
        forged = replace(entry, booked_at_ms=booked_at_ms, previous_hash=previous)
        head = replace(forged, hash=ledger.hash_of(forged))
        changes.append(
            f"UPDATE ledger_entries SET booked_at_ms = {booked_at_ms}, previous_hash = '{previous}', "
            f"hash = '{head.hash}' WHERE enterprise = '{SECOND}' AND seq = {entry.seq}"
        )
    with booked.house.engine.begin() as connection:
        tamper(connection, *changes)
    assert ledger.verify_chain(book.chain(SECOND)) is None
    found = verified(booked)
    assert SECOND in found and "2026-10-06" in found and "changed later" in found


def test_roots_of_another_key_are_not_ours(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-09 09:00"))
    (booked.house.settings.data_path / "keys/statements-ed25519.pem").unlink()
    verifier = replace(booked.house.verifier, signer=Signer.of(booked.house.settings.data_path))
    report = verifier.run(booked.house.registry(), None, None)
    assert "signature" in report["first_break"]["what"]


def test_a_root_is_no_statement(booked: Plant) -> None:
    booked.house.roots.make(at("2026-10-09 09:00"))
    root, signer = roots(booked).roots()[0], booked.house.signer
    assert signer.signed("tanmai-root", root.body, root.signature)
    assert not signer.signed("tanmai-statement", root.body, root.signature)
    assert isinstance(roots(booked).spans_of_day(root.day)[0], Span)
