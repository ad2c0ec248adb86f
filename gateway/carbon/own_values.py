"""Numbers of a plant's own laboratory or of its suppliers: which there are, in which units, and for which days.

A registry gives them at a source, each with days and a document. They come before published defaults; which formula
takes which is said in `gateway.carbon.choices`.

What stays true: a number whose unit or size cannot be one of its quantity is refused with the registry file, not when
a day is booked. The bands are those of published factors, so a slip from kg to g is caught here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.factor_files import KINDS, Band
from gateway.carbon.model import OwnValue
from gateway.carbon.units import GRAM_CO2E, UnknownUnit, read_unit
from gateway.registry.model import DatedValue

FOOTPRINT = "footprint"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a laboratory may report: its name in formulas and what sizes it may have."""

    term: str
    bands: tuple[Band, ...]
    calculations: tuple[str, ...]  # of activity kinds that can use it
    series: str = ""  # only of kinds of this one; "" = of all


_FUELS = ("fuel", "energy_only")
QUANTITIES: dict[str, Quantity] = {
    "heat_value": Quantity("NCV", (KINDS["ncv_by_mass"], KINDS["ncv_by_volume"]), _FUELS),
    "carbon_per_heat": Quantity("CC", (KINDS["carbon_content"],), ("fuel",)),
    "carbon_content": Quantity("W", (Band("tC/t", "0.0001", "1"), Band("tC/1e4Nm3", "0.1", "40")), ("fuel", "factor")),
    "oxidation": Quantity("OF", (KINDS["oxidation"],), ("fuel",)),
    "density": Quantity("RHO", (Band("t/m3", "0.3", "1.4"),), _FUELS),
    "purity": Quantity("I", (KINDS["fraction"],), ("factor", "desulphurisation")),
    "conversion": Quantity("TR", (KINDS["fraction"],), ("desulphurisation",)),
    "enthalpy": Quantity("H", (Band("kJ/kg", "300", "4000"),), ("factor",), "heat"),
    "steam_pressure": Quantity("P", (Band("kPa", "50", "30000"),), ("factor",), "heat"),
    "steam_temperature": Quantity("T", (Band("degC", "80", "700"),), ("factor",), "heat"),
    FOOTPRINT: Quantity("EF", (), ("factor", "grid", "gas_process")),
}
LARGEST_G = 10**10  # of CO2e per unit: ten thousand tonnes per tonne, kWh or piece is a slip


def problem_of(activity: str, quantity: str, value: str, unit: str) -> str | None:
    """Why a number cannot be one of this source, or None."""
    kind, known = ACTIVITIES.get(activity), QUANTITIES.get(quantity)
    if kind is None:
        return None  # said where the activity stands
    if known is None:
        return f"unknown quantity {quantity}; known are {', '.join(QUANTITIES)}"
    if kind.calculation not in known.calculations or known.series not in ("", kind.series):
        return f"{activity} takes no {quantity}"
    try:
        given = read_unit(unit)
    except UnknownUnit as error:
        return str(error)
    size = Fraction(value) * given.scale
    if quantity == FOOTPRINT:
        return _footprint_problem(activity, value, unit)
    for band in known.bands:
        wanted = read_unit(band.unit)
        if given.dimensions == wanted.dimensions:
            if Fraction(band.low) <= size / wanted.scale <= Fraction(band.high):
                return None
            return f"{value} {unit} is outside of {band.low} to {band.high} {band.unit}: check the unit"
    return f"{unit} is no unit of a {quantity}: give it in {' or '.join(band.unit for band in known.bands)}"


def _footprint_problem(activity: str, value: str, unit: str) -> str | None:
    kind = ACTIVITIES[activity]
    if kind.calculation == "gas_process":
        emitted = unit.partition("/")[0]
        return None if "/" in unit and read_unit(emitted).dimensions else f"{unit} is no gas per amount: kgN2O/t"
    per = [read_unit(one) for one in kind.units]
    given = read_unit(unit)
    if not any(given.times(one).dimensions == GRAM_CO2E.dimensions for one in per):
        return f"{unit} does not give CO2e with {', '.join(kind.units)}: write kgCO2e/{kind.units[0]}"
    grams = Fraction(value) * given.scale
    if not 0 < grams <= LARGEST_G:
        return f"{value} {unit} is no plausible footprint: it must be above 0, and not that large"
    return None


def in_force(values: Iterable[DatedValue], day: date) -> tuple[OwnValue, ...]:
    """The numbers of a day, as a formula takes them; the first that covers the day stands."""
    found: dict[str, OwnValue] = {}
    for one in values:
        if covers(one, day):
            term = QUANTITIES[one.quantity].term
            found.setdefault(term, OwnValue(term, one.value, one.unit, one.document))
    return tuple(found.values())


def footprint_expired(values: Iterable[DatedValue], day: date) -> bool:
    """A footprint was declared for this source, but none of them covers the day."""
    footprints = [one for one in values if one.quantity == FOOTPRINT]
    return bool(footprints) and not any(covers(one, day) for one in footprints)


def covers(value: DatedValue, day: date) -> bool:
    return date.fromisoformat(value.valid_from) <= day < date.fromisoformat(value.valid_to)
