"""Which published factor a day's activity is multiplied with, and why.

What stays true:
- A factor is used only from its publication day on: what is booked as of a day uses what was known on it.
- A year that has no edition yet is booked with the latest older one, marked provisional; when the right edition
  appears, choosing again gives it, and the ledger posts the difference.
- Series are never mixed: the account's method names the electricity series, the fuel set and the GWP set.
- Where nothing fits there is a MissingFactor with a sentence, never a factor of zero. Zero is chosen only for green
  power whose day is covered by evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from gateway.carbon.activities import ACTIVITIES, ActivityKind
from gateway.carbon.factor_files import LoadedFactor, load_factor_files
from gateway.carbon.formula import per_unit, shown
from gateway.carbon.model import Activity, Basis, ChosenFactor, Factor, Finding, Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, WrongDimensions, read_unit
from gateway.registry.model import Method

NATIONAL = "CN"
ELECTRICITY_SERIES = {"national": "grid.national", "provincial": "grid.provincial"}
MAX_CHOSEN = 50_000  # choices remembered
SERIES_WITH_DEFAULTS = ("process.", "material.")  # general defaults, not the plant's or supplier's own figures

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
}


@dataclass(frozen=True, slots=True)
class MissingFactor:
    """Nothing to multiply with: a hole in the account that can be seen."""

    kind: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class _Pick:
    """A factor of a series for a day."""

    factor: Factor
    basis: Basis
    provisional: bool


@dataclass(frozen=True)
class FactorBook:
    """All factors that are shipped or added."""

    loaded: tuple[LoadedFactor, ...]

    @classmethod
    def load(cls, config_dir: Path) -> FactorBook:
        """Read the factor files below `config_dir`; raises ConfigurationError with every problem in them."""
        return cls(tuple(load_factor_files(config_dir)))

    @cached_property
    def factors(self) -> dict[str, Factor]:
        """id -> Factor."""
        return {one.factor.id: one.factor for one in self.loaded}

    @cached_property
    def _by_series(self) -> dict[tuple[str, str], tuple[LoadedFactor, ...]]:
        found: dict[tuple[str, str], list[LoadedFactor]] = {}
        for one in self.loaded:
            found.setdefault((one.factor.series, one.factor.region), []).append(one)
        return {key: tuple(values) for key, values in found.items()}

    @cached_property
    def _chosen(self) -> dict[tuple[object, ...], ChosenFactor | MissingFactor]:
        """Choices already made: sources of a park ask the same questions. Bounded by MAX_CHOSEN."""
        return {}

    @cached_property
    def fuel_sets(self) -> frozenset[str]:
        """Names that `method.fuel_set` may have."""
        return frozenset(series.split(".")[0] for series, _ in self._by_series if series.endswith(".ncv"))

    @cached_property
    def notes(self) -> dict[str, str]:
        """id -> the remark beside the value in its file, where there is one."""
        return {one.factor.id: one.note for one in self.loaded if one.note}

    def pick(self, series: str, region: str, day: date, as_of: date) -> _Pick | None:
        """The newest published value for the day; else the latest one for an earlier time, provisional."""
        known = [one.factor for one in self._by_series.get((series, region), ()) if one.factor.published_on <= as_of]
        exact = [factor for factor in known if factor.valid_from <= day < factor.valid_to]
        if exact:
            return _Pick(max(exact, key=lambda factor: factor.published_on), "exact", False)
        older = [factor for factor in known if factor.valid_to <= day]
        if older:
            return _Pick(max(older, key=lambda f: (f.valid_to, f.published_on)), "older_edition", True)
        return None

    def choose(self, activity: Activity, method: Method, as_of: date) -> ChosenFactor | MissingFactor:
        """The factor of an activity for its day, with what was published on or before `as_of`."""
        named = activity.factor_override
        question = (activity.kind, activity.unit, activity.region, activity.day, activity.evidenced, named)
        key = (*question, method, as_of)
        chosen = self._chosen.get(key)
        if chosen is None:
            if len(self._chosen) >= MAX_CHOSEN:
                self._chosen.clear()
            chosen = self._chosen[key] = self._choose(activity, method, as_of)
        return chosen

    def _choose(self, activity: Activity, method: Method, as_of: date) -> ChosenFactor | MissingFactor:
        kind = ACTIVITIES[activity.kind]
        if activity.unit not in kind.units:
            return MissingFactor(
                activity.kind,
                f"{kind.zh}不能以 {activity.unit} 计量,应为 {'、'.join(kind.units)}。",
                f"{kind.en} cannot be given in {activity.unit}: use {', '.join(kind.units)}.",
            )
        question = _Question(self, activity, kind, method, as_of)
        chosen = question.overridden() if activity.factor_override else CHOICES[kind.calculation](question)
        return question.missing() if chosen is None else chosen


@dataclass(frozen=True, slots=True)
class _Question:
    """One activity that needs a factor."""

    book: FactorBook
    activity: Activity
    kind: ActivityKind
    method: Method
    as_of: date

    def pick(self, series: str, region: str = NATIONAL) -> _Pick | None:
        return self.book.pick(series, region, self.activity.day, self.as_of)

    def missing(self) -> MissingFactor:
        """The sentence for a day that nothing fits."""
        wanted = self.activity.factor_override or self.kind.series or self.kind.kind
        day = self.activity.day
        return MissingFactor(
            self.kind.kind,
            f"没有可用于 {day} 的{self.kind.zh}因子({wanted}):该日未计入,请补充有出处的因子。",
            f"No factor ({wanted}) for {self.kind.en} on {day} was published by {self.as_of}: the day is not booked. "
            "Add one with its source (docs/adding-a-factor.md), or name a supplier's factor at the source.",
        )

    def overridden(self) -> ChosenFactor | None:
        factor = self.book.factors.get(self.activity.factor_override or "")
        if factor is None or factor.published_on > self.as_of:
            return None
        try:
            return self.answer("AD × EF", {"EF": term_of(factor)}, factor, "supplier_specific")
        except WrongDimensions:
            return None

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
    ) -> ChosenFactor:
        """The choice with the energy side beside it."""
        energy_formula, energy_terms = _energy(self)
        unit = self.activity.unit
        grams_coal = per_unit(energy_formula, energy_terms, unit, GRAM_STANDARD_COAL) if energy_formula else None
        notes = [self.book.notes[term.factor] for term in terms.values() if term.factor in self.book.notes]
        return ChosenFactor(
            id=factor_id or (factor.id if factor else self.kind.kind),
            edition=factor.edition if factor else "",
            basis=basis,
            formula=formula,
            terms=terms,
            g_per_unit=shown(per_unit(formula, terms, unit, GRAM_CO2E)),
            gce_per_unit=shown(grams_coal or read_unit("1").scale * 0),
            gwp=gwp,
            provisional=provisional,
            note=" ".join(dict.fromkeys(notes)),
            energy_formula=energy_formula,
            energy_terms=energy_terms,
            doubts=doubts,
        )


def term_of(factor: Factor) -> Term:
    """A factor as a term of a formula, with the digits as published."""
    return Term(str(factor.value), factor.unit, factor.id, factor.edition)


def findings_of(activity: Activity, chosen: ChosenFactor, at_ms: int) -> list[Finding]:
    """What should be known about a choice, as findings of its source at the beginning of its day."""
    values = {"activity": activity.kind, "factor": chosen.id, "day": activity.day.isoformat()}
    return [
        Finding(name, activity.enterprise, activity.source, at_ms, "warning", values, *DOUBTS[name])
        for name in chosen.doubts
    ]


# --- how each kind of calculation chooses ---------------------------------------------------------------------------


def _grid(question: _Question, doubts: tuple[str, ...] = ()) -> ChosenFactor | None:
    """The method's electricity series; a province without a value falls back to the nation."""
    series = ELECTRICITY_SERIES.get(question.method.electricity)
    if series is None:
        return None
    region = NATIONAL if series == "grid.national" else question.activity.region
    pick = question.pick(series, region)
    if pick is None and region != NATIONAL:
        national = question.pick(ELECTRICITY_SERIES["national"])
        pick = national and _Pick(national.factor, "regional_fallback", national.provisional)
    if pick is None:
        return None
    terms = {"EF": term_of(pick.factor)}
    return question.answer("AD × EF", terms, pick.factor, pick.basis, provisional=pick.provisional, doubts=doubts)


