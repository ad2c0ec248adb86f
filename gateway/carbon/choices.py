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
from datetime import date
from fractions import Fraction
from typing import Protocol

from gateway.carbon.activities import ActivityKind
from gateway.carbon.formula import per_unit, shown
from gateway.carbon.model import Activity, Basis, ChosenFactor, Factor, Finding, MissingFactor, OwnValue, Side, Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, UnknownUnit, WrongDimensions, read_unit
from gateway.registry.model import Method

NATIONAL = "CN"
NONE = Fraction(0)
# What a method may name -> series; those of NATIONAL_SERIES have one value for the nation.
ELECTRICITY_SERIES = {
    "national": "grid.national",
    "provincial": "grid.provincial",
    "national_without_traded_nonfossil": "grid.national_without_traded_nonfossil",
}
NATIONAL_SERIES = frozenset({"grid.national", "grid.national_without_traded_nonfossil"})
SERIES_WITH_DEFAULTS = ("process.", "material.")  # general defaults, not the plant's or supplier's own figures
ANALYSED = frozenset({"NCV", "CC", "OF", "W", "I", "TR", "H"})  # a laboratory's numbers; a density is only a conversion

# What a choice may rest on that somebody should know: name -> (zh, en).
DOUBTS: dict[str, tuple[str, str]] = {
    "source.evidence_missing": (
        "绿色电力缺少覆盖该日的凭证(绿证、合同或结算单),按电网因子计入。",
        "No certificate, contract or settlement covers this day's green power; it is booked with the grid factor.",
    ),
    "source.gas_conditions_assumed": (
        "气量以工况立方米给出,暂按标准状态(0 °C、101.325 kPa)计算;请接入标况流量或登记换算。",
        (
            "The gas volume is in m3 at the meter's conditions and was taken as normal (0 °C, 101.325 kPa); connect "
            "the converted volume (gas_volume_normal) to be exact."
        ),
    ),
    "source.footprint_expired": (
        "登记的供应商因子不覆盖该日,暂按通用缺省值计入;请更新供应商声明。",
        "No supplier's footprint of this source covers this day; it is booked with the general default. Renew it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a calculation needs and does not have."""

    zh: str
    en: str


NO_DENSITY = Lacking(
    "以体积给出的液体燃料需要密度:请在该排放源的 analyses 中登记 density(如 0.84 kg/L)",
    "a liquid given by volume needs its density: give the source `analyses` with a density, such as 0.84 kg/L",
)
NO_ENTHALPY = Lacking(
    "以质量给出的蒸汽需要焓:请在该排放源的 analyses 中登记 enthalpy(kJ/kg)",
    "steam given by mass needs its enthalpy: give the source `analyses` with an enthalpy in kJ/kg",
)


@dataclass(frozen=True, slots=True)
class Pick:
    """A factor of a series for a day."""

    factor: Factor
    basis: Basis
    provisional: bool


class Book(Protocol):
    """What a choice asks of `gateway.carbon.factors.FactorBook`."""

    @property
    def factors(self) -> Mapping[str, Factor]: ...

    @property
    def notes(self) -> Mapping[str, str]: ...

    def pick(self, series: str, region: str, day: date, as_of: date) -> Pick | None: ...


@dataclass(frozen=True, slots=True)
class Question:
    """One activity that needs a factor."""

    book: Book
    activity: Activity
    kind: ActivityKind
    method: Method
    as_of: date

    def pick(self, series: str, region: str = NATIONAL) -> Pick | None:
        return self.book.pick(series, region, self.activity.day, self.as_of)

    def own(self, term: str) -> OwnValue | None:
        """The plant's or supplier's own number for this day."""
        return next((own for own in self.activity.own if own.term == term), None)

    def term(self, name: str, series: str) -> tuple[Term, Pick | None] | None:
        """An own number if there is one, else the published one."""
        own = self.own(name)
        if own is not None:
            return own_term(own), None
        pick = self.pick(series)
        return None if pick is None else (term_of(pick.factor), pick)

    def missing(self, lacking: Lacking | None = None) -> MissingFactor:
        """The sentence for a day that nothing fits."""
        wanted = self.activity.factor_override or self.kind.series or self.kind.kind
        day = self.activity.day
        if lacking is not None:
            return MissingFactor(
                self.kind.kind,
                f"{day} 的{self.kind.zh}未计入:{lacking.zh}。",
                f"{self.kind.en} on {day} is not booked: {lacking.en}.",
            )
        return MissingFactor(
            self.kind.kind,
            f"没有可用于 {day} 的{self.kind.zh}因子({wanted}):该日未计入,请补充有出处的因子。",
            f"No factor ({wanted}) for {self.kind.en} on {day} was published by {self.as_of}: the day is not booked. "
            "Add one with its source (docs/adding-a-factor.md), or name a supplier's factor at the source.",
        )

    def answer(
        self,
        formula: str,
        terms: dict[str, Term],
        factor: Factor | None,
        basis: Basis,
        *,
        provisional: bool = False,
        doubts: tuple[str, ...] = (),
        factor_id: str = "",
        gwp: str = "",
        sides: dict[str, Side] | None = None,
    ) -> ChosenFactor:
        """The choice with the energy side beside it. Raises WrongDimensions if the units do not give grams."""
        energy_formula, energy_terms = _energy(self)
        unit = self.activity.unit
        grams_coal = per_unit(energy_formula, energy_terms, unit, GRAM_STANDARD_COAL) if energy_formula else None
        notes = [self.book.notes[term.factor] for term in terms.values() if term.factor in self.book.notes]
        expired = ("source.footprint_expired",) if self.activity.footprint_expired else ()
        return ChosenFactor(
            id=factor_id or (factor.id if factor else self.kind.kind),
            edition=factor.edition if factor else "",
            basis="own_analysis" if any(own.term in terms for own in self.analysed) else basis,
            formula=formula,
            terms=terms,
            g_per_unit=shown(per_unit(formula, terms, unit, GRAM_CO2E) if formula else NONE),
            gce_per_unit=shown(grams_coal or NONE),
            gwp=gwp,
            provisional=provisional,
            note=" ".join(dict.fromkeys(notes)),
            energy_formula=energy_formula,
            energy_terms=energy_terms,
            doubts=(*doubts, *expired),
            sides=sides or {},
        )

    @property
    def analysed(self) -> list[OwnValue]:
        return [own for own in self.activity.own if own.term in ANALYSED]

    @property
    def dimension(self) -> str:
        """Of the activity's amount: mass, energy, volume, normal_volume …"""
        return next(iter(read_unit(self.activity.unit).dimensions), "")


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


def term_of(factor: Factor) -> Term:
    """A factor as a term of a formula, with the digits as published."""
    return Term(str(factor.value), factor.unit, factor.id, factor.edition)


def own_term(own: OwnValue) -> Term:
    """An own number as a term: no factor's id, the document in the place of the edition."""
    return Term(own.value, own.unit, "", own.document)


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
    """A method's electricity series; a province without a value falls back to the nation."""
    series = ELECTRICITY_SERIES.get(name)
    if series is None:
        return None
    region = NATIONAL if series in NATIONAL_SERIES else question.activity.region
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
    start = _amount_of_fuel(question)
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


_Start = tuple[str, dict[str, Term], tuple[str, ...]]  # formula, terms, doubts


def _amount_of_fuel(question: Question) -> _Start | Lacking:
    """The amount in what the heat value refers to: gas in m3 through a visible 1 Nm3/m3, liquid through a density."""
    if question.dimension != "volume":
        return "AD", {}, ()
    if "Nm3" in question.kind.units:
        vn = Term("1", "Nm3/m3", "", "assumed: metered at normal conditions")
        return "AD × VN", {"VN": vn}, ("source.gas_conditions_assumed",)
    density = question.own("RHO")
    if density is None:
        return NO_DENSITY
    return "AD × RHO", {"RHO": own_term(density)}, ()


def _energy_only(question: Question) -> Chosen:
    """No emission of its own: it is in the stack's measurement. Without an energy side there is nothing to book."""
    start = _amount_of_fuel(question)
    if isinstance(start, Lacking):
        return start
    if not _energy(question)[0]:
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
    extra = {name: found for name in ("I", "H") if (found := question.own(name)) is not None}
    if question.kind.series == "heat" and question.dimension == "mass" and "H" not in extra:
        return NO_ENTHALPY
    default = pick.basis == "exact" and question.kind.series.startswith(SERIES_WITH_DEFAULTS)
    terms = {**{name: own_term(found) for name, found in extra.items()}, "EF": term_of(pick.factor)}
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


def _energy(question: Question) -> tuple[str, dict[str, Term]]:
    """The standard-coal side (GB/T 2589-2020).

    A measured heat value comes first, then the coefficient, then the fuel set's heat value; ÷ 29.3076 MJ/kgce.
    """
    if not question.kind.energy:
        return "", {}
    coal = question.pick("coal_equivalent.heat_value")
    is_fuel = question.kind.calculation in ("fuel", "energy_only")
    if is_fuel and question.dimension == "energy":
        return ("AD ÷ QCE", {"QCE": term_of(coal.factor)}) if coal else ("", {})
    start = _amount_of_fuel(question) if is_fuel else ("AD", {}, ())
    if isinstance(start, Lacking):
        return "", {}
    formula, terms, _ = start
    enthalpy = question.own("H")
    if enthalpy is not None:
        formula, terms = f"{formula} × H", {**terms, "H": own_term(enthalpy)}
    pick = question.pick(question.kind.energy)
    if pick is not None and question.own("NCV") is None:
        return f"{formula} × SC", {**terms, "SC": term_of(pick.factor)}
    heat_value = question.term("NCV", f"{question.method.fuel_set}.{question.kind.series}.ncv") if is_fuel else None
    if heat_value is None or coal is None:
        return "", {}
    return f"{formula} × NCV ÷ QCE", {**terms, "NCV": heat_value[0], "QCE": term_of(coal.factor)}
