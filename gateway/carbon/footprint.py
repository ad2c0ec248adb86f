"""A product's carbon footprint: the same entries as the account, per unit of what was made (GB/T 24067, ISO 14067).

What stays true:
- It is another object than the account, and never added to one. Cradle to gate is the stages raw_material and
  production; cradle to grave all of them.
- Electricity is counted by its life cycle, with the series that is published for footprints only; the account's own
  series is never mixed into it. Electricity whose life cycle nobody has published (green, own photovoltaic) keeps the
  account's figure, and the footprint says so.
- Over all products of a plant the parts of each source add up to that source to the gram, because each source is
  allocated once, by `gateway.carbon.allocation`.
- Primary is what was measured at the plant (scope 1 and 2) or declared by its supplier; the rest rests on averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from gateway.carbon.adjustments import source_behind
from gateway.carbon.allocation import parts_of, weights_of
from gateway.carbon.emission import round_half_even
from gateway.carbon.model import OPERATOR_BASIS, Draft, Entry, Factor
from gateway.carbon.units import convert
from gateway.registry.model import STAGES, Enterprise

Boundary = Literal["cradle_to_gate", "cradle_to_grave"]

BOUNDARIES: Mapping[Boundary, tuple[str, ...]] = {
    "cradle_to_gate": ("raw_material", "production"),
    "cradle_to_grave": STAGES,
}
BY_LIFE_CYCLE = ("electricity.purchased", "electricity.exported")
WITHOUT_LIFE_CYCLE = ("electricity.green", "electricity.self_used_pv")
MICRO = 1_000_000

LifeCycleFactor = Callable[[date], Factor | None]  # of a kWh on a day


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one source brings to one product."""

    stage: str
    source: str
    activity: str
    scope: int
    plant_g: int  # of the whole source, by this footprint's factors
    emission_g: int  # the product's part of it
    account_g: int  # the product's part of what the account has, by the account's own series
    primary: bool
    factor: str  # of the newest entry
    edition: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """One product's footprint over a period."""

    enterprise: str
    product: str
    unit: str
    boundary: Boundary
    allocation: str
    output_u: int  # millionths of the unit
    contributions: tuple[Contribution, ...]  # in the order of stages, largest first
    electricity: tuple[str, ...]  # factors of the footprint series that were used
    notes: tuple[tuple[str, str], ...]  # zh, en

    @property
    def emission_g(self) -> int:
        return sum(own.emission_g for own in self.contributions)

    @property
    def primary_share(self) -> float:
        """Of the gross emission."""
        gross_g = sum(abs(own.emission_g) for own in self.contributions)
        return sum(abs(own.emission_g) for own in self.contributions if own.primary) / gross_g if gross_g else 0.0

    @property
    def kg_per_unit(self) -> Fraction:
        return Fraction(self.emission_g * MICRO, self.output_u * 1000)


@dataclass(slots=True)
class _Line:
    """All entries of one source and activity."""

    newest: Draft
    grams: int = 0
    account_grams: int = 0
    primary: bool = True
    factor: str = ""
    edition: str = ""


def footprint_of(
    enterprise: Enterprise,
    product_id: str,
    entries: Iterable[Entry],
    made_u: Mapping[str, int],
    life_cycle: LifeCycleFactor,
    boundary: Boundary = "cradle_to_gate",
) -> Footprint:
    """The footprint of a product out of the entries that stand in a period; raises NotAllocable.

    `made_u` is the period's output in millionths of each product's unit; that of the product must be above zero.
    """
    product = next(own for own in enterprise.products if own.id == product_id)
    used: dict[str, None] = {}
    kept: dict[str, None] = {}
    lines = _lines(entries, life_cycle, BOUNDARIES[boundary], used, kept)
    found = []
    for line in lines.values():
        draft = line.newest
        source = enterprise.source(source_behind(draft.source))
        weights = weights_of(enterprise.allocation, enterprise.products, made_u, source)
        if product_id not in weights:
            continue
        place, shares = list(weights).index(product_id), list(weights.values())
        found.append(
            Contribution(
                stage=draft.stage,
                source=draft.source,
                activity=draft.activity,
                scope=draft.scope,
                plant_g=line.grams,
                emission_g=parts_of(line.grams, shares)[place],
                account_g=parts_of(line.account_grams, shares)[place],
                primary=line.primary,
                factor=line.factor,
                edition=line.edition,
            )
        )
    found.sort(key=lambda own: (STAGES.index(own.stage), -abs(own.emission_g), own.source))
    return Footprint(
        enterprise.id,
        product_id,
        product.unit,
        boundary,
        enterprise.allocation,
        made_u[product_id],
        tuple(found),
        tuple(used),
        _notes(kept),
    )


def _lines(
    entries: Iterable[Entry],
    life_cycle: LifeCycleFactor,
    stages: Sequence[str],
    used: dict[str, None],
    kept: dict[str, None],
) -> dict[tuple[str, str], _Line]:
    """Entries summed by source and activity; `used`: electricity factors taken, `kept`: what kept its own figure."""
    lines: dict[tuple[str, str], _Line] = {}
    for entry in sorted(entries, key=lambda one: one.seq):
        draft = entry.draft
        if draft.stage not in stages:
            continue
        line = lines.setdefault((draft.source, draft.activity), _Line(draft))
        by_hand = draft.basis == OPERATOR_BASIS  # grams without an amount: they stay what they are
        factor = life_cycle(draft.day) if draft.activity in BY_LIFE_CYCLE and not by_hand else None
        if factor is not None:
            used[factor.id] = None
            grams, line.factor, line.edition = _by_life_cycle_g(draft, factor), factor.id, factor.edition
        else:
            if draft.activity in (*BY_LIFE_CYCLE, *WITHOUT_LIFE_CYCLE) and not by_hand:
                kept[draft.activity] = None
            grams, line.factor, line.edition = draft.emission_g, draft.factor, draft.edition
        line.grams += grams
        line.account_grams += draft.emission_g
        line.newest = draft
        line.primary &= draft.scope < 3 or draft.basis in ("supplier_specific", "own_analysis", "measured")
    return lines


def _by_life_cycle_g(draft: Draft, factor: Factor) -> int:
    """Grams of a day's electricity by its life cycle; exported is taken off, as in the account."""
    kwh = convert(Fraction(draft.amount_u, MICRO), draft.unit, "kWh")
    grams = round_half_even(kwh * Fraction(factor.value) * 1000)
    return -grams if draft.activity == "electricity.exported" else grams


def _notes(kept: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"{activity}：无已公布的全生命周期因子，沿用账户数值。",
            f"{activity}: no life-cycle factor is published; the account's own figure is kept.",
        )
        for activity in kept
    )
