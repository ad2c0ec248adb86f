"""Colours follow the policy file, thin data have none, and the way to the next colour leads there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import ConfigurationError
from gateway.carbon.comparison import ProductOutput, RatingInput
from gateway.carbon.model import Statement
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


# --- the files ------------------------------------------------------------------------------------------------------


def test_every_benchmark_without_an_official_source_says_so(policy: Policy) -> None:
    assert len(policy.benchmarks) > 10
    for benchmark in policy.benchmarks:
        assert benchmark.derived.zh
        assert benchmark.derived.en
        assert benchmark.demo == benchmark.source.startswith("demo value")
        assert benchmark.demo or benchmark.limit or "公告" in benchmark.source
    assert len(policy.limits) > 150


def written(tmp_path: Path, policy: str, benchmarks: str) -> Path:
    (tmp_path / "rating_policies").mkdir()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "rating_policies" / "mine.yaml").write_text(policy)
    (tmp_path / "benchmarks" / "means.yaml").write_text(benchmarks)
    return tmp_path


def test_a_wrong_policy_is_refused_with_every_problem(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        """\
policy: mine
title: {zh: 我的, en: mine}
official: maybe
statement: {zh: 无, en: none}
cuts: {green: 1.2, yellow: 0.8, orange: 2}
cuts_source: nowhere
gates: {coverage_min: 9, estimated_share_max: 0.2, days_min: 3}
metrics: [beauty]
benchmarks: [means, elsewhere]
""",
        "edition: means\ntitle: {zh: 均值, en: means}\nsource: me\n",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    message = str(caught.value)
    for words in ("official", "cuts must grow", "shares from 0 to 1", "metrics[0]"):
        assert words in message


def test_a_benchmark_must_name_a_limit_of_its_unit(tmp_path: Path) -> None:
    row = "metric: energy_intensity, amount: energy, industries: [C], source: s, derived: {zh: 甲, en: a}"
    config = written(
        tmp_path,
        "policy: mine\n",
        f"""\
edition: means
title: {{zh: 均值, en: means}}
source: me
limits:
- {{id: l, standard: GB 1, product: 甲, unit: kgce/t, level_3: 5}}
benchmarks:
- {{id: a, per: t, limit: nothing, {row}}}
- {{id: b, per: m2, limit: l, {row}}}
- {{id: c, per: t, limit: l, mean: 3, {row}}}
""",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    assert "exactly one of mean and limit" in str(caught.value)
    (config / "benchmarks" / "means.yaml").write_text(
        (config / "benchmarks" / "means.yaml").read_text().split("- {id: c")[0]
    )
    with pytest.raises(ConfigurationError) as caught:
        load_policies(config)
    assert "nothing is no limit" in str(caught.value)
    assert "is given in kgce/t" in str(caught.value)
