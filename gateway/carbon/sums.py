"""Months added up to a quarter or a year: out of their statements, never out of their entries.

What stays true: every total, of a scope, a stage, a source or the whole, is the exact sum of what the months state, in
whole grams. Shares and scores are means, weighted by what they are shares of: coverage by ended days, estimated and
provisional shares by the gross emission of the months' lines, quality by the emission of a source's months.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.carbon.model import Quality, SideTotals, SourceLine, Statement
from gateway.carbon.quality import Part, quality_of

Key = TypeVar("Key")
LineKey = tuple[str, str, str]  # source, activity, unit


def sum_of(period: str, months: Sequence[Statement]) -> Statement:
    """The statement of a period as the sum of the statements of its months, oldest first; at least one.

    Factor, basis, scope and stage of a source, and the method, are those of its newest month.
    """
    newest = months[-1]
    lines = _lines(months)
    days = sum(month.days for month in months)
    gross = [sum(abs(line.emission_g) for line in month.by_source) for month in months]
    return Statement(
        enterprise=newest.enterprise,
        period=period,
        days=days,
        compliance_g=sum(month.compliance_g for month in months),
        lifecycle_g=sum(month.lifecycle_g for month in months),
        energy_gce=sum(month.energy_gce for month in months),
        by_scope_g=_added(month.by_scope_g for month in months),
        by_stage_g=_added(month.by_stage_g for month in months),
        by_source=lines,
        coverage=_mean([(month.coverage, month.days) for month in months]),
        estimated_share=_mean([(one.estimated_share, own) for one, own in zip(months, gross, strict=True)]),
        provisional_share=_mean([(one.provisional_share, own) for one, own in zip(months, gross, strict=True)]),
        findings_open=sum(month.findings_open for month in months),
        last_seq=max(month.last_seq for month in months),
        notes=_common_notes(months),
        by_location=_side([month.by_location for month in months]),
        by_market=_side([month.by_market for month in months]),
        method=newest.method,
        quality=quality_of(Part(line.emission_g, line.quality) for line in lines if line.quality is not None),
    )


def _added(parts: Iterable[dict[Key, int]]) -> dict[Key, int]:
    total: dict[Key, int] = {}
    for part in parts:
        for key, amount in part.items():
            total[key] = total.get(key, 0) + amount
    return total


def _lines(months: Sequence[Statement]) -> tuple[SourceLine, ...]:
    """One line per source, activity and unit: those of the newest month first, in its order."""
    own: dict[LineKey, list[SourceLine]] = {}
    for month in reversed(months):
        for line in month.by_source:
            own.setdefault((line.source, line.activity, line.unit), []).append(line)
    return tuple(_line(lines) for lines in own.values())


def _line(newest_first: Sequence[SourceLine]) -> SourceLine:
    return replace(
        newest_first[0],
        amount_u=sum(line.amount_u for line in newest_first),
        emission_g=sum(line.emission_g for line in newest_first),
        energy_gce=sum(line.energy_gce for line in newest_first),
        quality=_quality(newest_first),
    )


def _quality(lines: Sequence[SourceLine]) -> Quality | None:
    """Of one source's months, which go together as its days do; None if a month does not state it."""
    stated = [(line.quality, abs(line.emission_g)) for line in lines if line.quality is not None]
    if len(stated) < len(lines):
        return None
    if not any(weight for _, weight in stated):
        stated = [(quality, 1) for quality, _ in stated]
    return Quality(
        activity_score=_mean([(quality.activity_score, weight) for quality, weight in stated]),
        factor_score=_mean([(quality.factor_score, weight) for quality, weight in stated]),
        uncertainty_percent=_mean([(quality.uncertainty_percent, weight) for quality, weight in stated]),
    )


def _side(sides: Sequence[SideTotals | None]) -> SideTotals | None:
    """None if a month does not state it."""
    stated = [side for side in sides if side is not None]
    if len(stated) < len(sides):
        return None
    return SideTotals(
        scope_2_g=sum(side.scope_2_g for side in stated),
        compliance_g=sum(side.compliance_g for side in stated),
        lifecycle_g=sum(side.lifecycle_g for side in stated),
    )


def _mean(pairs: Sequence[tuple[float, int]]) -> float:
    weight = sum(own for _, own in pairs)
    return sum(value * own for value, own in pairs) / weight if weight else 0.0


def _common_notes(months: Sequence[Statement]) -> tuple[str, ...]:
    """What every month with ended days says, such as that a source has no entries."""
    ended = [month for month in months if month.days]
    said = Counter(note for month in ended for note in set(month.notes))
    return tuple(note for note in (ended[-1].notes if ended else ()) if said[note] == len(ended))
