"""Factor files: one YAML per publication, read strictly, every problem at once with file and line.

A file says once who published it, when, where it can be read and how well it is sourced; a value may say so for
itself. Nothing loads without unit, validity, publication date and source. `kind` of a value is what it is: it fixes
the dimensions of the unit and a band of plausible sizes, so a slip from kg to g or from 10^4 Nm3 to Nm3 is refused.

Refused are also: two values with one id, two values of one series and region from the same publication day whose
validity overlaps, confidence below B, a validity that ends before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import Document, build, file_text, parse
from gateway.carbon.model import Factor
from gateway.carbon.units import UnknownUnit, read_unit

FOLDERS = ("emission_factors", "energy_factors", "gwp")
OPEN_END = date(9999, 12, 31)  # valid_to of a value that no day ends


@dataclass(frozen=True, slots=True)
class Band:
    """What a kind of value may be: `unit` gives the dimensions, low and high the plausible sizes in it."""

    unit: str
    low: str
    high: str


KINDS: dict[str, Band] = {
    "grid": Band("kgCO2/kWh", "0.01", "1.5"),
    "grid_footprint": Band("kgCO2e/kWh", "0.01", "1.5"),
    "proven_zero": Band("kgCO2/kWh", "0", "0"),  # only ever chosen for a day with evidence
    "heat": Band("tCO2/GJ", "0.02", "0.25"),
    "ncv_by_mass": Band("GJ/t", "5", "60"),
    "ncv_by_volume": Band("GJ/1e4Nm3", "20", "500"),
    "carbon_content": Band("tC/GJ", "0.01", "0.08"),
    "oxidation": Band("%", "50", "100"),
    "fraction": Band("%", "1", "100"),
    "per_mass": Band("tCO2/t", "0.02", "10"),
    "stoichiometric": Band("tCO2/t", "0.1", "4"),
    "per_piece": Band("kgCO2e/piece", "0.0001", "1000000"),
    "per_area": Band("kgCO2e/m2", "0.0001", "10000"),
    "per_volume": Band("kgCO2e/m3", "0.001", "100"),
    "per_energy": Band("tCO2e/GJ", "0.0001", "0.2"),
    "per_tkm": Band("kgCO2e/tkm", "0.001", "5"),
    "per_pkm": Band("kgCO2e/pkm", "0.001", "2"),
    "per_night": Band("kgCO2e/night", "0.5", "300"),
    "ch4_per_mass": Band("kgCH4/t", "0.01", "1000"),
    "n2o_per_mass": Band("kgN2O/t", "0.1", "500"),
    "cf4_per_mass": Band("kgCF4/t", "0.01", "2"),
    "c2f6_per_mass": Band("kgC2F6/t", "0.001", "0.5"),
    "sf6_per_mass": Band("kgSF6/t", "0.1", "10"),
    "gwp_ch4": Band("kgCO2e/kgCH4", "20", "40"),
    "gwp_n2o": Band("kgCO2e/kgN2O", "200", "350"),
    "gwp_cf4": Band("kgCO2e/kgCF4", "5000", "9000"),
    "gwp_c2f6": Band("kgCO2e/kgC2F6", "9000", "14000"),
    "gwp_sf6": Band("kgCO2e/kgSF6", "20000", "27000"),
    "gwp": Band("kgCO2e/kg", "1", "30000"),
    "coal_by_energy": Band("kgce/kWh", "0.1", "0.4"),
    "coal_by_mass": Band("kgce/kg", "0.1", "2"),
    "coal_by_volume": Band("kgce/Nm3", "0.05", "2"),
    "coal_heat_value": Band("MJ/kgce", "29", "30"),
}
Kind = Literal[
    "grid", "grid_footprint", "proven_zero", "heat", "ncv_by_mass", "ncv_by_volume", "carbon_content", "oxidation",
    "fraction", "per_mass", "stoichiometric", "per_piece", "per_area", "per_volume", "per_energy", "per_tkm", "per_pkm",
    "per_night", "ch4_per_mass", "n2o_per_mass", "cf4_per_mass", "c2f6_per_mass", "sf6_per_mass", "gwp_ch4", "gwp_n2o",
    "gwp_cf4", "gwp_c2f6", "gwp_sf6", "gwp", "coal_by_energy", "coal_by_mass", "coal_by_volume", "coal_heat_value",
]  # fmt: skip
Confidence = Literal["A", "B"]


@dataclass(frozen=True, slots=True)
class Title:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Value:
    """One published number; what it leaves out is said by its file."""

    id: str
    series: str
    kind: Kind
    value: Decimal
    unit: str
    name: Title | None = None
    region: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    confidence: Confidence | None = None
    source: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FactorFile:
    """A publication."""

    edition: str  # the file's name without .yaml
    title: Title
    publisher: str
    published_on: date
    source: str
    confidence: Confidence  # A: official text or agreeing copies; B: one copy
    valid_from: date
    factors: tuple[Value, ...]
    valid_to: date | None = None  # first day it is no longer meant for; left out = open
    region: str = "CN"
    names: dict[str, str] = field(default_factory=dict)  # region key -> its name
    note: str = ""


@dataclass(frozen=True, slots=True)
class LoadedFactor:
    """A factor with the words that stand beside it in its file."""

    factor: Factor
    kind: str
    name: Title | None
    region_name: str
    note: str
    file: str
    line: int


def load_factor_files(config_dir: Path) -> list[LoadedFactor]:
    """All values of all factor files; raises ConfigurationError with every problem in every file."""
    problems: list[Problem] = []
    loaded: list[LoadedFactor] = []
    files = [path for folder in FOLDERS for path in sorted((config_dir / folder).glob("*.yaml"))]
    if not files:
        problems.append(Problem(f"has no factor files in {', '.join(FOLDERS)}", str(config_dir)))
    for path in files:
        loaded += read_factor_file(path, problems)
    problems += clashes(loaded)
    if problems:
        raise ConfigurationError(problems)
    return loaded


def parsed(path: Path, problems: list[Problem]) -> Document | None:
    """A file as YAML; None, and why in `problems`, if it cannot be read."""
    try:
        return parse(file_text(path), str(path))
    except ConfigurationError as error:
        problems += error.problems
    return None


def read_factor_file(path: Path, problems: list[Problem]) -> list[LoadedFactor]:
    """The values of one file; adds what is wrong with it to `problems`."""
    document = parsed(path, problems)
    file = None if document is None else build(document, FactorFile, problems)
    if document is None or file is None:
        return []
    if file.edition != path.stem:
        problems.append(document.problem(("edition",), f"must be the file's name, {path.stem}"))
    return [_loaded(file, index, document, problems) for index in range(len(file.factors))]


def _loaded(file: FactorFile, index: int, document: Document, problems: list[Problem]) -> LoadedFactor:
    value = file.factors[index]
    place = ("factors", index)
    factor = Factor(
        id=value.id,
        series=value.series,
        region=value.region or file.region,
        valid_from=value.valid_from or file.valid_from,
        valid_to=value.valid_to or file.valid_to or OPEN_END,
        published_on=file.published_on,
        value=value.value,
        unit=value.unit,
        source=file.source if value.source is None else value.source,
        edition=file.edition,
        confidence=value.confidence or file.confidence,
    )
    problems += [document.problem((*place, key), message) for key, message in _wrongs(factor, value.kind)]
    if factor.region != file.region and factor.region not in file.names:
        problems.append(document.problem((*place, "region"), f"add {factor.region} with its name to `names`"))
    region_name = file.names.get(factor.region, factor.region)
    line = document.lines.get(place, 0)
    return LoadedFactor(factor, value.kind, value.name, region_name, value.note, document.file, line)


def _wrongs(factor: Factor, kind: str) -> list[tuple[str, str]]:
    """(key, what is wrong) of one value."""
    wrongs = []
    if factor.valid_to <= factor.valid_from:
        wrongs.append(("valid_to", f"ends on {factor.valid_to}, not after it begins on {factor.valid_from}"))
    if not factor.source.strip():
        wrongs.append(("source", "must say where the value was published"))
    band = KINDS[kind]
    try:
        unit, wanted = read_unit(factor.unit), read_unit(band.unit)
    except UnknownUnit as error:
        return [*wrongs, ("unit", str(error))]
    if unit.dimensions != wanted.dimensions:
        return [*wrongs, ("unit", f"{factor.unit} is no unit of a {kind} value: give it in {band.unit} or the like")]
    size = Fraction(factor.value) * unit.scale / wanted.scale
    if not Fraction(band.low) <= size <= Fraction(band.high):
        same = "" if factor.unit == band.unit else f" ({float(size):.6g} {band.unit})"
        message = (
            f"{factor.value} {factor.unit}{same} is outside of {band.low} to {band.high} {band.unit} "
            f"for a {kind} value: check the unit"
        )
        wrongs.append(("value", message))
    return wrongs


def clashes(loaded: Iterable[LoadedFactor]) -> list[Problem]:
    """Values with one id, or of one series whose validity overlaps without one replacing the other."""
    problems: list[Problem] = []
    by_id: dict[str, LoadedFactor] = {}
    by_series: dict[tuple[str, str, date], list[LoadedFactor]] = {}
    for one in loaded:
        first = by_id.setdefault(one.factor.id, one)
        if first is not one:
            message = f"{one.factor.id} stands already in {first.file}, line {first.line}"
            problems.append(Problem(message, one.file, one.line, "id"))
        key = one.factor.series, one.factor.region, one.factor.published_on
        for other in by_series.setdefault(key, []):
            if (
                one.factor.valid_from < other.factor.valid_to
                and other.factor.valid_from < one.factor.valid_to
                and first is one
            ):
                message = (
                    f"{one.factor.id} overlaps {other.factor.id} of the same series, region and publication day "
                    f"({other.file}, line {other.line}): make their validity disjoint"
                )
                problems.append(Problem(message, one.file, one.line, "valid_from"))
        by_series[key].append(one)
    return problems
