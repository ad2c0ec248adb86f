"""A park's sums out of its enterprises' statements, ratings and output. Pure: everything is handed in.

What stays true: numerator and denominator of an intensity cover the same enterprises, those that stated their output;
how many those are stands beside the figure. Figures of enterprises without a statement are missing, not zero, and
`reported` says how many are in the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec

from gateway.accounts.documents import Bilingual, StatementDocument
from gateway.accounts.output import Outputs
from gateway.accounts.periods import Period
from gateway.accounts.rating_documents import COLOURS, Colour, MetricDocument, NextColour, RatingDocument, Reasons
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.units import convert
from gateway.registry.model import STAGES, Enterprise, Park

# Electricity taken in, and which of it carries no emission of the grid while its evidence is there.
_GREEN = frozenset(kind for kind, activity in ACTIVITIES.items() if activity.calculation == "green")
_ELECTRICITY = frozenset(
    kind for kind, activity in ACTIVITIES.items() if activity.calculation in ("grid", "green") and activity.sign > 0
)


class MixItem(msgspec.Struct, frozen=True, kw_only=True):
    """One activity's part of the energy used; sold energy is listed with a minus and has no share."""

    activity: str
    energy_kgce: float
    emission_kg: float
    share: float | None  # of the energy taken in


class IntensityDocument(msgspec.Struct, frozen=True, kw_only=True):
    park: str
    period: str
    enterprises: int
    with_output: int  # enterprises whose output value is known: the intensity per value is theirs
    output_value_10k_cny: float | None
    added_value_10k_cny: float | None
    kg_per_10k_cny: float | None  # compliance total per output value
    kgce_per_10k_cny: float | None
    kg_per_10k_cny_added: float | None
    area_km2: float | None
    kg_per_km2: float | None  # compliance total of the whole park per its area


class ParkDocument(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual
    region: str
    timezone: str
    area_km2: float | None
    period: str
    enterprises: int
    reported: int  # enterprises with a statement for the period
    compliance_kg: float
    lifecycle_kg: float
    energy_kgce: float
    by_scope: dict[str, float]
    by_stage: dict[str, float]
    energy_mix: list[MixItem]
    green_share: float | None  # of the electricity taken in, by kWh
    coverage: float | None  # mean over the enterprises that reported
    estimated_share: float | None  # of the emission
    provisional_share: float | None
    findings_open: int
    colours: dict[str, int]
    intensity: IntensityDocument


class RankingItem(msgspec.Struct, frozen=True, kw_only=True):
    rank: int  # 1 = worst
    enterprise: str
    name: Bilingual
    industry: str
    colour: Colour
    compliance_kg: float | None
    lifecycle_kg: float | None
    energy_kgce: float | None
    kg_per_10k_cny: float | None
    metric: str | None  # that decided the colour
    ratio: float | None  # own figure ÷ benchmark of that metric
    coverage: float | None
    reasons: Reasons
    to_next: NextColour | None  # what would reach the next better colour at the same output


@dataclass(frozen=True, slots=True)
class ParkAccounts:
    """What is known of a park in a period; the three mappings are keyed by enterprise."""

    park: Park
    period: Period
    enterprises: tuple[Enterprise, ...]
    statements: Mapping[str, StatementDocument]
    ratings: Mapping[str, RatingDocument] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)


def overview_of(accounts: ParkAccounts) -> ParkDocument:
    """The park's sums."""
    park, statements = accounts.park, list(accounts.statements.values())
    gross_kg = sum(_gross_kg(statement) for statement in statements)
    colours = Counter(rating.colour for rating in accounts.ratings.values())
    colours["grey"] += len(accounts.enterprises) - len(accounts.ratings)
    return ParkDocument(
        id=park.id,
        name=Bilingual(zh=park.name.zh, en=park.name.en),
        region=park.region,
        timezone=park.timezone,
        area_km2=park.area_km2,
        period=accounts.period.text,
        enterprises=len(accounts.enterprises),
        reported=len(statements),
        compliance_kg=_sum([statement.compliance_kg for statement in statements]),
        lifecycle_kg=_sum([statement.lifecycle_kg for statement in statements]),
        energy_kgce=_sum([statement.energy_kgce for statement in statements]),
        by_scope={scope: _sum([own.by_scope.get(scope, 0.0) for own in statements]) for scope in ("1", "2", "3")},
        by_stage={stage: _sum([own.by_stage.get(stage, 0.0) for own in statements]) for stage in STAGES},
        energy_mix=energy_mix_of(statements),
        green_share=green_share_of(statements),
        coverage=_mean([statement.coverage for statement in statements]),
        estimated_share=_weighted([(own.estimated_share, _gross_kg(own)) for own in statements], gross_kg),
        provisional_share=_weighted([(own.provisional_share, _gross_kg(own)) for own in statements], gross_kg),
        findings_open=sum(statement.findings_open for statement in statements),
        colours={colour: colours[colour] for colour in COLOURS},
        intensity=intensity_of(accounts),
    )