def _green(question: _Question) -> ChosenFactor | None:
    """Zero with evidence for the day (GB/T 32150-2025; GB/T 32151.34-2024, C.3); without it the grid factor."""
    if not question.activity.evidenced:
        return _grid(question, ("source.evidence_missing",))
    pick = question.pick("grid.proven_nonfossil")
    if pick is None:
        return None
    return question.answer("AD × EF", {"EF": term_of(pick.factor)}, pick.factor, "zero_with_evidence")


def _factor(question: _Question) -> ChosenFactor | None:
    pick = question.pick(question.kind.series)
    if pick is None:
        return None
    default = pick.basis == "exact" and question.kind.series.startswith(SERIES_WITH_DEFAULTS)
    basis: Basis = "default" if default else pick.basis
    return question.answer("AD × EF", {"EF": term_of(pick.factor)}, pick.factor, basis, provisional=pick.provisional)


def _fuel(question: _Question) -> ChosenFactor | None:
    """AD × NCV × CC × OF × 44/12 (GB/T 32151 family). Gas in m3 goes through a visible 1 Nm3/m3."""
    stem = f"{question.method.fuel_set}.{question.kind.series}"
    picks = {name: question.pick(f"{stem}.{name.lower()}") for name in ("NCV", "CC", "OF")}
    found = [pick for pick in picks.values() if pick is not None]
    if len(found) < len(picks):
        return None
    conditions, terms = _gas_conditions(question.activity.unit)
    terms |= {name: term_of(pick.factor) for name, pick in picks.items() if pick is not None}
    return question.answer(
        f"AD{conditions} × NCV × CC × OF × 44/12",
        terms,
        found[0].factor,
        found[0].basis,
        provisional=any(pick.provisional for pick in found),
        doubts=("source.gas_conditions_assumed",) if conditions else (),
        factor_id=stem,
    )


