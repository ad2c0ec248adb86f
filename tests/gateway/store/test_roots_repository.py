"""Roots and spans on disk: only grow, one maker at a time, and only what is not covered yet is looked at."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Engine, text

from collectors.errors import StoreRefused
from gateway.carbon.ledger import Posting, append
from gateway.carbon.model import Draft
from gateway.carbon.roots import Booking, Span
from gateway.store import roots_repository
from gateway.store.database import writing
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.roots_repository import RootsRepository, StoredRoot, Uncovered

FIRST, SECOND = date(2026, 10, 5), date(2026, 10, 6)
PLANT, OTHER = "91350505M00000019R", "91350583M00000035E"


def root(day: date) -> StoredRoot:
    return StoredRoot(day, f'{{"day":"{day}"}}', "header..signature", 1_000)


def span(enterprise: str, day: date, first: int, last: int) -> Span:
    return Span(enterprise, day, first, last, "a" * 64)


def draft(enterprise: str, day: int) -> Draft:
    return Draft(
        enterprise, "grid", date(2026, 10, day), "electricity.purchased", 2, "production", 2, 1, "kWh", "grid", "e",
        "exact", "ar5", 1, 1, False, 1_000_000, 0, "d" * 64, {},
    )  # fmt: skip


@pytest.fixture
def book(engine: Engine) -> list[int]:
    """Three entries of one chain, two of another; gives when the three were booked."""
    times = [1_790_000_000_000 + step for step in range(3)]
    for enterprise, count in ((PLANT, 3), (OTHER, 2)):
        head = None
        for place in range(count):
            (head,) = append(head, [Posting(draft(enterprise, place + 1), "automatic")], times[place])
            LedgerRepository(engine).append([head])
    return times


@pytest.fixture
def store(engine: Engine) -> RootsRepository:
    """Two roots: four entries of one chain under them, one of another."""
    store = RootsRepository(engine)
    assert store.newest_day() is None
    assert store.add(None, [root(FIRST)], [span(PLANT, FIRST, 1, 3), span(OTHER, FIRST, 1, 1)])
    assert store.add(FIRST, [root(SECOND)], [span(PLANT, SECOND, 4, 4)])
    return store


def test_what_was_added_is_found_again(store: RootsRepository) -> None:
    assert store.newest_day() == SECOND
    assert store.roots() == [root(FIRST), root(SECOND)]
    assert store.roots(after=FIRST) == [root(SECOND)] and store.roots(limit=1) == [root(FIRST)]
    assert store.root(FIRST) == root(FIRST) and store.root(date(2026, 10, 7)) is None
    assert {one.enterprise for one in store.spans_of_day(FIRST)} == {PLANT, OTHER}
    assert [(one.first_seq, one.last_seq) for one in store.spans_of_chain(PLANT)] == [(1, 3), (4, 4)]


def test_the_span_of_an_entry_is_found_by_key(store: RootsRepository) -> None:
    assert [store.span_with(PLANT, seq) for seq in (1, 3)] == [span(PLANT, FIRST, 1, 3)] * 2
    assert store.span_with(PLANT, 4) == span(PLANT, SECOND, 4, 4)
    assert store.span_with(PLANT, 5) is None and store.span_with(PLANT, 0) is None
    assert store.span_with("nobody", 1) is None


def test_of_two_makers_one_writes(store: RootsRepository) -> None:
    third = date(2026, 10, 7)
    assert not store.add(FIRST, [root(third)], [span(PLANT, third, 5, 5)])
    assert store.newest_day() == SECOND and store.span_with(PLANT, 5) is None


@pytest.mark.parametrize("table", ["ledger_roots", "ledger_spans"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET day = '2026-01-01'", "DELETE FROM {}"])
def test_roots_and_spans_only_grow(engine: Engine, store: RootsRepository, table: str, statement: str) -> None:
    with pytest.raises(StoreRefused, match=f"{table} only grows"), writing(engine) as connection:
        connection.execute(text(statement.format(table)))


def test_chains_with_entries_under_no_root_are_found(engine: Engine, book: list[int]) -> None:
    store = RootsRepository(engine)
    assert store.uncovered() == [Uncovered(PLANT, 0, 3), Uncovered(OTHER, 0, 2)]
    store.add(None, [root(FIRST)], [span(PLANT, FIRST, 1, 2), span(OTHER, FIRST, 1, 2)])
    assert store.uncovered() == [Uncovered(PLANT, 2, 3)]
    ((enterprise, (left,)),) = store.bookings(store.uncovered())
    assert enterprise == PLANT and isinstance(left, Booking) and (left.seq, left.booked_at_ms) == (3, book[2])


def test_bookings_come_whole_however_they_are_asked_for(
    engine: Engine, book: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RootsRepository(engine)
    for chunk in (1, 3, 4, 5, 1_000):
        monkeypatch.setattr(roots_repository, "CHUNK", chunk)
        found = {enterprise: [one.seq for one in own] for enterprise, own in store.bookings(store.uncovered())}
        assert found == {PLANT: [1, 2, 3], OTHER: [1, 2]}
    assert list(store.bookings([])) == []
    chain = list(LedgerRepository(engine).chain(PLANT))
    assert store.hashes(span(PLANT, FIRST, 2, 3)) == [one.hash for one in chain[1:]]


def test_an_empty_ledger_has_nothing_to_cover(engine: Engine) -> None:
    assert RootsRepository(engine).uncovered() == []
    assert LedgerRepository(engine).enterprises() == []
