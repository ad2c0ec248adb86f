"""One metric of a rating: an amount of the account against what is allowed at the enterprise's output.

What stays true: everything is compared as `amount ≤ allowance`, in whole thousandths of the amount's unit (g, Wh)
against exact fractions; so a value on a bound has the better colour, and nothing is rounded before it is judged. A
metric without benchmark or without output is not made up: it is missing, with the reason.

The allowance of several products is the sum of each one's level times its output: an energy-limit standard judges each
product, an account knows only the plant's sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from gateway.carbon.benchmarks import MONEY, NUMERATORS, OF_PRODUCT, Amount, Benchmark, LimitLevels, MetricName
from gateway.carbon.model import Metric, SourceLine, Statement
from gateway.carbon.policy import COLOURS, Policy
from gateway.carbon.statement import counts
from gateway.registry.model import Method

MICRO = 1_000_000

UNIT_NAMES = {MONEY: "万元", "piece": "件"}  # in Chinese; others are written as they are
ENGLISH_UNIT_NAMES = {MONEY: "10,000 yuan", "piece": "pieces"}
COLOUR_NAMES = {"green": "绿", "yellow": "黄", "orange": "橙", "red": "红", "grey": "灰"}


@dataclass(frozen=True, slots=True)
class MetricKind:
    """What a metric is called, and which money it is measured per where its benchmark is per 10k_cny."""

    zh: str
    en: str
    money: Literal["output_value", "added_value"] = "output_value"


METRICS: Mapping[MetricName, MetricKind] = {
    "carbon_intensity": MetricKind("碳排放强度", "Carbon intensity"),
    "energy_intensity": MetricKind("能耗强度", "Energy intensity"),
    "electricity_intensity": MetricKind("电耗强度", "Electricity intensity"),
    "carbon_per_output_value": MetricKind("单位产值碳排放", "Carbon per output value"),
    "energy_per_output_value": MetricKind("单位产值能耗", "Energy per output value"),
    "carbon_per_added_value": MetricKind("单位工业增加值碳排放", "Carbon per added value", "added_value"),
    "energy_per_added_value": MetricKind("单位工业增加值能耗", "Energy per added value", "added_value"),
}


def _electricity_wh(line: SourceLine) -> int:
    """Electricity used: exported is taken off."""
    if line.unit != "kWh" or not line.activity.startswith("electricity."):
        return 0
    return (-line.amount_u if line.activity == "electricity.exported" else line.amount_u) // 1000


def _compliance_g(statement: Statement, line: SourceLine) -> int:
    groups = (statement.method or Method()).compliance
    return line.emission_g if counts(line.activity, line.scope, groups) else 0


@dataclass(frozen=True, slots=True)
class AmountKind:
    """An amount of an account, in thousandths of its unit, and what one source brings to it."""

    total_m: Callable[[Statement], int]
    of_line_m: Callable[[Statement, SourceLine], int]


AMOUNTS: Mapping[Amount, AmountKind] = {
    "compliance": AmountKind(lambda statement: statement.compliance_g, _compliance_g),
    "scope_1": AmountKind(
        lambda statement: statement.by_scope_g.get(1, 0), lambda _, line: line.emission_g if line.scope == 1 else 0
    ),
    "energy": AmountKind(lambda statement: statement.energy_gce, lambda _, line: line.energy_gce),
    "electricity": AmountKind(
        lambda statement: sum(_electricity_wh(line) for line in statement.by_source),
        lambda _, line: _electricity_wh(line),
    ),
}


@dataclass(frozen=True, slots=True)
class ProductOutput:
    """What was made of one product on the days of the statement, and how a standard classes it."""

    product: str
    unit: str
    amount_u: int | None  # millionths; None = no record
    limits: tuple[str, ...] = ()  # ids of the limit levels that apply to it
    traits: Mapping[str, Decimal] = field(default_factory=dict)  # such as clinker_ratio_percent

    @property
    def made(self) -> Fraction:
        return Fraction(self.amount_u or 0, MICRO)


@dataclass(frozen=True, slots=True)
class RatingInput:
    """What a rating needs beside the statement, for the same days."""

    industry: str  # GB/T 4754-2017
    products: tuple[ProductOutput, ...] = ()
    output_value_u: int | None = None  # millionths of 10k_cny; None = no record
    added_value_u: int | None = None

    def money_u(self, which: Literal["output_value", "added_value"]) -> int | None:
        return self.output_value_u if which == "output_value" else self.added_value_u

    def of_unit(self, per: str) -> list[ProductOutput]:
        return [product for product in self.products if product.unit == per]


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a metric could not be made."""

    why: Literal["no_benchmark", "no_output"]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric with its colour and how much each colour allows at the same output."""

    metric: Metric
    amount: Amount
    amount_m: int  # thousandths: g or Wh
    bounds_m: tuple[Fraction | None, ...]  # up to which green, yellow and orange go; None where a level is not defined
    zh: str
    en: str

    def cut_m(self, colour: str) -> int:
        """Thousandths to cut so that this metric reaches `colour`; 0 if it is there already."""
        reached = [bound for bound in self.bounds_m[: COLOURS.index(colour) + 1] if bound is not None]
        return max(0, math.ceil(self.amount_m - (reached[-1] if reached else Fraction(0))))


@dataclass(frozen=True, slots=True)
class _Reference:
    """What is allowed at an output."""

    bounds_m: tuple[Fraction | None, ...]
    reference_m: Fraction  # what the ratio is taken of: the mean, or the limit (level 3)
    output: Fraction
    unit: str
    notes: tuple[tuple[str, str], ...] = ()


def compare(name: MetricName, statement: Statement, policy: Policy, given: RatingInput) -> Comparison | Missing:
    """A metric against the first benchmark that fits what the enterprise makes, or why there is none."""
    kind = METRICS[name]
    fitting = [one for one in policy.candidates(name, given.industry) if _applies(one, policy, given)]
    if not fitting:
        return Missing(
            "no_benchmark",
            f"{kind.zh}：政策中没有行业 {given.industry} 及其产品的适用基准。",
            f"{kind.en}: the policy has no benchmark for industry {given.industry} and its output.",
        )
    for benchmark in fitting:
        unjudged = _unjudged(benchmark, policy, given)
        if unjudged:
            return Missing(
                "no_benchmark",
                f"{kind.zh}：产品 {unjudged} 未登记限额等级，能耗无法分别评价。",
                f"{kind.en}: {unjudged} has no registered limit level, so the plant's sum cannot be judged.",
            )
        reference = _reference(benchmark, policy, given)
        if reference is not None:
            return _compared(benchmark, statement, reference)
    units = list(dict.fromkeys(unit for one in fitting for unit in _units(one, policy, given)))
    return Missing(
        "no_output",
        f"{kind.zh}：缺少产出数据（{'、'.join(UNIT_NAMES.get(unit, unit) for unit in units)}），请上报活动记录。",
        f"{kind.en}: no output was reported in {' or '.join(ENGLISH_UNIT_NAMES.get(unit, unit) for unit in units)}; "
        "send activity records.",
    )


def _applies(benchmark: Benchmark, policy: Policy, given: RatingInput) -> bool:
    """Does the enterprise have output that this benchmark is for?"""
    if benchmark.limit == OF_PRODUCT:
        return bool(_limited(benchmark, policy, given))
    return benchmark.per == MONEY or bool(given.of_unit(benchmark.per))


def _units(benchmark: Benchmark, policy: Policy, given: RatingInput) -> list[str]:
    if benchmark.limit == OF_PRODUCT:
        return [product.unit for product, _ in _limited(benchmark, policy, given)]
    return [benchmark.per]


def _limited(benchmark: Benchmark, policy: Policy, given: RatingInput) -> list[tuple[ProductOutput, LimitLevels]]:
    """Products whose own registered level is one of this benchmark's kind, each with that level."""
    numerator = NUMERATORS[benchmark.amount]
    return [
        (product, policy.limits[limit])
        for product in given.products
        for limit in product.limits
        if limit in policy.limits and policy.limits[limit].unit == f"{numerator}/{product.unit}"
    ]


