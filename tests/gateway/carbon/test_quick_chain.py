"""The quick way holds a chain exactly where the slow way does, also where somebody computed all hashes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.carbon.ledger import FRAMED, NO_HASH, WHOLE, Posting, append, hash_of, reversal_of, verify_chain
from gateway.carbon.model import Draft, Entry
from gateway.carbon.quick_chain import QuickChecks
from tests.gateway.carbon.conftest import ENTERPRISE, MakeDraft
from tests.gateway.carbon.quick_rows import frames_of, rows_of

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
    {"emission": 1}, {"energy": -1},  # in the calculation too: such an entry is of the second format
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
    found = QuickChecks().booked(ENTERPRISE, rows_of(chain), frames_of(chain).__getitem__)
    return found is not None and [one.hash for one in found] == [entry.hash for entry in chain]


@settings(deadline=None)
@given(booked=BOOKED)
def test_what_was_booked_is_held(booked: list[tuple[str, int, str, bool]], make_draft: MakeDraft) -> None:
    chain = chain_of(booked, make_draft)
    assert verify_chain(chain) is None
    assert held(chain)
    assert {entry.format for entry in chain} == {FRAMED}


@settings(deadline=None)
@given(booked=BOOKED, whole=st.sets(st.integers(0, 11)))
def test_entries_of_both_formats_are_held_in_one_chain(
    booked: list[tuple[str, int, str, bool]], whole: set[int], make_draft: MakeDraft
) -> None:
    mixed: list[Entry] = []
    for place, entry in enumerate(chain_of(booked, make_draft)):
        previous = mixed[-1].hash if mixed else NO_HASH
        own = replace(entry, previous_hash=previous, format=WHOLE if place in whole else FRAMED)
        mixed.append(replace(own, hash=hash_of(own)))
    assert verify_chain(mixed) is None
    assert held(mixed)


def test_a_frame_that_is_missing_or_is_another_is_not_held(make_draft: MakeDraft) -> None:
    chain = chain_of(
        [("electricity.purchased", 5_000_000, "a", True), ("fuel.diesel", 7_000_000, "b", False)], make_draft
    )
    frames = frames_of(chain)
    assert len(frames) == 2
    assert QuickChecks().booked(ENTERPRISE, rows_of(chain), frames.__getitem__) is not None
    names = list(frames)
    for others in ({}, {names[0]: frames[names[0]]}, dict(zip(names, reversed(frames.values()), strict=True))):
        assert QuickChecks().booked(ENTERPRISE, rows_of(chain), others.__getitem__) is None
    for name, body in frames.items():
        changed = {**frames, name: body.replace('"sign":1', '"sign":-1')}
        assert changed != frames
        assert QuickChecks().booked(ENTERPRISE, rows_of(chain), changed.__getitem__) is None


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
    if name == "emission":
        grams = draft.emission_g + value
        return replace(draft, emission_g=grams, calculation={**draft.calculation, "emission_g": str(grams)})
    if name == "energy":
        coal = draft.energy_gce + value
        energy = {**draft.calculation.get("energy", {}), "energy_gce": str(coal)}
        return replace(draft, energy_gce=coal, calculation={**draft.calculation, "energy": energy})
    if name == "amount":
        return replace(draft, calculation={**draft.calculation, "amount": value})
    if name == "stated":
        return replace(draft, calculation={**draft.calculation, "emission_g": value})
    return replace(draft, **{name: getattr(draft, name) + value})
