"""The ledger only grows, balances, and shows the first place where it was touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.carbon.ledger import FRAMED, NO_HASH, Posting, append, diff, hash_of, reversal_of, verify_chain
from gateway.carbon.model import Draft, Entry

DAY = date(2026, 10, 5)


def chain_of(drafts: list[Draft]) -> list[Entry]:
    return append(None, [Posting(draft, "automatic") for draft in drafts], 1_000)


@pytest.fixture
def drafts(make_draft: Any) -> list[Draft]:
    return [make_draft("electricity.purchased", 100 + day, day=date(2026, 10, day)) for day in range(1, 6)]


@pytest.fixture
def chain(drafts: list[Draft]) -> list[Entry]:
    """Five days, of which the third was corrected."""
    entries = chain_of(drafts)
    corrected = replace(drafts[2], amount_u=drafts[2].amount_u, digest="e" * 64)
    return entries + append(entries[-1], diff(entries[2:3], [corrected], "late-data"), 2_000)


def test_posting_what_stands_posts_nothing(drafts: list[Draft]) -> None:
    assert diff(chain_of(drafts), drafts, "automatic") == []


def test_first_postings_are_automatic_whatever_made_them_due(drafts: list[Draft]) -> None:
    postings = diff([], drafts[::-1], "late-data")
    assert [posting.draft for posting in postings] == drafts
    assert {posting.reason for posting in postings} == {"automatic"}


def test_a_change_is_a_reversal_and_a_new_entry(make_draft: Any) -> None:
    old, new = make_draft("electricity.purchased", 100), make_draft("electricity.purchased", 120)
    (entry,) = chain_of([old])
    taken_back, booked = diff([entry], [new], {("electricity-purchased", DAY): "late-data"})
    assert (taken_back.reverses, taken_back.reason, taken_back.draft.amount_u) == (1, "late-data", -old.amount_u)
    assert (booked.reverses, booked.reason, booked.draft) == (None, "late-data", new)
    entries = [entry, *append(entry, [taken_back, booked], 2_000)]
    assert sum(one.draft.emission_g for one in entries) == new.emission_g
    assert verify_chain(entries) is None


def test_a_change_of_factor_alone_says_so(make_draft: Any) -> None:
    old = make_draft("electricity.purchased", 100)
    (entry,) = chain_of([old])
    restated = replace(old, factor="grid.national.2026", provisional=False)
    assert {posting.reason for posting in diff([entry], [restated], "automatic")} == {"restated-factor"}
    late = replace(old, amount_u=old.amount_u + 1)
    assert {posting.reason for posting in diff([entry], [late], "automatic")} == {"late-data"}


def test_what_should_no_longer_stand_is_taken_back(make_draft: Any) -> None:
    (entry,) = chain_of([make_draft("electricity.purchased", 100)])
    (posting,) = diff([entry], [], "operator")
    assert posting == Posting(reversal_of(entry.draft), "operator", 1)


def test_restating_and_restating_back_gives_the_original_total(make_draft: Any) -> None:
    first, other = make_draft("electricity.purchased", 100), make_draft("electricity.purchased", 90)
    entries = chain_of([first])
    for wanted in (other, first):
        standing = [one for one in entries if one.reverses is None and one.seq not in {e.reverses for e in entries}]
        entries += append(entries[-1], diff(standing, [wanted], "operator"), 2_000)
    assert sum(entry.draft.emission_g for entry in entries) == first.emission_g
    assert sum(entry.draft.amount_u for entry in entries) == first.amount_u
    assert verify_chain(entries) is None


def test_two_drafts_of_one_day_are_a_programmers_error(drafts: list[Draft]) -> None:
    with pytest.raises(ValueError, match="two drafts"):
        diff([], [drafts[0], drafts[0]], "automatic")


def test_a_chain_begins_with_zeros_and_numbers_without_gaps(chain: list[Entry]) -> None:
    assert chain[0].previous_hash == NO_HASH
    assert [entry.seq for entry in chain] == list(range(1, 8))
    assert [entry.previous_hash for entry in chain[1:]] == [entry.hash for entry in chain[:-1]]
    assert verify_chain(chain) is None


def test_the_hash_of_a_known_entry_never_changes() -> None:
    """Old entries must keep verifying: if this fails, raise FORMAT and keep the old form beside the new one."""
    draft = Draft(
        enterprise="91350500M00000000Y",
        source="grid-power",
        day=DAY,
        activity="electricity.purchased",
        scope=2,
        stage="production",
        category=2,
        amount_u=100_000_000,
        unit="kWh",
        factor="grid.national.2023",
        edition="mee-nbs-grid-2023",
        basis="older_edition",
        gwp="",
        emission_g=53_060,
        energy_gce=12_290,
        provisional=True,
        coverage_ppm=1_000_000,
        estimated_ppm=0,
        digest="d" * 64,
        calculation={"amount": "100", "unit": "kWh", "note": "碳"},
    )
    entry = Entry(draft, 1, "automatic", None, 1_700_000_000_000, NO_HASH, "")
    assert hash_of(entry) == "6866dc23686d3ad24a41c3cd5d7cece9c69f2a042fdf2abf4efb967d2ea73abd"


def test_another_enterprises_entry_cannot_follow(chain: list[Entry], make_draft: Any) -> None:
    foreign = make_draft("electricity.purchased", enterprise="91350500M000000111")
    with pytest.raises(ValueError, match="cannot be booked"):
        append(chain[-1], [Posting(foreign, "automatic")], 3_000)


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize(
    "change",
    [
        {"emission_g": 1},
        {"amount_u": 7},
        {"factor": "grid.national.2022"},
        {"day": date(2026, 10, 30)},
        {"digest": "f" * 64},
        {"coverage_ppm": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_changed_field_is_found_at_its_entry(chain: list[Entry], place: int, change: dict[str, Any]) -> None:
    spoiled = list(chain)
    spoiled[place] = replace(chain[place], draft=replace(chain[place].draft, **change))
    found = verify_chain(spoiled)
    assert found is not None
    assert found.entry == chain[place].id
    assert "changed after booking" in found.en


def test_a_rehashed_forgery_is_found_by_its_figures_or_at_the_next_entry(chain: list[Entry]) -> None:
    draft = chain[1].draft
    forged = replace(chain[1], draft=replace(draft, emission_g=1, calculation={**draft.calculation, "emission_g": "1"}))
    assert forged.format == FRAMED
    forged = replace(forged, hash=hash_of(forged))
    found = verify_chain([chain[0], forged, *chain[2:]])
    assert found is not None
    assert (found.seq, "calculation" in found.en) == (2, True)
    moved = replace(chain[1], booked_at_ms=5)
    moved = replace(moved, hash=hash_of(moved))
    found = verify_chain([chain[0], moved, *chain[2:]])
    assert found is not None
    assert (found.seq, "does not follow" in found.en) == (3, True)


def test_a_missing_entry_is_found(chain: list[Entry]) -> None:
    found = verify_chain(chain[:2] + chain[3:])
    assert found is not None
    assert (found.seq, "missing" in found.en) == (4, True)


def test_a_reversal_must_take_back_exactly_one_earlier_entry(chain: list[Entry], drafts: list[Draft]) -> None:
    twice = chain + append(chain[-1], [Posting(reversal_of(drafts[2]), "operator", 3)], 3_000)
    wrong = chain + append(chain[-1], [Posting(reversal_of(drafts[0]), "operator", 2)], 3_000)
    for entries in (twice, wrong):
        found = verify_chain(entries)
        assert found is not None
        assert found.seq == 8
        assert "takes back" in found.en


def test_an_empty_chain_is_whole() -> None:
    assert verify_chain([]) is None
