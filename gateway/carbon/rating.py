"""红橙黄绿: a statement and what was made with it, against a policy. Grey with the reason where data are thin.

What stays true: no colour without output, coverage and a benchmark; every figure stands beside its benchmark and its
source; `to_next` is the smallest cut at the same output that reaches the next better colour, and cutting it does; the
influences say which sources the deciding metrics come from, so that a plant knows where to begin.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

from gateway.carbon.benchmarks import NUMERATORS
from gateway.carbon.comparison import AMOUNTS, COLOUR_NAMES, METRICS, Comparison, Missing, RatingInput, compare
from gateway.carbon.model import Influence, Rating, Statement
from gateway.carbon.policy import COLOURS, Policy

INFLUENCES = 5  # named per rating, the largest first

Reason = tuple[str, str]  # zh, en


@dataclass(frozen=True, slots=True)
class _Step:
    """The next better colour, and the colour each metric must reach for it."""

    colour: str
    targets: Mapping[str, str]  # metric -> colour


def rate(statement: Statement, policy: Policy, given: RatingInput) -> Rating:
    """The rating of a statement under a policy."""
    thin = _thin(statement, policy)
    if thin:
        return _grey(statement, policy, thin)
    compared = [compare(name, statement, policy, given) for name in policy.file.metrics]
    made = [one for one in compared if isinstance(one, Comparison)]
    missing = [one for one in compared if isinstance(one, Missing)]
    if not made or any(_blocks(one, policy) for one in missing):
        return _grey(statement, policy, [(one.zh, one.en) for one in missing])
    return _coloured(statement, policy, made, missing)


def _blocks(missing: Missing, policy: Policy) -> bool:
    gates = policy.file.gates
    return (gates.without_output if missing.why == "no_output" else gates.without_benchmark) == "grey"


def _thin(statement: Statement, policy: Policy) -> list[Reason]:
    """Gates that the data do not pass."""
    gates = policy.file.gates
    failed = []
    if statement.days < gates.days_min:
        failed.append(
            (
                f"本期仅结束 {statement.days} 天，至少需要 {gates.days_min} 天。",
                f"Only {statement.days} days of the period have ended; {gates.days_min} are needed.",
            )
        )
    if statement.coverage < gates.coverage_min:
        failed.append(
            (
                f"数据覆盖率 {statement.coverage:.1%}，低于 {gates.coverage_min:.0%}。",
                f"Readings cover {statement.coverage:.1%} of the period; {gates.coverage_min:.0%} are needed.",
            )
        )
    for share, most, zh, en in (
        (statement.estimated_share, gates.estimated_share_max, "估计数据", "is estimated"),
        (
            statement.provisional_share,
            gates.provisional_share_max,
            "暂用旧版因子的排放",
            "has a provisional factor",
        ),
    ):
        if share > most:
            failed.append(
                (
                    f"{zh}占 {share:.1%}，高于 {most:.0%}。",
                    f"{share:.1%} of the emission {en}; at most {most:.0%} may be.",
                )
            )
    return failed


def _coloured(statement: Statement, policy: Policy, made: Sequence[Comparison], missing: Sequence[Missing]) -> Rating:
    places = {one.metric.metric: COLOURS.index(one.metric.colour) for one in made}
    colour = COLOURS[policy.file.combined(places)]
    step = _next_step(policy, made, places)
    cuts = {} if step is None else _cuts(made, step)
    shares = [_cut(one, step) / one.amount_m for one in made if one.amount_m > 0 and _cut(one, step)]
    how = _combination_words(policy, made, colour)
    return Rating(
        enterprise=statement.enterprise,
        period=statement.period,
        policy=policy.id,
        colour=cast(Literal["green", "yellow", "orange", "red"], colour),
        metrics=tuple(one.metric for one in made),
        reasons_zh=(*(one.zh for one in made), *(one.zh for one in missing), *how[0], policy.file.statement.zh),
        reasons_en=(*(one.en for one in made), *(one.en for one in missing), *how[1], policy.file.statement.en),
        to_next_colour=None if step is None else step.colour,
        to_next_cut_g=cuts.get("kgCO2e"),
        to_next_cut_gce=cuts.get("kgce"),
        to_next_cut_wh=cuts.get("kWh"),
        to_next_cut_share=max(shares, default=None),
        influences=_influences(statement, made, step),
        official=policy.file.official,
    )


def _next_step(policy: Policy, made: Sequence[Comparison], places: Mapping[str, int]) -> _Step | None:
    """The way to a better colour that cuts the smallest share of the amounts; None from green."""
    now = policy.file.combined(places)
    if now == 0:
        return None
    best: tuple[Fraction, int, tuple[int, ...]] | None = None
    names = [one.metric.metric for one in made]
    for targets in itertools.product(*(range(places[name] + 1) for name in names)):
        if policy.file.combined(dict(zip(names, targets, strict=True))) >= now:
            continue
        share = sum(
            (
                Fraction(one.cut_m(COLOURS[target]), max(1, abs(one.amount_m)))
                for one, target in zip(made, targets, strict=True)
                if target < places[one.metric.metric]
            ),
            Fraction(0),
        )
        candidate = (share, -sum(targets), targets)  # of two that cost the same, the one that asks for less
        best = candidate if best is None else min(best, candidate)
    assert best is not None, "all metrics green is always better"
    reached = dict(zip(names, best[2], strict=True))
    return _Step(COLOURS[policy.file.combined(reached)], {name: COLOURS[target] for name, target in reached.items()})


def _cut(one: Comparison, step: _Step | None) -> int:
    return 0 if step is None else one.cut_m(step.targets[one.metric.metric])


def _cuts(made: Sequence[Comparison], step: _Step) -> dict[str, int]:
    """Thousandths to cut per unit; several metrics of one unit ask for the largest."""
    cuts: dict[str, int] = {}
    for one in made:
        unit = NUMERATORS[one.amount]
        cuts[unit] = max(cuts.get(unit, 0), _cut(one, step))
    return cuts


def _influences(statement: Statement, made: Sequence[Comparison], step: _Step | None) -> tuple[Influence, ...]:
    """What the sources bring to the metrics that must fall, or, from green, to all."""
    deciding = [one for one in made if _cut(one, step) > 0] or list(made)
    found: list[tuple[int, Influence]] = []
    for rank, one in enumerate(deciding):
        parts: dict[str, int] = {}
        for line in statement.by_source:
            part_m = AMOUNTS[one.amount].of_line_m(statement, line)
            if part_m:
                parts[line.source] = parts.get(line.source, 0) + part_m
        for source, part_m in sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))[:INFLUENCES]:
            cut_m = _cut(one, step)
            alone = cut_m / part_m if 0 < cut_m <= part_m else None
            share = part_m / one.amount_m if one.amount_m else 0.0
            found.append((rank, Influence(source, one.metric.metric, share, alone)))
    ordered = sorted(found, key=lambda item: (item[0], -abs(item[1].share), item[1].source))
    return tuple(influence for _, influence in ordered)


def _combination_words(policy: Policy, made: Sequence[Comparison], colour: str) -> tuple[list[str], list[str]]:
    """How several colours became one; nothing to say where all agree."""
    if len({one.metric.colour for one in made}) == 1:
        return [], []
    if policy.file.combination == "worst":
        return [f"取最差指标：{COLOUR_NAMES[colour]}。"], [f"The worst metric decides: {colour}."]
    weights = policy.file.weights
    zh = "、".join(f"{METRICS[name].zh} {weights[name]}" for name in policy.file.metrics)
    en = ", ".join(f"{METRICS[name].en.lower()} {weights[name]}" for name in policy.file.metrics)
    return [f"加权（{zh}）：{COLOUR_NAMES[colour]}。"], [f"Weighted ({en}): {colour}."]


def _grey(statement: Statement, policy: Policy, reasons: Sequence[Reason]) -> Rating:
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
