"""红橙黄绿: a statement and what was made with it, against a policy. Grey with the reason where data are thin.

What stays true: no colour without output, coverage and a benchmark; the worst metric decides; every figure stands
beside its benchmark and its source; `to_next` is what must be cut at the same output to reach the next better colour
on every metric. Ratios are compared exactly, so a value on a cut has the better colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

from gateway.carbon.benchmarks import MONEY, Amount, Benchmark, MetricName
from gateway.carbon.model import Metric, Rating, Statement
from gateway.carbon.policy import COLOURS, Policy

MICRO = 1_000_000

NAMES: dict[MetricName, tuple[str, str]] = {
    "carbon_intensity": ("碳排放强度", "Carbon intensity"),
    "energy_intensity": ("能耗强度", "Energy intensity"),
}
COLOUR_NAMES = {"green": "绿", "yellow": "黄", "orange": "橙", "red": "红", "grey": "灰"}

AMOUNTS_G: dict[Amount, Callable[[Statement], int]] = {
    "compliance": lambda statement: statement.compliance_g,
    "scope_1": lambda statement: statement.by_scope_g.get(1, 0),
    "energy": lambda statement: statement.energy_gce,
}


@dataclass(frozen=True, slots=True)
class ProductOutput:
    """What was made of one product on the days of the statement."""

    product: str
    unit: str
    amount_u: int | None  # millionths; None = no record


@dataclass(frozen=True, slots=True)
class RatingInput:
    """What a rating needs beside the statement, for the same days."""

    industry: str  # GB/T 4754-2017
    products: tuple[ProductOutput, ...] = ()
    output_value_u: int | None = None  # millionths of 10k_cny; None = no record

    def output(self, per: str) -> Fraction | None:
        """Output in a unit; None where nothing was recorded."""
        if per == MONEY:
            amounts_u = [self.output_value_u]
        else:
            amounts_u = [product.amount_u for product in self.products if product.unit == per]
        known = [amount_u for amount_u in amounts_u if amount_u is not None]
        return Fraction(sum(known), MICRO) if known else None

    def makes(self, per: str) -> bool:
        """Does the enterprise have output in this unit at all?"""
        return per == MONEY or any(product.unit == per for product in self.products)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A metric with its colour and the bounds of the colours: grams per unit of output."""

    metric: Metric
    benchmark: Benchmark
    amount_g: int
    output: Fraction
    bounds_g: tuple[Fraction | None, ...]  # upper bound of green, yellow, orange; None where a level is not defined
    zh: str
    en: str

    def cut_g(self, colour: str) -> int:
        """Grams to cut so that this metric reaches `colour` at the same output; 0 if it is there already."""
        bound = next((b for b in reversed(self.bounds_g[: COLOURS.index(colour) + 1]) if b is not None), Fraction(0))
        return max(0, math.ceil(self.amount_g - bound * self.output))


def rate(statement: Statement, policy: Policy, given: RatingInput) -> Rating:
    """The rating of a statement under a policy."""
    thin = _thin(statement, policy)
    if thin:
        return _grey(statement, policy, thin)
    scored: list[_Scored] = []
    missing: list[tuple[str, str]] = []
    for name in policy.file.metrics:
        result = _score(name, statement, policy, given)
        if isinstance(result, _Scored):
            scored.append(result)
        else:
            missing.append(result)
    if not scored:
        return _grey(statement, policy, missing)
    return _coloured(statement, policy, scored, missing)


def _thin(statement: Statement, policy: Policy) -> list[tuple[str, str]]:
    """Gates that the data do not pass, as (zh, en)."""
    gates = policy.file.gates
    failed = []
    if statement.days < gates.days_min:
        failed.append(
            (
                f"本期仅结束 {statement.days} 天,至少需要 {gates.days_min} 天。",
                f"Only {statement.days} days of the period have ended; {gates.days_min} are needed.",
            )
        )
    if statement.coverage < gates.coverage_min:
        failed.append(
            (
                f"数据覆盖率 {statement.coverage:.1%},低于 {gates.coverage_min:.0%}。",
                f"Readings cover {statement.coverage:.1%} of the period; {gates.coverage_min:.0%} are needed.",
            )
        )
    if statement.estimated_share > gates.estimated_share_max:
        failed.append(
            (
                f"估计数据占 {statement.estimated_share:.1%},高于 {gates.estimated_share_max:.0%}。",
                (
                    f"{statement.estimated_share:.1%} of the emission is estimated; at most "
                    f"{gates.estimated_share_max:.0%} may be."
                ),
            )
        )
    return failed