def _unjudged(benchmark: Benchmark, policy: Policy, given: RatingInput) -> str:
    """Products that were made and have no level of their own where others have one; the sum holds their energy too."""
    if benchmark.limit != OF_PRODUCT:
        return ""
    judged = {product.product for product, _ in _limited(benchmark, policy, given)}
    return ", ".join(own.product for own in given.products if own.made > 0 and own.product not in judged)


def _reference(benchmark: Benchmark, policy: Policy, given: RatingInput) -> _Reference | None:
    """What is allowed at the reported output; None if there is no output."""
    if benchmark.mean is not None:
        return _of_mean(benchmark, policy, given)
    if benchmark.limit == OF_PRODUCT:
        return _of_levels(_limited(benchmark, policy, given))
    level = policy.limits[str(benchmark.limit)]
    return _of_levels([(product, level) for product in given.of_unit(benchmark.per)])


def _of_mean(benchmark: Benchmark, policy: Policy, given: RatingInput) -> _Reference | None:
    if benchmark.per == MONEY:
        output = Fraction(given.money_u(METRICS[benchmark.metric].money) or 0, MICRO)
    else:
        output = sum((product.made for product in given.of_unit(benchmark.per)), Fraction(0))
    if output <= 0:
        return None
    mean_m = Fraction(benchmark.mean or 0) * 1000 * output
    cuts = policy.file.cuts
    bounds = tuple(Fraction(cut) * mean_m for cut in (cuts.green, cuts.yellow, cuts.orange))
    return _Reference(bounds, mean_m, output, benchmark.unit)


