"""Scores follow from what entries say of themselves; uncertainty propagates as the IPCC guidelines have it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.model import Basis, Draft, Quality
from gateway.carbon.quality import (
    ACTIVITY,
    BASES,
    FACTOR,
    Part,
    activity_score,
    is_by_record,
    quality_of,
    quality_of_entry,
    quality_of_source,
)
from gateway.registry.model import Enterprise, Feed, Name, Source


def draft(
    emission_g: int = 1_000, basis: str = "exact", coverage_ppm: int = 1_000_000, estimated_ppm: int = 0
) -> Draft:
    return Draft(
        "91350500M00000000L", "grid", date(2026, 10, 5), "electricity.purchased", 2, "production", 2, 1, "kWh", "f",
        "e", basis, "ar5", emission_g, 0, False, coverage_ppm, estimated_ppm, "d", {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("coverage_ppm", "estimated_ppm", "by_record", "score"),
    [
        (1_000_000, 0, False, 1),
        (900_000, 0, False, 1),
        (899_999, 0, False, 2),
        (1_000_000, 1, False, 2),
        (1_000_000, 200_001, False, 4),
        (1_000_000, 0, True, 3),
    ],
)
def test_activity_score_by_how_the_amount_came_about(
    coverage_ppm: int, estimated_ppm: int, by_record: bool, score: int
) -> None:
    given_draft = draft(coverage_ppm=coverage_ppm, estimated_ppm=estimated_ppm)
    assert activity_score(given_draft, by_record=by_record) == score


def test_every_basis_has_a_score() -> None:
    assert BASES.keys() == set(get_args(Basis))


def test_ipcc_2006_equation_3_1_for_a_product_of_activity_and_factor() -> None:
    """Measured continuously (2 %) × published for the year (5 %): √(2² + 5²)."""
    quality = quality_of_source([draft(), draft()], by_record=False)
    assert quality == Quality(1.0, 2.0, math.hypot(2, 5))


def test_ipcc_2006_equation_3_2_for_a_sum_of_independent_sources() -> None:
    """100 kg ± 3 % and 200 kg ± 4 %: √(3² + 8²) kg of 300 kg; an export is taken off, its uncertainty is not."""
    parts = [Part(100_000, Quality(1, 1, 3.0)), Part(200_000, Quality(2, 2, 4.0))]
    whole = quality_of(parts)
    assert whole is not None
    assert whole.uncertainty_percent == pytest.approx(100 * math.hypot(3, 8) / 300)
    assert whole.activity_score == pytest.approx(5 / 3)
    export = quality_of([*parts, Part(-100_000, Quality(1, 1, 3.0))])
    assert export is not None
    assert export.uncertainty_percent == pytest.approx(100 * math.hypot(3, 8, 3) / 200)


def test_nothing_emitted_has_no_quality() -> None:
    assert quality_of([]) is None
    assert quality_of([Part(0, Quality(1, 1, 3.0))]) is None


@given(st.lists(st.tuples(st.integers(1, 10**9), st.floats(0.1, 50)), min_size=1, max_size=6))
def test_a_sum_is_never_less_certain_than_its_worst_source(parts: list[tuple[int, float]]) -> None:
    whole = quality_of([Part(grams, Quality(1, 1, percent)) for grams, percent in parts])
    assert whole is not None
    assert whole.uncertainty_percent <= max(percent for _, percent in parts) * (1 + 1e-9)


def test_each_score_of_an_entry_stands_for_its_percent() -> None:
    quality = quality_of_entry(draft(basis="default", estimated_ppm=1), by_record=False)
    assert quality == Quality(2, 4, math.hypot(ACTIVITY[2].percent, FACTOR[4].percent))
    assert quality_of_source([draft(basis="default", estimated_ppm=1)], by_record=False) == quality


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.sampled_from(sorted(BASES)), st.integers(0, 1_000_000)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 4),
)
def test_scores_of_an_account_are_those_of_its_entries_weighted_by_emission(
    entries: list[tuple[int, str, int]], sources: int
) -> None:
    """However the entries fall to sources, one of which is exported: the same mean over all of them."""
    drafts = [draft(grams, basis, estimated_ppm=estimated) for grams, basis, estimated in entries]
    by_source = [drafts[place::sources] for place in range(sources) if drafts[place::sources]]
    signs = [-1 if place else 1 for place in range(len(by_source))]
    account = quality_of(
        Part(sign * sum(one.emission_g for one in own), quality_of_source(own, by_record=False))
        for sign, own in zip(signs, by_source, strict=True)
    )
    total_g = sum(one.emission_g for one in drafts)
    if account is None:
        assert sum(sign * sum(one.emission_g for one in own) for sign, own in zip(signs, by_source, strict=True)) == 0
        return
    own = [quality_of_entry(one, by_record=False) for one in drafts]
    for name in ("activity_score", "factor_score"):
        mean = sum(getattr(q, name) * one.emission_g for q, one in zip(own, drafts, strict=True)) / total_g
        assert getattr(account, name) == pytest.approx(mean)


def test_a_record_is_behind_an_entry_by_its_source_or_by_its_kind() -> None:
    metered = Source("grid", "electricity.purchased", 2, "production", feeds=(Feed("m", "energy_import"),))
    enterprise = Enterprise("91350500M00000000L", Name("a", "a"), "p", "C3071", sources=(metered,))
    by_bill = replace(enterprise, sources=(replace(metered, feeds=(), records=True),))
    assert not is_by_record(draft(), enterprise)
    assert is_by_record(draft(), by_bill)
    no_longer_registered = replace(draft(), source="refrigerant", activity="gas.hfc_32")
    assert is_by_record(no_longer_registered, enterprise)
