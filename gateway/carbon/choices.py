"""How each kind of calculation chooses its numbers: one function per row of CHOICES.

What stays true:
- A number of the plant's own laboratory or of its supplier comes before a default; the basis says so.
- Electricity is answered twice, by location and by market (GHG Protocol scope 2 guidance); the account's method says
  which is booked, and the other one is kept beside it where it differs.
- Zero is chosen only for green power whose day is covered by evidence, and for fuel whose CO2 a stack measures. Where
  nothing fits there is a MissingFactor that says what is lacking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.carbon.grid_regions import GRIDS
from gateway.carbon.model import Activity, Basis, ChosenFactor, Factor, Finding, MissingFactor, Side, Term
from gateway.carbon.question import (
    NATIONAL,
    Lacking,
    Pick,
    Question,
    amount_of_fuel,
    energy_of,
    enthalpy_of,
    own_term,
    term_of,
)
from gateway.carbon.units import UnknownUnit, WrongDimensions

# What a method may name -> series; those of NATIONAL_SERIES have one value for the nation.
ELECTRICITY_SERIES = {
    "national": "grid.national",
    "provincial": "grid.provincial",
    "regional": GRIDS,
    "national_without_traded_nonfossil": "grid.national_without_traded_nonfossil",
}
NATIONAL_SERIES = frozenset({"grid.national", "grid.national_without_traded_nonfossil"})
SERIES_WITH_DEFAULTS = ("process.", "material.")  # general defaults, not the plant's or supplier's own figures
# What a choice may rest on that somebody should know: name -> (zh, en).
DOUBTS: dict[str, tuple[str, str]] = {
    "source.evidence_missing": (
        "绿色电力缺少覆盖该日的凭证（绿证、合同或结算单），按电网因子计入。",
        "No certificate, contract or settlement covers this day's green power; it is booked with the grid factor.",
    ),
    "source.gas_conditions_assumed": (
        "气量以工况立方米给出，暂按标准状态（0 °C、101.325 kPa）计算；请接入标况流量或登记换算。",
        (
            "The gas volume is in m3 at the meter's conditions and was taken as normal (0 °C, 101.325 kPa); connect "
            "the converted volume (gas_volume_normal) to be exact."
        ),
    ),
    "source.footprint_expired": (
        "登记的供应商因子不覆盖该日，暂按通用缺省值计入；请更新供应商声明。",
        "No supplier's footprint of this source covers this day; it is booked with the general default. Renew it.",
    ),
}


Chosen = ChosenFactor | Lacking | None


def choose(question: Question) -> ChosenFactor | MissingFactor:
    """The factor of an activity: an overriding one that is in force, else its kind's own choice."""
    named = question.activity.factor_override
    try:
        chosen = _overridden(question, named) if named else CHOICES[question.kind.calculation](question)
    except (WrongDimensions, UnknownUnit):
        chosen = None  # an own number in a unit that this amount cannot be multiplied with
    return chosen if isinstance(chosen, ChosenFactor) else question.missing(chosen)


def _overridden(question: Question, named: str) -> Chosen:
    """The factor that the registry names; out of its validity the kind's own choice, with a doubt."""
    factor = question.book.factors.get(named)
    if factor is None or factor.published_on > question.as_of:
        return None
    if factor.valid_from <= question.activity.day < factor.valid_to:
        return question.answer("AD × EF", {"EF": term_of(factor)}, factor, "supplier_specific")
    chosen = CHOICES[question.kind.calculation](question)
    if isinstance(chosen, ChosenFactor):
        return replace(chosen, doubts=(*chosen.doubts, "source.footprint_expired"))
    return chosen


def findings_of(activity: Activity, chosen: ChosenFactor, at_ms: int) -> list[Finding]:
    """What should be known about a choice, as findings of its source at the beginning of its day."""
    values = {"activity": activity.kind, "factor": chosen.id, "day": activity.day.isoformat()}
    return [
        Finding(name, activity.enterprise, activity.source, at_ms, "warning", values, *DOUBTS[name])
        for name in chosen.doubts
    ]


# --- electricity ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """One side of the electricity: by location or by market."""

    term: Term
    factor: Factor | None
    basis: Basis
    provisional: bool = False
    doubts: tuple[str, ...] = ()


