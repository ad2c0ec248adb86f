"""Spans of chains under daily roots: every entry under exactly one, in order, whatever the clocks said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.calendar import days_between
from gateway.carbon.merkle import EMPTY_TREE, GrowingTree, consistency_path, is_consistent
from gateway.carbon.roots import Booking, Span, history_of, root_from, roots_of, spans_of, utc_day, wrong_span

PLANT = "91350505M00000019R"
FIRST = date(2026, 10, 1)
END = date(2026, 10, 8)
DAY_MS = 86_400_000


def start_ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS


def chain(*booked_at_ms: int, after: int = 0) -> list[Booking]:
    return [
        Booking(seq, at_ms, sha256(f"{seq}".encode()).hexdigest()) for seq, at_ms in enumerate(booked_at_ms, after + 1)
    ]


def cut(bookings: list[Booking], first: date = FIRST, end: date = END) -> list[tuple[date, int, int]]:
    return [(span.day, span.first_seq, span.last_seq) for span in spans_of(PLANT, bookings, first, end)]


def test_a_day_ends_at_midnight_utc() -> None:
    second = start_ms(date(2026, 10, 2))
    assert cut(chain(second - 1, second)) == [(FIRST, 1, 1), (date(2026, 10, 2), 2, 2)]


def test_a_day_without_bookings_has_no_span() -> None:
    assert cut(chain(start_ms(FIRST), start_ms(date(2026, 10, 5)))) == [(FIRST, 1, 1), (date(2026, 10, 5), 2, 2)]
    assert cut([]) == []


def test_an_entry_of_a_day_that_has_its_root_goes_under_the_next() -> None:
    assert cut(chain(start_ms(FIRST) - 5 * DAY_MS, after=7)) == [(FIRST, 8, 8)]


def test_an_entry_from_the_future_waits_unless_a_later_one_takes_it_along() -> None:
    ahead = start_ms(END) + DAY_MS
    assert cut(chain(start_ms(FIRST), ahead)) == [(FIRST, 1, 1)]
    assert cut(chain(start_ms(FIRST), ahead, start_ms(FIRST) + DAY_MS)) == [(FIRST, 1, 1), (date(2026, 10, 2), 2, 3)]


bookings = st.lists(st.integers(start_ms(FIRST) - 2 * DAY_MS, start_ms(END) + DAY_MS), max_size=30).map(
    lambda times: chain(*times)
)


@given(bookings)
def test_every_entry_stands_under_one_root_and_none_is_skipped(given_chain: list[Booking]) -> None:
    spans = list(spans_of(PLANT, given_chain, FIRST, END))
    covered = [seq for span in spans for seq in range(span.first_seq, span.last_seq + 1)]
    assert covered == list(range(1, len(covered) + 1))
    days = [span.day for span in spans]
    assert days == sorted(set(days)) and all(FIRST <= day < END for day in days)
    due = [one.seq for one in given_chain if utc_day(one.booked_at_ms) < END]
    assert len(covered) == max(due, default=0)
    assert wrong_span(spans, [one.hash for one in given_chain]) is None


@given(bookings, st.dates(FIRST, END))
def test_making_roots_twice_a_week_is_making_them_once(given_chain: list[Booking], pause: date) -> None:
    """Provided that what is late is seen: entries of ended days that are there at the pause."""
    early = list(spans_of(PLANT, given_chain, FIRST, pause))
    done = early[-1].last_seq if early else 0
    late = list(spans_of(PLANT, given_chain[done:], pause, END))
    assert early + late == list(spans_of(PLANT, given_chain, FIRST, END))


def test_every_fault_of_a_span_is_named() -> None:
    given_chain = chain(*(start_ms(FIRST) + step * DAY_MS // 2 for step in range(6)))
    hashes = [one.hash for one in given_chain]
    spans = list(spans_of(PLANT, given_chain, FIRST, END))

    def fault(changed: list[Span], over: list[str] = hashes) -> str:
        found = wrong_span(changed, over)
        assert found is not None
        return found[1]

    assert "entry 3 is the next" in fault([spans[0], spans[2]])
    assert "entry 1 is the next" in fault(spans[1:])
    assert "entries were taken out" in fault(spans, hashes[:-1])
    assert "were changed later" in fault(spans, [*hashes[:2], "0" * 64, *hashes[3:]])
    assert "were changed later" in fault([replace(spans[0], leaf="0" * 64)])
    assert "next to be covered" in fault([spans[0], replace(spans[1], last_seq=2)])
    assert "next to be covered" in fault([spans[0], spans[0]])


def test_each_root_holds_all_days_so_far() -> None:
    days = days_between(FIRST, END)
    spans = {span.day: [span] for span in spans_of(PLANT, chain(start_ms(FIRST), start_ms(days[3])), FIRST, END)}
    roots = roots_of(days, spans, GrowingTree())
    assert [root.days for root in roots] == list(range(1, 8))
    assert [root.entries for root in roots] == [1, 0, 0, 1, 0, 0, 0]
    assert roots[0].history == roots[0].of_day.leaf.hex() and roots[1].tree == EMPTY_TREE.hex()
    assert len({root.history for root in roots}) == len(roots)
    assert roots_of(days[4:], spans, history_of(roots[:4])) == roots[4:]
    assert [root_from(root.text) for root in roots] == roots
    other = roots_of(days, {}, GrowingTree())
    assert all(one.history != two.history for one, two in zip(roots, other, strict=True))


def test_a_later_root_shows_that_it_grew_from_an_earlier_one() -> None:
    roots = roots_of(days_between(FIRST, END), {}, GrowingTree())
    leaves = [root.of_day.leaf for root in roots]
    old, new = roots[2], roots[6]
    path = consistency_path(leaves, old.days)
    assert is_consistent(old.days, bytes.fromhex(old.history), new.days, bytes.fromhex(new.history), path)


def test_the_order_of_spans_is_no_matter() -> None:
    spans = [Span(f"9135050{place}M00000019R", FIRST, 1, 1, f"{place}" * 64) for place in range(5)]
    assert roots_of([FIRST], {FIRST: spans}, GrowingTree()) == roots_of([FIRST], {FIRST: spans[::-1]}, GrowingTree())


def test_utc_day_is_the_day_in_utc() -> None:
    at_ms = start_ms(FIRST)
    assert (utc_day(at_ms), utc_day(at_ms - 1)) == (FIRST, FIRST - timedelta(days=1))
