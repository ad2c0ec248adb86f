"""Promises of adding months up: exact to the gram, whatever the months are; means weighted by what they are of."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.model import Quality, SideTotals, SourceLine, Statement
from gateway.carbon.sums import sum_of

GRAMS = st.integers(-(10**12), 10**12)


@st.composite
def lines(draw: st.DrawFn) -> tuple[SourceLine, ...]:
    sources = draw(st.lists(st.sampled_from("abcd"), unique=True))
    return tuple(
        SourceLine(source, "fuel.diesel", 1, "production", draw(GRAMS), "t", draw(GRAMS), draw(GRAMS), "f", "exact")
        for source in sources
    )


@st.composite
def months(draw: st.DrawFn, period: str) -> Statement:
    return month(draw(lines()), period=period, days=draw(st.integers(0, 31)), location_g=draw(GRAMS))


def month(
    by_source: tuple[SourceLine, ...],
    *,
    period: str = "2026-07",
    days: int = 31,
    coverage: float = 1.0,
    location_g: int = 0,
) -> Statement:
    total = sum(line.emission_g for line in by_source)
    return Statement(
        "E", period, days, total, total, sum(line.energy_gce for line in by_source), {1: total}, {"production": total},
        by_source, coverage, 0.0, 0.0, 1, 7, by_location=SideTotals(location_g, location_g, location_g),
    )  # fmt: skip


@given(st.tuples(months("2026-07"), months("2026-08"), months("2026-09")))
def test_every_figure_is_the_exact_sum_and_the_sources_add_up_to_it(parts: tuple[Statement, ...]) -> None:
    whole = sum_of("2026-Q3", parts)
    assert whole.lifecycle_g == sum(part.lifecycle_g for part in parts)
    assert whole.energy_gce == sum(line.energy_gce for line in whole.by_source)
    assert whole.by_scope_g[1] == whole.by_stage_g["production"] == sum(line.emission_g for line in whole.by_source)
    assert whole.by_location is not None
    assert whole.by_location.scope_2_g == sum(part.by_location.scope_2_g for part in parts if part.by_location)
    assert (whole.days, whole.findings_open) == (sum(part.days for part in parts), 3)
    for source in "abcd":
        own = [line.amount_u for part in parts for line in part.by_source if line.source == source]
        assert sum(own) == sum(line.amount_u for line in whole.by_source if line.source == source)


def test_means_are_weighted() -> None:
    def line(grams: int, uncertainty: float) -> SourceLine:
        quality = Quality(1.0, 2.0, uncertainty)
        return SourceLine("a", "fuel.diesel", 1, "production", 1, "t", grams, 0, "f", "exact", quality)

    whole = sum_of("2026", [month((line(300, 2.0),), days=30), month((line(100, 6.0),), days=10, coverage=0.6)])
    assert whole.coverage == (30 + 10 * 0.6) / 40
    (own,) = whole.by_source
    assert own.quality is not None and own.quality.uncertainty_percent == 3.0
    assert whole.quality == own.quality


def test_only_what_every_month_says_is_said_of_the_whole() -> None:
    silent = replace(month(()), notes=("a: silent", "b: silent"))
    assert sum_of("2026", [silent, replace(month(()), notes=("b: silent",))]).notes == ("b: silent",)