def _gas_conditions(unit: str) -> tuple[str, dict[str, Term]]:
    """The term that takes m3 as metered for Nm3, where it is needed."""
    if "volume" not in read_unit(unit).dimensions:
        return "", {}
    return " × VN", {"VN": Term("1", "Nm3/m3", "", "assumed: metered at normal conditions")}


def _desulphurisation(question: _Question) -> ChosenFactor | None:
    """AD × I × EF × TR (GB/T 32151.34-2024, C.2): limestone as bought, its carbonate content and conversion."""
    names = {"I": "desulphurisation.content", "EF": "carbonate.caco3", "TR": "desulphurisation.conversion"}
    picks = {name: question.pick(series) for name, series in names.items()}
    terms = {name: term_of(pick.factor) for name, pick in picks.items() if pick is not None}
    if len(terms) < len(names) or picks["EF"] is None:
        return None
    return question.answer("AD × I × EF × TR", terms, picks["EF"].factor, "default")


def _gas_process(question: _Question) -> ChosenFactor | None:
    """AD × EF × GWP: a process that gives off another gas than CO2."""
    emitted = question.pick(question.kind.series)
    if emitted is None:
        return None
    gas = emitted.factor.unit.split("/")[0].removeprefix("kg").lower()  # kgN2O/t -> n2o
    warming = question.pick(f"gwp.{question.method.gwp}.{gas}")
    if warming is None:
        return None
    terms = {"EF": term_of(emitted.factor), "GWP": term_of(warming.factor)}
    return question.answer("AD × EF × GWP", terms, emitted.factor, "default", gwp=question.method.gwp)


def _measured(question: _Question) -> ChosenFactor:
    return question.answer("AD × M", {"M": Term("1", "tCO2/t", "co2.measured")}, None, "measured")


# ActivityKind.calculation -> how its factor is chosen
CHOICES: Mapping[str, Callable[[_Question], ChosenFactor | None]] = {
    "grid": _grid,
    "green": _green,
    "factor": _factor,
    "fuel": _fuel,
    "desulphurisation": _desulphurisation,
    "gas_process": _gas_process,
    "measured": _measured,
}


def _energy(question: _Question) -> tuple[str, dict[str, Term]]:
    """The standard-coal side (GB/T 2589-2020): its coefficient, or for other fuels the heat value ÷ 29.3076 MJ/kgce."""
    if not question.kind.energy:
        return "", {}
    conditions, terms = _gas_conditions(question.activity.unit)
    pick = question.pick(question.kind.energy)
    if pick is not None:
        return f"AD{conditions} × SC", {**terms, "SC": term_of(pick.factor)}
    heat_value = question.pick(f"{question.method.fuel_set}.{question.kind.series}.ncv")
    coal = question.pick("coal_equivalent.heat_value")
    if heat_value is None or coal is None:
        return "", {}
    return f"AD{conditions} × NCV ÷ QCE", {**terms, "NCV": term_of(heat_value.factor), "QCE": term_of(coal.factor)}