def _grid_pick(question: Question, name: str, doubts: tuple[str, ...] = ()) -> _Answer | None:
    """A method's electricity series; a province or grid without a value falls back to the nation."""
    series = ELECTRICITY_SERIES.get(name)
    if series is None:
        return None
    region = NATIONAL if series in NATIONAL_SERIES else question.activity.region
    if series == GRIDS:
        region = question.book.grid_of.get(region, region)
    pick = question.pick(series, region)
    if pick is None and region != NATIONAL:
        national = question.pick(ELECTRICITY_SERIES["national"])
        pick = national and Pick(national.factor, "regional_fallback", national.provisional)
    if pick is None:
        return None
    return _Answer(term_of(pick.factor), pick.factor, pick.basis, pick.provisional, doubts)


def _two_sided(question: Question, market: _Answer | None) -> Chosen:
    """The booked side, with the other one beside it where the two differ."""
    answers = {"location": _grid_pick(question, question.method.electricity), "market": market}
    booked = answers[question.method.booked]
    other_name = "market" if question.method.booked == "location" else "location"
    other = answers[other_name]
    if booked is None or other is None:
        return None
    sides = {} if other.term == booked.term else {other_name: Side("AD × EF", {"EF": other.term})}
    doubts = tuple(dict.fromkeys((*booked.doubts, *other.doubts)))
    return question.answer(
        "AD × EF", {"EF": booked.term}, booked.factor, booked.basis,
        provisional=booked.provisional, doubts=doubts, sides=sides,
    )  # fmt: skip


def _grid(question: Question, doubts: tuple[str, ...] = ()) -> Chosen:
    """By market: the contract's own factor if there is one, else what the method names for uncovered electricity."""
    own = question.own("EF")
    if own is not None:
        return _two_sided(question, _Answer(own_term(own), None, "supplier_specific"))
    return _two_sided(question, _grid_pick(question, question.method.market or question.method.electricity, doubts))


def _green(question: Question) -> Chosen:
    """Zero with evidence for the day (GB/T 32150-2025; GB/T 32151.34-2024, C.3); without it the grid factor."""
    if not question.activity.evidenced:
        return _grid(question, ("source.evidence_missing",))
    pick = question.pick("grid.proven_nonfossil")
    if pick is None:
        return None
    return _two_sided(question, _Answer(term_of(pick.factor), pick.factor, "zero_with_evidence"))


def _grid_by_location(question: Question) -> Chosen:
    found = _grid_pick(question, question.method.electricity)
    if found is None:
        return None
    return question.answer("AD × EF", {"EF": found.term}, found.factor, found.basis, provisional=found.provisional)


# --- fuels ----------------------------------------------------------------------------------------------------------


def _fuel(question: Question) -> Chosen:
    """AD × NCV × CC × OF × 44/12 (GB/T 32151 family); a measured carbon content W stands for NCV × CC."""
    start = amount_of_fuel(question)
    if isinstance(start, Lacking):
        return start
    formula, terms, doubts = start
    stem = f"{question.method.fuel_set}.{question.kind.series}"
    names = _carbon_terms(question)
    picks: list[Pick] = []
    for name in names:
        found = question.term(name, f"{stem}.{name.lower()}")
        if found is None:
            return None
        terms[name] = found[0]
        if found[1] is not None:
            picks.append(found[1])
    carbon = " ".join(f"{sign} {name}" for name, sign in names.items())
    return question.answer(
        f"{formula} {carbon} × 44/12",
        terms,
        picks[0].factor if picks else None,
        picks[0].basis if picks else "own_analysis",
        provisional=any(pick.provisional for pick in picks),
        doubts=doubts,
        factor_id=stem,
    )


def _carbon_terms(question: Question) -> dict[str, str]:
    """Name -> sign of the terms between the amount of fuel and 44/12."""
    by_heat = question.dimension == "energy"
    if question.own("W") is not None:
        if not by_heat:
            return {"W": "×", "OF": "×"}
        if question.own("NCV") is not None:
            return {"NCV": "÷", "W": "×", "OF": "×"}
    return {"CC": "×", "OF": "×"} if by_heat else {"NCV": "×", "CC": "×", "OF": "×"}


