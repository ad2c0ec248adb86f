"""The quick way holds a chain exactly where the slow way does, also where somebody computed all hashes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.carbon.ledger import Posting, append, reversal_of, verify_chain
from gateway.carbon.model import Draft, Entry
from gateway.carbon.quick_chain import QuickChecks
from tests.gateway.carbon.conftest import ENTERPRISE, MakeDraft
from tests.gateway.carbon.quick_rows import rows_of

KINDS = ("electricity.purchased", "electricity.exported", "fuel.natural_gas", "fuel.diesel", "heat.purchased")
AMOUNTS = st.one_of(
    st.integers(-(10**13), 10**13),
    st.integers(-(10**7), 10**7).map(lambda whole: whole * 1_000_000),
    st.integers(0, 10**6).map(lambda halves: halves * 500_000),  # where figures lie between two grams
    st.integers(10**17, 10**18),  # more grams than floats tell apart
)
ODD = st.sampled_from(["", "a", "%", "%d", "100%b", 'say "x"', "back\\slash", "×·碳", "\t", "\u2028"])
BOOKED = st.lists(st.tuples(st.sampled_from(KINDS), AMOUNTS, ODD, st.booleans()), min_size=1, max_size=12)
FORGED: tuple[dict[str, Any], ...] = (
    {"emission_g": 1}, {"emission_g": -1}, {"energy_gce": 1}, {"energy_gce": -1}, {"amount_u": 1},
    {"amount": "1_0"}, {"amount": " 5"}, {"amount": "1e3"}, {"amount": "nan"}, {"amount": "7.0"}, {"stated": "0"},
)  # fmt: skip


def chain_of(booked: list[tuple[str, int, str, bool]], make_draft: MakeDraft) -> list[Entry]:
    """Entries under few headings, some of them taken back."""
    postings: list[Posting] = []
    for number, (kind, amount_u, odd, taken_back) in enumerate(booked):
        day = date(2026, 10, 1) + timedelta(days=number)
        draft = make_draft(kind, amount_u / 1_000_000, day=day, digest=odd or f"{number:064x}")
        postings.append(Posting(replace(draft, gwp=odd[:8]), "automatic"))
        if taken_back:
            postings.append(Posting(reversal_of(postings[-1].draft), "late-data", len(postings)))
    return append(None, postings, 1_790_000_000_000)


def held(chain: list[Entry]) -> bool:
    found = QuickChecks().booked(ENTERPRISE, rows_of(chain))
    return found is not None and [one.hash for one in found] == [entry.hash for entry in chain]


@settings(deadline=None)
@given(booked=BOOKED)
def test_what_was_booked_is_held(booked: list[tuple[str, int, str, bool]], make_draft: MakeDraft) -> None:
    chain = chain_of(booked, make_draft)
    assert verify_chain(chain) is None
    assert held(chain)


@settings(deadline=None)
@given(booked=BOOKED, place=st.integers(0, 11), change=st.sampled_from(FORGED))
def test_a_forgery_with_all_hashes_made_anew_is_held_only_if_the_slow_way_would(
    booked: list[tuple[str, int, str, bool]], place: int, change: dict[str, Any], make_draft: MakeDraft
) -> None:
    chain = chain_of(booked, make_draft)
    postings = [Posting(entry.draft, entry.reason, entry.reverses) for entry in chain]
    place %= len(postings)
    postings[place] = replace(postings[place], draft=forged(postings[place].draft, change))
    anew = append(None, postings, 1_790_000_000_000)
    assert not held(anew) or verify_chain(anew) is None


def forged(draft: Draft, change: dict[str, Any]) -> Draft:
    """Figures one off, or the amount of the calculation or its stated grams spelled otherwise."""
    ((name, value),) = change.items()
    if name == "amount":
        return replace(draft, calculation={**draft.calculation, "amount": value})
    if name == "stated":
        return replace(draft, calculation={**draft.calculation, "emission_g": value})
    return replace(draft, **{name: getattr(draft, name) + value})