def _of_levels(pairs: Sequence[tuple[ProductOutput, LimitLevels]]) -> _Reference | None:
    """Levels times outputs, summed; adjusted by each product's traits."""
    made = [(product, levels) for product, levels in pairs if product.made > 0]
    if not made:
        return None
    bounds = tuple(
        _total_m((levels.level(index, product.traits), product.made) for product, levels in made) for index in range(3)
    )
    reference_m = bounds[2]
    assert reference_m is not None, "every row has a level 3"
    units = {levels.unit for _, levels in made}
    notes = tuple(note for product, levels in made for note in levels.notes(product.traits))
    if len(units) == 1:
        output = sum((product.made for product, _ in made), Fraction(0))
        return _Reference(bounds, reference_m, output, units.pop(), notes)
    # Outputs of different units cannot be added; what is allowed can.
    numerator = made[0][1].unit.partition("/")[0]
    return _Reference(bounds, reference_m, abs(reference_m) / 1000, f"{numerator}/{numerator} allowed", notes)


def _total_m(terms: Iterable[tuple[Decimal | None, Fraction]]) -> Fraction | None:
    total = Fraction(0)
    for level, output in terms:
        if level is None:
            return None
        total += Fraction(level) * 1000 * output
    return total


def _compared(benchmark: Benchmark, statement: Statement, reference: _Reference) -> Comparison:
    amount_m = AMOUNTS[benchmark.amount].total_m(statement)
    colour = next(
        (
            colour
            for colour, bound in zip(COLOURS, reference.bounds_m, strict=False)
            if bound is not None and amount_m <= bound
        ),
        COLOURS[-1],
    )
    metric = Metric(
        metric=benchmark.metric,
        value=float(amount_m / reference.output / 1000),
        unit=reference.unit,
        benchmark=float(reference.reference_m / reference.output / 1000),
        # Where a standard's limit is a gain of energy, as for converters, a ratio would say nothing.
        ratio=float(amount_m / reference.reference_m) if reference.reference_m > 0 else None,
        colour=colour,
        source=benchmark.source,
    )
    zh, en = _sentence(benchmark, metric, reference)
    return Comparison(metric, benchmark.amount, amount_m, reference.bounds_m, zh, en)


def _sentence(benchmark: Benchmark, metric: Metric, reference: _Reference) -> tuple[str, str]:
    kind = METRICS[benchmark.metric]
    what_zh, what_en = ("行业均值", "the industry mean") if benchmark.limit is None else ("限定值", "the limit level")
    demo_zh, demo_en = ("（演示值）", " (a demo value)") if benchmark.demo else ("", "")
    if metric.ratio is None:
        against_zh = f"{what_zh}{demo_zh} {metric.benchmark:.4g}"
        against_en = f"against {what_en}{demo_en} of {metric.benchmark:.4g}"
    else:
        against_zh = f"为{what_zh}{demo_zh} {metric.benchmark:.4g} 的 {metric.ratio:.2f} 倍"
        against_en = f"is {metric.ratio:.2f} × {what_en}{demo_en} of {metric.benchmark:.4g}"
    notes_zh = "".join(f"；{zh}" for zh, _ in reference.notes)
    notes_en = "".join(f"; {en}" for _, en in reference.notes)
    figure = f"{metric.value:.4g} {metric.unit}"
    zh = f"{kind.zh} {figure}，{against_zh}：{COLOUR_NAMES[metric.colour]}。依据：{benchmark.derived.zh}{notes_zh}"
    en = f"{kind.en} {figure} {against_en}: {metric.colour}. Basis: {benchmark.derived.en}{notes_en}"
    return zh, en
