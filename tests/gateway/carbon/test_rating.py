"""Colours follow the policy file, thin data have none, and the way to the next colour leads there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.comparison import ProductOutput, RatingInput
from gateway.carbon.model import SourceLine, Statement
from gateway.carbon.policy import COLOURS, Policy, load_policies
from gateway.carbon.rating import rate

STATEMENT = Statement(
    enterprise="91350500M00000000Y",
    period="2026-10",
    days=20,
    compliance_g=58_370_000,  # 58.37 t
    lifecycle_g=99_000_000,
    energy_gce=13_520_000,
    by_scope_g={1: 0, 2: 58_370_000, 3: 0},
    by_stage_g={},
    by_source=(),
    coverage=1.0,
    estimated_share=0.0,
    provisional_share=1.0,
    findings_open=0,
    last_seq=1,
)


def steel(tonnes: float | None, value: float | None = None) -> RatingInput:
    amount_u = None if tonnes is None else round(tonnes * 1_000_000)
    value_u = None if value is None else round(value * 1_000_000)
    return RatingInput("C3130", (ProductOutput("plate", "t", amount_u),), value_u)


@cache
def shipped() -> dict[str, Policy]:
    return load_policies(Path(__file__).parents[3] / "config")


@pytest.fixture
def policy() -> Policy:
    return shipped()["four-colour-demo"]


@pytest.mark.parametrize(
    ("tonnes", "colour"),
    [
        (1_250.0, "green"),  # K = 0.8 exactly: on the cut the better colour
        (1_249.9, "yellow"),
        (1_000.0, "yellow"),  # K = 1
        (833.0, "orange"),
        (500.0, "orange"),  # K = 2 exactly
        (499.9, "red"),
    ],
)
def test_colour_by_the_ratio_to_the_mean(policy: Policy, tonnes: float, colour: str) -> None:
    rating = rate(STATEMENT, policy, steel(tonnes))
    assert rating.colour == colour
    assert [metric.colour for metric in rating.metrics] == [colour, colour]
    assert rating.metrics[0].ratio == pytest.approx(1_000 / tonnes)
    assert (rating.metrics[0].unit, rating.metrics[1].unit) == ("kgCO2e/t", "kgce/t")


def test_the_worst_metric_decides(policy: Policy) -> None:
    hungry = replace(STATEMENT, energy_gce=30_000_000)
    rating = rate(hungry, policy, steel(1_250))
    assert [metric.colour for metric in rating.metrics] == ["green", "orange"]
    assert rating.colour == "orange"
    assert rating.to_next_colour == "yellow"
    assert rating.to_next_cut_g == 0
    assert rating.to_next_cut_gce == 30_000_000 - 1_250 * 13_520 * 12 // 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coverage": 0.899}, "89.9%"),
        ({"estimated_share": 0.21}, "21.0%"),
        ({"days": 2}, "2 days"),
    ],
)
def test_thin_data_are_grey_with_the_reason(policy: Policy, change: dict[str, Any], words: str) -> None:
    rating = rate(replace(STATEMENT, **change), policy, steel(1_000))
    assert (rating.colour, rating.metrics, rating.to_next_colour) == ("grey", (), None)
    assert words in rating.reasons_en[0]
    assert len(rating.reasons_zh) == len(rating.reasons_en)


def test_missing_output_is_grey_with_the_reason(policy: Policy) -> None:
    for given_output in (steel(None), steel(0.0)):
        rating = rate(STATEMENT, policy, given_output)
        assert rating.colour == "grey"
        assert "no output was reported in t" in rating.reasons_en[0]
        assert "产出" in rating.reasons_zh[0]


def test_output_value_stands_in_where_the_product_has_no_record(policy: Policy) -> None:
    rating = rate(STATEMENT, policy, steel(None, 366.65))
    assert rating.metrics[0].unit == "kgCO2e/10k_cny"
    assert rating.colour == "yellow"


def test_an_industry_without_benchmark_is_grey(policy: Policy) -> None:
    rating = rate(STATEMENT, policy, RatingInput("A0111", (ProductOutput("rice", "t", 10**9),), 10**9))
    assert rating.colour == "grey"
    assert "no benchmark for industry A0111" in rating.reasons_en[0]


def test_levels_of_a_mandatory_standard_are_used_where_there_is_one(policy: Policy) -> None:
    """GB 21252-2023, 0.2 % < E ≤ 0.5 %: 4.0 / 4.9 / 6.5 kgce/m2."""
    tiles = RatingInput("C3071", (ProductOutput("tile", "m2", 1_000_000_000),))
    expected = {4_000: "green", 4_001: "yellow", 4_900: "yellow", 6_500: "orange", 6_501: "red"}
    for gce_per_m2, colour in expected.items():
        statement = replace(STATEMENT, compliance_g=1, energy_gce=gce_per_m2 * 1_000)
        energy = rate(statement, policy, tiles).metrics[1]
        assert energy.colour == colour
        assert "GB 21252-2023" in energy.source
        assert energy.benchmark == 6.5


def test_power_plants_are_compared_by_direct_emission_only(policy: Policy) -> None:
    plant = replace(STATEMENT, by_scope_g={1: 871_800_000, 2: -500_000_000, 3: 0}, compliance_g=371_800_000)
    rating = rate(plant, policy, RatingInput("D4411", (ProductOutput("electricity", "MWh", 1_000_000_000),)))
    assert [metric.metric for metric in rating.metrics] == ["carbon_intensity"]
    assert rating.metrics[0].value == pytest.approx(871.8)
    assert rating.colour == "yellow"
    assert "公告2025年第47号" in rating.metrics[0].source


def test_a_rating_says_that_it_is_not_official_and_what_is_a_demo_value(policy: Policy) -> None:
    for rating in (rate(STATEMENT, policy, steel(1_000)), rate(STATEMENT, policy, steel(None))):
        assert rating.official is False
        assert "no official local rule" in rating.reasons_en[-1]
        assert "不是任何地方的官方规则" in rating.reasons_zh[-1]
    assert "a demo value" in rate(STATEMENT, policy, steel(1_000)).reasons_en[0]
    assert "assumed 110 kWh" in rate(STATEMENT, policy, steel(1_000)).reasons_en[0]


@given(carbon_g=st.integers(0, 10**10), energy_gce=st.integers(0, 10**10), output_u=st.integers(1, 10**10))
def test_cutting_what_is_asked_reaches_the_next_colour_and_one_gram_less_does_not(
    carbon_g: int, energy_gce: int, output_u: int
) -> None:
    policy = shipped()["four-colour-demo"]
    given_output = RatingInput("C3130", (ProductOutput("plate", "t", output_u),))
    before = replace(STATEMENT, compliance_g=carbon_g, energy_gce=energy_gce)
    rating = rate(before, policy, given_output)
    if rating.to_next_colour is None:
        assert rating.colour == "green"
        return
    assert rating.to_next_cut_g is not None
    assert rating.to_next_cut_gce is not None
    assert COLOURS.index(rating.to_next_colour) == COLOURS.index(rating.colour) - 1
    after = replace(
        before, compliance_g=carbon_g - rating.to_next_cut_g, energy_gce=energy_gce - rating.to_next_cut_gce
    )
    assert COLOURS.index(rate(after, policy, given_output).colour) <= COLOURS.index(rating.to_next_colour)
    if rating.to_next_cut_g > 0:
        almost = replace(after, compliance_g=after.compliance_g + 1)
        assert COLOURS.index(rate(almost, policy, given_output).colour) > COLOURS.index(rating.to_next_colour)


# --- limits by product, weights, influences -------------------------------------------------------------------------


def limits_policy() -> Policy:
    return shipped()["four-colour-limits"]


def product(name: str, tonnes: float | None, *limits: str, **traits: str) -> ProductOutput:
    amount_u = None if tonnes is None else round(tonnes * 1_000_000)
    return ProductOutput(name, "t", amount_u, limits, {trait: Decimal(value) for trait, value in traits.items()})


CEMENT = "gb16780-2021.01"  # 80 / 87 / 94 kgce/t at 75 % clinker


@pytest.mark.parametrize(
    ("ratio", "kgce_per_t", "colour"),
    [
        (None, 80.0, "green"),  # as printed
        (None, 80.001, "yellow"),
        ("75", 87.0, "yellow"),
        ("80", 85.5, "green"),  # level 1: 80 + 5 × 1.10
        ("80", 85.501, "yellow"),
        ("80", 92.75, "yellow"),  # level 2: 87 + 5 × 1.15
        ("80", 100.0, "orange"),  # level 3: 94 + 5 × 1.20
        ("80", 100.001, "red"),
        ("70", 74.5, "green"),  # below the base it is taken off
        ("70", 74.501, "yellow"),
    ],
)
def test_gb_16780_levels_are_adjusted_by_the_clinker_ratio(ratio: str | None, kgce_per_t: float, colour: str) -> None:
    traits = {} if ratio is None else {"clinker_ratio_percent": ratio}
    statement = replace(STATEMENT, energy_gce=round(kgce_per_t * 1_000_000))
    rating = rate(statement, limits_policy(), RatingInput("C3011", (product("cement", 1_000, CEMENT, **traits),)))
    assert rating.colour == colour
    assert ("is not registered: 75 is taken" in rating.reasons_en[0]) == (ratio is None)


def test_several_products_may_use_the_sum_of_what_each_may() -> None:
    """1,000 t of cement at 94 and 500 t of clinker at 117 kgce/t: 152.5 t of standard coal is the limit."""
    made = RatingInput("C3011", (product("cement", 1_000, CEMENT), product("clinker", 500, "gb16780-2021.02")))
    rating = rate(replace(STATEMENT, energy_gce=152_500_000), limits_policy(), made)
    assert (rating.colour, rating.metrics[0].ratio) == ("orange", 1.0)
    assert rating.to_next_cut_gce == 152_500_000 - (1_000 * 87_000 + 500 * 107_000)
    assert rate(replace(STATEMENT, energy_gce=152_500_001), limits_policy(), made).colour == "red"


def test_energy_of_a_product_without_a_level_cannot_be_judged() -> None:
    made = RatingInput("C2611", (product("acid", 1_000), product("ammonia", 500, "gb21344-2023.01")))
    rating = rate(STATEMENT, limits_policy(), made)
    assert rating.colour == "grey"
    nothing = rate(STATEMENT, limits_policy(), RatingInput("C2611", (product("acid", 1_000),)))
    assert "no benchmark for industry C2611" in nothing.reasons_en[0]


def test_a_limit_that_is_a_gain_of_energy_is_compared_without_a_ratio() -> None:
    """GB 21256-2025, converters: −30 / −28 / −12 kgce/t."""
    made = RatingInput("C3120", (product("steel", 1_000, "gb21256-2025.04"),))
    rating = rate(replace(STATEMENT, energy_gce=-29_000_000), limits_policy(), made)
    assert (rating.colour, rating.metrics[0].ratio, rating.to_next_cut_gce) == ("yellow", None, 1_000_000)


def test_output_that_was_not_reported_hides_no_worse_metric() -> None:
    """Carbon is compared per tonne, energy per added value: without the latter there is no colour."""
    policy = shipped()["four-colour-demo"]
    carbon = [one for one in policy.benchmarks if one.metric == "carbon_intensity"]
    energy = replace(
        next(one for one in policy.benchmarks if one.id == "manufacturing-energy"), metric="energy_per_added_value"
    )
    file = replace(policy.file, metrics=("carbon_intensity", "energy_per_added_value"))
    own = replace(policy, file=file, benchmarks=(*carbon, energy))
    assert rate(STATEMENT, own, steel(1_250)).colour == "grey"
    skipping = replace(own, file=replace(file, gates=replace(file.gates, without_output="skip")))
    assert rate(STATEMENT, skipping, steel(1_250)).colour == "green"
    rated = rate(STATEMENT, own, replace(steel(1_250), added_value_u=200_000_000))
    assert (rated.colour, rated.metrics[1].metric) == ("orange", "energy_per_added_value")


def test_provisional_factors_can_be_gated() -> None:
    policy = shipped()["four-colour-demo"]
    strict = replace(policy, file=replace(policy.file, gates=replace(policy.file.gates, provisional_share_max=0.5)))
    rating = rate(STATEMENT, strict, steel(1_000))
    assert rating.colour == "grey"
    assert "100.0% of the emission has a provisional factor" in rating.reasons_en[0]


def weighted(carbon: str, energy: str) -> Policy:
    policy = shipped()["four-colour-demo"]
    weights = {"carbon_intensity": Decimal(carbon), "energy_intensity": Decimal(energy)}
    return replace(policy, file=replace(policy.file, combination="weighted", weights=weights))


@pytest.mark.parametrize(
    ("energy_gce", "carbon", "energy", "colour"),
    [
        (13_520_000, "1", "1", "green"),  # both green
        (50_000_000, "3", "1", "yellow"),  # green, red: 0.75
        (50_000_000, "1", "1", "orange"),  # 1.5 goes to the worse side
        (50_000_000, "1", "9", "red"),
    ],
)
def test_weights_place_the_colour_between_the_metrics(energy_gce: int, carbon: str, energy: str, colour: str) -> None:
    rating = rate(replace(STATEMENT, energy_gce=energy_gce), weighted(carbon, energy), steel(1_250))
    assert rating.colour == colour
    if colour != "green":
        assert any(reason.startswith("Weighted (carbon intensity") for reason in rating.reasons_en)


@given(
    carbon_g=st.integers(1, 10**9),
    energy_gce=st.integers(1, 10**9),
    weights=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_the_way_to_the_next_colour_leads_there_under_weights_too(
    carbon_g: int, energy_gce: int, weights: tuple[int, int]
) -> None:
    policy = weighted(str(weights[0]), str(weights[1]))
    before = replace(STATEMENT, compliance_g=carbon_g, energy_gce=energy_gce)
    rating = rate(before, policy, steel(1_000))
    if rating.to_next_colour is None:
        assert rating.colour == "green"
        return
    assert rating.to_next_cut_g is not None
    assert rating.to_next_cut_gce is not None
    after = replace(
        before, compliance_g=carbon_g - rating.to_next_cut_g, energy_gce=energy_gce - rating.to_next_cut_gce
    )
    assert rate(after, policy, steel(1_000)).colour == rating.to_next_colour
    assert COLOURS.index(rating.to_next_colour) < COLOURS.index(rating.colour)


def line(source: str, activity: str, scope: int, emission_g: int, energy_gce: int) -> SourceLine:
    return SourceLine(
        source=source,
        activity=activity,
        scope=scope,
        stage="production",
        amount_u=10**6,
        unit="kWh",
        emission_g=emission_g,
        energy_gce=energy_gce,
        factor="f",
        basis="exact",
    )


def test_the_sources_that_move_the_colour_are_named_with_what_would_be_enough(policy: Policy) -> None:
    sources = (
        line("grid", "electricity.purchased", 2, 80_000_000, 9_000_000),
        line("burner", "fuel.natural_gas", 1, 37_000_000, 4_520_000),
        line("export", "electricity.exported", 2, -3_000_000, 0),
        line("freight", "freight.road", 3, 50_000_000, 0),
    )
    statement = replace(STATEMENT, compliance_g=114_000_000, by_source=sources)
    rating = rate(statement, policy, steel(1_000))  # K = 1.953: orange; yellow is 1.2 × 58.37 = 70.044 t
    assert (rating.colour, rating.to_next_cut_g) == ("orange", 114_000_000 - 70_044_000)
    assert rating.to_next_cut_share == pytest.approx(43_956 / 114_000)
    assert [(own.source, own.metric) for own in rating.influences] == [
        ("grid", "carbon_intensity"),
        ("burner", "carbon_intensity"),
        ("export", "carbon_intensity"),
    ]
    grid, burner, export = rating.influences
    assert grid.alone_cut_share == pytest.approx(43_956 / 80_000)
    assert burner.alone_cut_share is None, "all of the burner would not be enough"
    assert (round(export.share, 4), export.alone_cut_share) == (round(-3 / 114, 4), None)


def test_the_combined_preset_takes_energy_by_level_and_carbon_by_mean() -> None:
    tiles = RatingInput("C3071", (ProductOutput("tile", "m2", 1_000_000_000, ("gb21252-2023.01",)),))
    statement = replace(STATEMENT, compliance_g=7_000_000, energy_gce=5_600_000)  # 5.6 kgce/m2: level 3 of class 1
    rating = rate(statement, shipped()["four-colour-energy-carbon"], tiles)
    assert [(one.metric, one.colour) for one in rating.metrics] == [
        ("energy_intensity", "orange"),
        ("carbon_intensity", "yellow"),
    ]
    assert rating.colour == "orange"
    assert "The worst metric decides: orange." in rating.reasons_en