def intensity_of(accounts: ParkAccounts) -> IntensityDocument:
    """Emission and energy per output value, added value and area."""
    output_u, output_kg, output_kgce, with_output = _against(accounts, "output_value")
    added_u, added_kg, _, _ = _against(accounts, "added_value")
    area_km2 = accounts.park.area_km2
    total_kg = _sum([statement.compliance_kg for statement in accounts.statements.values()])
    return IntensityDocument(
        park=accounts.park.id,
        period=accounts.period.text,
        enterprises=len(accounts.enterprises),
        with_output=with_output,
        output_value_10k_cny=output_u / 1_000_000 if output_u else None,
        added_value_10k_cny=added_u / 1_000_000 if added_u else None,
        kg_per_10k_cny=_ratio(output_kg, output_u / 1_000_000),
        kgce_per_10k_cny=_ratio(output_kgce, output_u / 1_000_000),
        kg_per_10k_cny_added=_ratio(added_kg, added_u / 1_000_000),
        area_km2=area_km2,
        kg_per_km2=_ratio(total_kg, area_km2 or 0.0) if accounts.statements else None,
    )


def _against(accounts: ParkAccounts, figure: str) -> tuple[int, float, float, int]:
    """(figure in millionths, kg, kgce, count) summed over enterprises that have both figure and statement."""
    amount_u, kilograms, kgce, count = 0, [], [], 0
    for enterprise, statement in accounts.statements.items():
        amount = accounts.outputs.get(enterprise, {}).get(("economic", figure))
        if amount is None or amount.amount_u <= 0:
            continue
        amount_u += amount.amount_u
        kilograms.append(statement.compliance_kg)
        kgce.append(statement.energy_kgce)
        count += 1
    return amount_u, _sum(kilograms), _sum(kgce), count


def ranking_of(accounts: ParkAccounts) -> list[RankingItem]:
    """Worst first: by colour, then by the ratio that decided it, then by emission; unrated ones stand last."""
    rows = [_row(accounts, enterprise) for enterprise in accounts.enterprises]
    rows.sort(
        key=lambda row: (COLOURS.index(row.colour), -(row.ratio or 0.0), -(row.compliance_kg or 0.0), row.enterprise)
    )
    return [msgspec.structs.replace(row, rank=rank) for rank, row in enumerate(rows, start=1)]


def _row(accounts: ParkAccounts, enterprise: Enterprise) -> RankingItem:
    statement = accounts.statements.get(enterprise.id)
    rating = accounts.ratings.get(enterprise.id)
    value = accounts.outputs.get(enterprise.id, {}).get(("economic", "output_value"))
    per_value = _ratio(statement.compliance_kg, value.value) if statement and value else None
    decided = deciding_metric(rating) if rating else None
    return RankingItem(
        rank=0,
        enterprise=enterprise.id,
        name=Bilingual(zh=enterprise.name.zh, en=enterprise.name.en),
        industry=enterprise.industry,
        colour=rating.colour if rating else "grey",
        compliance_kg=statement.compliance_kg if statement else None,
        lifecycle_kg=statement.lifecycle_kg if statement else None,
        energy_kgce=statement.energy_kgce if statement else None,
        kg_per_10k_cny=per_value,
        metric=decided.metric if decided else None,
        ratio=decided.ratio if decided else None,
        coverage=statement.coverage if statement else None,
        reasons=rating.reasons if rating else NOT_RATED,
        to_next=rating.to_next if rating else None,
    )


NOT_RATED = Reasons(zh=("本期尚无评级",), en=("Not rated yet for this period",))


def deciding_metric(rating: RatingDocument) -> MetricDocument | None:
    """The worst metric of the rating's colour; where weights made a colour that no metric has, the worst of all."""
    judged = [metric for metric in rating.metrics if metric.ratio is not None]
    own = [metric for metric in judged if metric.colour == rating.colour] or judged
    return max(own, key=lambda metric: metric.ratio or 0.0, default=None)


def energy_mix_of(statements: list[StatementDocument]) -> list[MixItem]:
    """Energy by activity, largest first; activities without energy are left out."""
    energy: Counter[str] = Counter()
    emission: Counter[str] = Counter()
    for statement in statements:
        for line in statement.by_source:
            energy[line.activity] += round(line.energy_kgce * 1000)
            emission[line.activity] += round(line.emission_kg * 1000)
    taken = sum(grams for grams in energy.values() if grams > 0)
    return [
        MixItem(
            activity=activity,
            energy_kgce=grams / 1000,
            emission_kg=emission[activity] / 1000,
            share=grams / taken if grams > 0 else None,
        )
        for activity, grams in sorted(energy.items(), key=lambda pair: -pair[1])
        if grams
    ]


def green_share_of(statements: list[StatementDocument]) -> float | None:
    """Green part of the electricity taken in, by kWh; None without electricity."""
    taken_kwh, green_kwh = Fraction(0), Fraction(0)
    for line in (line for own in statements for line in own.by_source if line.activity in _ELECTRICITY):
        amount_kwh = convert(Fraction(line.amount), line.unit, "kWh")
        taken_kwh += amount_kwh
        green_kwh += amount_kwh if line.activity in _GREEN else 0
    return _ratio(float(green_kwh), float(taken_kwh))


def _gross_kg(statement: StatementDocument) -> float:
    return sum(abs(line.emission_kg) for line in statement.by_source)


def _sum(kilograms: list[float]) -> float:
    """Exact: kilograms carry whole grams, so the sum is made in grams."""
    return sum(round(amount * 1000) for amount in kilograms) / 1000


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _weighted(pairs: list[tuple[float, float]], total: float) -> float | None:
    return sum(share * weight for share, weight in pairs) / total if total else None


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
