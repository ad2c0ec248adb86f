"""Activity × factor = emission, in integer grams, with a calculation that can be done again from itself.

What stays true: everything is exact until the one rounding at the end, `round_half_even`; `recomputed` of an entry's
calculation gives the entry's figures, without any factor file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.formula import per_unit
from gateway.carbon.model import Activity, ChosenFactor, Draft, Emission, Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL

MICRO = 1_000_000

SIDES = ("location", "market")  # figures by the other method of scope 2 that an entry may keep beside its own


def round_half_even(value: Fraction | Decimal | int) -> int:
    """The one rounding of the books: to the nearest integer, a half to the even one (banker's rounding)."""
    return value if isinstance(value, int) else round(Fraction(value))


def emission_of(activity: Activity, chosen: ChosenFactor) -> Emission:
    """Grams CO2e and grams of standard coal of an activity; negative for exported energy."""
    calculation: dict[str, Any] = {
        "amount": decimal_text(activity.amount_u),
        "unit": activity.unit,
        "sign": ACTIVITIES[activity.kind].sign,
        "formula": chosen.formula,
        "terms": {name: asdict(term) for name, term in chosen.terms.items()},
    }
    if chosen.energy_formula:
        calculation["energy"] = {
            "formula": chosen.energy_formula,
            "terms": {name: asdict(term) for name, term in chosen.energy_terms.items()},
        }
    for name, side in chosen.sides.items():
        calculation[name] = {"formula": side.formula, "terms": {key: asdict(term) for key, term in side.terms.items()}}
        calculation[name]["emission_g"] = str(side_recomputed(calculation, name))
    emission_g, energy_gce = recomputed(calculation)
    calculation["emission_g"] = str(emission_g)
    if chosen.energy_formula:
        calculation["energy"]["energy_gce"] = str(energy_gce)
    if chosen.note:
        calculation["note"] = chosen.note
    return Emission(emission_g, energy_gce, calculation)


def recomputed(calculation: Mapping[str, Any]) -> tuple[int, int]:
    """(emission_g, energy_gce) out of an entry's own calculation. Raises what `per_unit` raises if it is spoiled."""
    amount = Fraction(calculation["amount"]) * calculation["sign"]
    unit = calculation["unit"]
    grams = _grams(calculation, amount, unit)
    energy = calculation.get("energy")
    if energy is None:
        return round_half_even(grams), 0
    grams_coal = amount * per_unit(energy["formula"], _terms(energy), unit, GRAM_STANDARD_COAL)
    return round_half_even(grams), round_half_even(grams_coal)


def side_recomputed(calculation: Mapping[str, Any], name: str) -> int:
    """Grams of the same activity by the other method of scope 2, `location` or `market`."""
    amount = Fraction(calculation["amount"]) * calculation["sign"]
    return round_half_even(_grams(calculation[name], amount, calculation["unit"]))


def side_g(draft: Draft, name: str) -> int:
    """Grams of an entry by location or by market: its own figure, unless it keeps another one beside it."""
    side = draft.calculation.get(name)
    if side is None:
        return draft.emission_g
    taken_back = draft.amount_u * Fraction(draft.calculation["amount"]) < 0  # a reversal carries what it reverses
    return -int(side["emission_g"]) if taken_back else int(side["emission_g"])


def _grams(calculation: Mapping[str, Any], amount: Fraction, unit: str) -> Fraction:
    """An empty formula is no emission of one's own: it is measured elsewhere."""
    if not calculation["formula"]:
        return Fraction(0)
    return amount * per_unit(calculation["formula"], _terms(calculation), unit, GRAM_CO2E)


def _terms(calculation: Mapping[str, Any]) -> dict[str, Term]:
    return {name: Term(**term) for name, term in calculation["terms"].items()}


def decimal_text(amount_u: int) -> str:
    """Millionths as decimal text without trailing zeros: 1500000 -> "1.5"."""
    whole, rest = divmod(abs(amount_u), MICRO)
    sign = "-" if amount_u < 0 else ""
    return f"{sign}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def draft_of(activity: Activity, chosen: ChosenFactor) -> Draft:
    """The entry that should stand for an activity."""
    emission = emission_of(activity, chosen)
    return Draft(
        enterprise=activity.enterprise,
        source=activity.source,
        day=activity.day,
        activity=activity.kind,
        scope=activity.scope,
        stage=activity.stage,
        category=activity.category,
        amount_u=activity.amount_u,
        unit=activity.unit,
        factor=chosen.id,
        edition=chosen.edition,
        basis=chosen.basis,
        gwp=chosen.gwp,
        emission_g=emission.emission_g,
        energy_gce=emission.energy_gce,
        provisional=chosen.provisional,
        coverage_ppm=activity.coverage_ppm,
        estimated_ppm=activity.estimated_ppm,
        digest=activity.digest,
        calculation=emission.calculation,
    )
