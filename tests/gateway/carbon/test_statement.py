"""Statements are exact sums; missing days lower the coverage and never count as zero silently."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.ledger import Posting, append, diff
from gateway.carbon.model import Draft, Entry, Statement
from gateway.carbon.statement import statement_of
from gateway.registry.model import Enterprise, Feed, Name, Source

ENTERPRISE = Enterprise(
    id="91350500M00000000Y",
    name=Name("示范", "demo"),
    park="p",
    industry="C3071",
    sources=(
        Source("grid-power", "electricity.purchased", 2, "production", (Feed("incomer-1", "energy_import"),)),
        Source("burners", "fuel.natural_gas", 1, "production", (Feed("gas-1", "volume"),)),
        Source("export", "electricity.exported", 2, "production", (Feed("incomer-1", "energy_export"),)),
        Source("lime", "material.lime", 3, "raw_material", records=True, unit="t"),
    ),
)


@pytest.fixture
def entries(make_draft: Any) -> list[Entry]:
    """Two days of power, one of gas, one of export, one of lime."""
    drafts = [
        make_draft("electricity.purchased", 1_000, source="grid-power", day=date(2026, 10, 1)),
        make_draft("electricity.purchased", 2_000, source="grid-power", day=date(2026, 10, 2), estimated_ppm=500_000),
        make_draft("fuel.natural_gas", 100, source="burners", day=date(2026, 10, 1), coverage_ppm=500_000),
        make_draft("electricity.exported", 400, source="export", day=date(2026, 10, 1)),
        make_draft("material.lime", 2, source="lime", day=date(2026, 10, 1)),
    ]
    return append(None, [Posting(draft, "automatic") for draft in drafts], 1_000)


def summed(entries: list[Entry], days: int = 2, enterprise: Enterprise = ENTERPRISE) -> Statement:
    return statement_of(enterprise, "2026-10", entries, days=days, findings_open=3, last_seq=5)


def test_totals_by_hand(entries: list[Entry]) -> None:
    """0.5306 kg/kWh, 2.162188809 kg/Nm3, 0.75 t/t."""
    statement = summed(entries)
    assert statement.by_scope_g == {1: 216_219, 2: 530_600 + 1_061_200 - 212_240, 3: 1_500_000}
    assert statement.compliance_g == 216_219 + 1_379_560
    assert statement.lifecycle_g == statement.compliance_g + 1_500_000
    assert statement.by_stage_g == {
        "raw_material": 1_500_000, "production": 1_595_779, "distribution": 0, "use": 0, "end_of_life": 0,
    }  # fmt: skip
    assert statement.energy_gce == 122_900 * 3 + 133_000 - 49_160
    assert (statement.findings_open, statement.last_seq, statement.days) == (3, 5, 2)


def test_lines_stand_in_the_registrys_order_and_add_up(entries: list[Entry]) -> None:
    statement = summed(entries)
    assert [line.source for line in statement.by_source] == ["grid-power", "burners", "export", "lime"]
    assert sum(line.emission_g for line in statement.by_source) == statement.lifecycle_g
    power = statement.by_source[0]
    assert (power.amount_u, power.unit, power.factor) == (3_000_000_000, "kWh", "grid.national.2023")
    assert power.basis == "older_edition"


def test_coverage_counts_missing_days_of_measured_sources_as_uncovered(entries: list[Entry]) -> None:
    """Power 1 + 1, gas 0.5 + missing, export 1 + missing, of 3 sources × 2 days; lime comes from records."""
    assert summed(entries).coverage == pytest.approx(3.5 / 6)
    assert summed([]).coverage == 0.0
    assert summed([], days=0).coverage == 0.0
    records_only = replace(ENTERPRISE, sources=ENTERPRISE.sources[3:])
    assert summed(entries[4:], enterprise=records_only).coverage == 1.0


def test_shares_are_of_gross_emission(entries: list[Entry]) -> None:
    gross_g = 530_600 + 1_061_200 + 216_219 + 212_240 + 1_500_000
    statement = summed(entries)
    assert statement.estimated_share == pytest.approx(1_061_200 * 0.5 / gross_g)
    assert statement.provisional_share == pytest.approx((530_600 + 1_061_200 + 212_240) / gross_g)
    assert summed([]).estimated_share == 0.0


def test_reversals_make_no_difference_to_a_sum(entries: list[Entry], make_draft: Any) -> None:
    corrected = make_draft("electricity.purchased", 1_500, source="grid-power", day=date(2026, 10, 1))
    whole = entries + append(entries[-1], diff(entries[:1], [corrected], "late-data"), 2_000)
    standing = [*entries[1:], whole[-1]]
    assert summed(whole) == summed(standing)
    assert summed(whole).compliance_g == summed(entries).compliance_g + 265_300


def test_a_source_without_entries_is_named(entries: list[Entry]) -> None:
    assert summed(entries).notes == ()
    assert [note.split(":")[0] for note in summed(entries[:2]).notes] == ["burners", "export", "lime"]


@given(st.lists(st.tuples(st.integers(1, 28), st.integers(-(10**12), 10**12)), max_size=20), st.integers(1, 28))
def test_parts_of_a_period_add_up_to_the_whole(amounts: list[tuple[int, int]], cut: int) -> None:
    drafts = [
        Draft(
            enterprise=ENTERPRISE.id, source="grid-power", day=date(2026, 10, day), activity="electricity.purchased",
            scope=2, stage="production", category=2, amount_u=grams, unit="kWh", factor="f", edition="e",
            basis="exact", gwp="", emission_g=grams, energy_gce=grams, provisional=False, coverage_ppm=1_000_000,
            estimated_ppm=0, digest="", calculation={},
        )
        for day, grams in dict(amounts).items()
    ]  # fmt: skip
    entries = append(None, [Posting(draft, "automatic") for draft in drafts], 0)
    early = [entry for entry in entries if entry.draft.day.day < cut]
    late = [entry for entry in entries if entry.draft.day.day >= cut]
    assert summed(entries).lifecycle_g == summed(early).lifecycle_g + summed(late).lifecycle_g