def _score(name: MetricName, statement: Statement, policy: Policy, given: RatingInput) -> _Scored | tuple[str, str]:
    """A metric against the first benchmark that fits the enterprise's output, or why there is none."""
    zh, en = NAMES[name]
    fitting = [one for one in policy.candidates(name, given.industry) if given.makes(one.per)]
    if not fitting:
        return (
            f"{zh}:政策中没有行业 {given.industry} 的适用基准。",
            f"{en}: the policy has no benchmark for industry {given.industry} and its output.",
        )
    for benchmark in fitting:
        output = given.output(benchmark.per)
        if output is not None and output > 0:
            return _against(benchmark, statement, policy, output)
    units = ", ".join(dict.fromkeys(one.per for one in fitting))
    return (
        f"{zh}:缺少产出数据({units}),请上报活动记录。",
        f"{en}: no output was reported in {units}; send activity records.",
    )


def _against(benchmark: Benchmark, statement: Statement, policy: Policy, output: Fraction) -> _Scored:
    amount_g = AMOUNTS_G[benchmark.amount](statement)
    own_g = Fraction(amount_g) / output
    bounds_g = _bounds_g(benchmark, policy)
    colour = next(
        (colour for colour, bound in zip(COLOURS, bounds_g, strict=False) if bound is not None and own_g <= bound),
        "red",
    )
    reference_g = _reference_g(benchmark, policy)
    metric = Metric(
        metric=benchmark.metric,
        value=float(own_g / 1000),
        unit=benchmark.unit,
        benchmark=float(reference_g / 1000),
        ratio=float(own_g / reference_g),
        colour=colour,
        source=benchmark.source,
    )
    zh, en = NAMES[benchmark.metric]
    what_zh, what_en = ("行业均值", "the industry mean") if benchmark.limit is None else ("限定值", "the limit level")
    demo_zh, demo_en = ("(演示值)", " (a demo value)") if benchmark.demo else ("", "")
    return _Scored(
        metric,
        benchmark,
        amount_g,
        output,
        bounds_g,
        f"{zh} {metric.value:.4g} {metric.unit},为{what_zh}{demo_zh} {metric.benchmark:.4g} 的 {metric.ratio:.2f} 倍:"
        f"{COLOUR_NAMES[colour]}。依据:{benchmark.derived.zh}",
        f"{en} {metric.value:.4g} {metric.unit} is {metric.ratio:.2f} × {what_en}{demo_en} of {metric.benchmark:.4g}: "
        f"{colour}. Basis: {benchmark.derived.en}",
    )


def _bounds_g(benchmark: Benchmark, policy: Policy) -> tuple[Fraction | None, ...]:
    """Upper bounds of green, yellow and orange in grams per unit of output."""
    if benchmark.limit is None:
        mean_g = _reference_g(benchmark, policy)
        cuts = policy.file.cuts
        return tuple(Fraction(cut) * mean_g for cut in (cuts.green, cuts.yellow, cuts.orange))
    levels = policy.limits[benchmark.limit]
    return tuple(
        None if level is None else Fraction(level) * 1000 for level in (levels.level_1, levels.level_2, levels.level_3)
    )


def _reference_g(benchmark: Benchmark, policy: Policy) -> Fraction:
    """What the ratio is taken of: the mean, or the limit (level 3)."""
    if benchmark.mean is not None:
        return Fraction(benchmark.mean) * 1000
    return Fraction(policy.limits[cast(str, benchmark.limit)].level_3) * 1000


def _coloured(
    statement: Statement, policy: Policy, scored: Sequence[_Scored], missing: Sequence[tuple[str, str]]
) -> Rating:
    worst = max((one.metric.colour for one in scored), key=COLOURS.index)
    next_colour = COLOURS[COLOURS.index(worst) - 1] if worst != "green" else None
    cuts: dict[bool, list[int]] = {True: [], False: []}
    if next_colour:
        for one in scored:
            cuts[one.benchmark.amount == "energy"].append(one.cut_g(next_colour))
    return Rating(
        enterprise=statement.enterprise,
        period=statement.period,
        policy=policy.id,
        colour=cast(Literal["green", "yellow", "orange", "red"], worst),
        metrics=tuple(one.metric for one in scored),
        reasons_zh=(*(one.zh for one in scored), *(zh for zh, _ in missing), policy.file.statement.zh),
        reasons_en=(*(one.en for one in scored), *(en for _, en in missing), policy.file.statement.en),
        to_next_colour=next_colour,
        to_next_cut_g=max(cuts[False], default=None),
        to_next_cut_gce=max(cuts[True], default=None),
        official=policy.file.official,
    )


def _grey(statement: Statement, policy: Policy, reasons: Sequence[tuple[str, str]]) -> Rating:
    return Rating(
        enterprise=statement.enterprise,
        period=statement.period,
        policy=policy.id,
        colour="grey",
        metrics=(),
        reasons_zh=(*(zh for zh, _ in reasons), policy.file.statement.zh),
        reasons_en=(*(en for _, en in reasons), policy.file.statement.en),
        to_next_colour=None,
        to_next_cut_g=None,
        official=policy.file.official,
    )