def _energy_only(question: Question) -> Chosen:
    """No emission of its own: it is in the stack's measurement. Without an energy side there is nothing to book."""
    start = amount_of_fuel(question)
    if isinstance(start, Lacking):
        return start
    if not energy_of(question)[0]:
        return None
    return question.answer("", {}, None, "measured_elsewhere", doubts=start[2])


# --- everything else ------------------------------------------------------------------------------------------------


def _factor(question: Question) -> Chosen:
    """AD × EF. A supplier's EF and a measured carbon content W come first; carbonates take their purity I along."""
    own, carbon = question.own("EF"), question.own("W")
    if own is not None:
        return question.answer("AD × EF", {"EF": own_term(own)}, None, "supplier_specific")
    if carbon is not None:
        return question.answer("AD × W × 44/12", {"W": own_term(carbon)}, None, "own_analysis")
    pick = question.pick(question.kind.series)
    if pick is None:
        return None
    purity = question.own("I")
    terms = {} if purity is None else {"I": own_term(purity)}
    if question.is_steam_by_mass:
        enthalpy = enthalpy_of(question)
        if isinstance(enthalpy, Lacking):
            return enthalpy
        terms["H"] = enthalpy
    terms["EF"] = term_of(pick.factor)
    default = pick.basis == "exact" and question.kind.series.startswith(SERIES_WITH_DEFAULTS)
    return question.answer(
        " × ".join(["AD", *terms]), terms, pick.factor, "default" if default else pick.basis,
        provisional=pick.provisional,
    )  # fmt: skip


def _desulphurisation(question: Question) -> Chosen:
    """AD × I × EF × TR (GB/T 32151.34-2024, C.2): limestone as bought, its carbonate content and conversion."""
    names = {"I": "desulphurisation.content", "EF": "carbonate.caco3", "TR": "desulphurisation.conversion"}
    found = {name: question.term(name, series) for name, series in names.items()}
    terms = {name: one[0] for name, one in found.items() if one is not None}
    carbonate = question.pick(names["EF"])
    if len(terms) < len(names) or carbonate is None:
        return None
    return question.answer("AD × I × EF × TR", terms, carbonate.factor, "default")


def _gas_process(question: Question) -> Chosen:
    """AD × EF × GWP: a process that gives off another gas than CO2."""
    emitted = question.term("EF", question.kind.series)
    if emitted is None:
        return None
    term, pick = emitted
    gas = term.unit.partition("/")[0].lstrip("kgt").lower()  # kgN2O/t -> n2o
    warming = question.pick(f"gwp.{question.method.gwp}.{gas}")
    if warming is None:
        return None
    terms = {"EF": term, "GWP": term_of(warming.factor)}
    basis: Basis = "default" if pick else "supplier_specific"
    factor = pick.factor if pick else None
    return question.answer("AD × EF × GWP", terms, factor, basis, gwp=question.method.gwp)


def _gas(question: Question) -> Chosen:
    """AD × GWP: a gas by its mass."""
    warming = question.pick(f"gwp.{question.method.gwp}.{question.kind.series}")
    if warming is None:
        return None
    factor = warming.factor
    term = Term(str(factor.value), "kgCO2e/kg", factor.id, factor.edition)  # the amount is of this very gas
    return question.answer("AD × GWP", {"GWP": term}, factor, "exact", gwp=question.method.gwp)


def _carbon(question: Question) -> Chosen:
    """AD × 44/12: carbon that becomes CO2, or, fixed in a product, does not."""
    return question.answer("AD × 44/12", {}, None, "stoichiometric")


def _measured(question: Question) -> Chosen:
    return question.answer("AD × M", {"M": Term("1", "tCO2/t", "co2.measured")}, None, "measured")


# ActivityKind.calculation -> how its factor is chosen
CHOICES: Mapping[str, Callable[[Question], Chosen]] = {
    "grid": _grid,
    "grid_by_location": _grid_by_location,
    "green": _green,
    "factor": _factor,
    "fuel": _fuel,
    "desulphurisation": _desulphurisation,
    "gas": _gas,
    "gas_process": _gas_process,
    "carbon": _carbon,
    "measured": _measured,
    "energy_only": _energy_only,
}
