"""One activity that needs a factor: what is known of it, and how an answer is put together.

What stays true: an answer's units give grams of CO2e, or it is none. Its energy side (GB/T 2589-2020) comes with it;
the basis says so where the plant's own laboratory gave a number of the formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Protocol

from gateway.carbon.activities import ActivityKind
from gateway.carbon.formula import per_unit, shown
from gateway.carbon.model import Activity, Basis, ChosenFactor, Factor, MissingFactor, OwnValue, Side, Term
from gateway.carbon.steam import FEED_WATER_KJ_PER_KG, SteamTable
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, read_unit
from gateway.registry.model import Method

NATIONAL = "CN"
NONE = Fraction(0)
ANALYSED = frozenset({"NCV", "CC", "OF", "W", "I", "TR", "H"})  # a laboratory's numbers; a density is only a conversion


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a calculation needs and does not have."""

    zh: str
    en: str


NO_DENSITY = Lacking(
    "以体积给出的液体燃料需要密度：请在该排放源的 analyses 中登记 density（如 0.84 kg/L）",
    "a liquid given by volume needs its density: give the source `analyses` with a density, such as 0.84 kg/L",
)
NO_ENTHALPY = Lacking(
    "以质量给出的蒸汽需要焓：请在该排放源的 analyses 中登记 steam_pressure（绝压）与 steam_temperature，或 enthalpy",
    (
        "steam given by mass needs its enthalpy: give the source `analyses` with its steam_pressure (absolute) and "
        "steam_temperature, or an enthalpy in kJ/kg"
    ),
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

    @property
    def grid_of(self) -> Mapping[str, str]: ...

    @property
    def steam(self) -> SteamTable: ...

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
                f"{day} 的{self.kind.zh}未计入：{lacking.zh}。",
                f"{self.kind.en} on {day} is not booked: {lacking.en}.",
            )
        return MissingFactor(
            self.kind.kind,
            f"没有可用于 {day} 的{self.kind.zh}因子（{wanted}）：该日未计入，请补充有出处的因子。",
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
        energy_formula, energy_terms = energy_of(self)
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
    def is_steam_by_mass(self) -> bool:
        return self.kind.series == "heat" and self.dimension == "mass"

    @property
    def dimension(self) -> str:
        """Of the activity's amount: mass, energy, volume, normal_volume …"""
        return next(iter(read_unit(self.activity.unit).dimensions), "")


def term_of(factor: Factor) -> Term:
    """A factor as a term of a formula, with the digits as published."""
    return Term(str(factor.value), factor.unit, factor.id, factor.edition)


def own_term(own: OwnValue) -> Term:
    """An own number as a term: no factor's id, the document in the place of the edition."""
    return Term(own.value, own.unit, "", own.document)


def enthalpy_of(question: Question) -> Term | Lacking:
    """What steam given by mass carries: as measured, else out of the tables by its stated pressure and temperature."""
    own, pressure, temperature = (question.own(name) for name in ("H", "P", "T"))
    if own is not None:
        return own_term(own)
    if pressure is None:
        return NO_ENTHALPY
    degc = None if temperature is None else temperature.value
    steam = question.book.steam
    heat = steam.heat_kj_per_kg(pressure.value, pressure.unit, degc)
    if heat is None:
        problem = steam.conditions_problem(pressure.value, pressure.unit, degc)
        return Lacking(f"蒸汽表中没有 {pressure.value} {pressure.unit}、{degc or '饱和'} 的焓", str(problem))
    state = "saturated" if degc is None else f"{degc} degC"
    documents = dict.fromkeys(own.document for own in (pressure, temperature) if own is not None)
    taken = f"at {pressure.value} {pressure.unit}, {state}, less {FEED_WATER_KJ_PER_KG} kJ/kg of the feed water"
    return Term(f"{heat:f}", "kJ/kg", "", f"{' and '.join(steam.editions)} {taken}; {', '.join(documents)}")


FuelStart = tuple[str, dict[str, Term], tuple[str, ...]]  # formula, terms, doubts


def amount_of_fuel(question: Question) -> FuelStart | Lacking:
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


def energy_of(question: Question) -> tuple[str, dict[str, Term]]:
    """The standard-coal side (GB/T 2589-2020).

    A measured heat value comes first, then the coefficient, then the fuel set's heat value; ÷ 29.3076 MJ/kgce.
    """
    if not question.kind.energy:
        return "", {}
    coal = question.pick("coal_equivalent.heat_value")
    is_fuel = question.kind.calculation in ("fuel", "energy_only")
    if is_fuel and question.dimension == "energy":
        return ("AD ÷ QCE", {"QCE": term_of(coal.factor)}) if coal else ("", {})
    start = amount_of_fuel(question) if is_fuel else ("AD", {}, ())
    if isinstance(start, Lacking):
        return "", {}
    formula, terms, _ = start
    if question.is_steam_by_mass:
        enthalpy = enthalpy_of(question)
        if isinstance(enthalpy, Lacking):
            return "", {}
        formula, terms = f"{formula} × H", {**terms, "H": enthalpy}
    pick = question.pick(question.kind.energy)
    if pick is not None and question.own("NCV") is None:
        return f"{formula} × SC", {**terms, "SC": term_of(pick.factor)}
    heat_value = question.term("NCV", f"{question.method.fuel_set}.{question.kind.series}.ncv") if is_fuel else None
    if heat_value is None or coal is None:
        return "", {}
    return f"{formula} × NCV ÷ QCE", {**terms, "NCV": heat_value[0], "QCE": term_of(coal.factor)}
