"""Refrigerant blends: their GWP in every set, out of what they are made of by mass.

Nobody publishes a GWP of a blend as a value of its own; the IPCC has it as the mean of its components by mass (2006
Guidelines, volume 3, chapter 7, table 7.8). So compositions are data in `config/refrigerant_blends`, and each set of
GWPs in `config/gwp` gives a value per blend, exact to the last digit.

What stays true: parts add up to exactly 100 %; a component without a GWP in one of the sets is an error when the files
are loaded, never a zero. Limits: nominal compositions; what leaks from a zeotropic blend may differ from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import Document, build
from gateway.carbon.factor_files import Confidence, LoadedFactor, Title, parsed

FOLDER = "refrigerant_blends"
WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True)
class Blend:
    """One blend."""

    id: str  # as series name it: r-410a
    designation: str  # of ASHRAE 34: R-410A
    mass_percent: dict[str, Decimal]  # gas as series name it, such as hfc-32 -> its part


@dataclass(frozen=True, slots=True)
class BlendFile:
    """Compositions from one publication."""

    edition: str  # the file's name without .yaml
    title: Title
    source: str
    confidence: Confidence
    blends: tuple[Blend, ...]


def load_blends(config_dir: Path, loaded: Sequence[LoadedFactor]) -> list[LoadedFactor]:
    """A GWP per blend and set of `loaded`; raises ConfigurationError with every problem in every file."""
    problems: list[Problem] = []
    found: list[LoadedFactor] = []
    seen: dict[str, str] = {}
    sets = _sets(loaded)
    for path in sorted((config_dir / FOLDER).glob("*.yaml")):
        found += _read(path, sets, seen, problems)
    if problems:
        raise ConfigurationError(problems)
    return found


def read_blend_file(path: Path, loaded: Sequence[LoadedFactor], problems: list[Problem]) -> list[LoadedFactor]:
    """A GWP per blend of one file and set of `loaded`; adds what is wrong with it to `problems`."""
    return _read(path, _sets(loaded), {}, problems)


def _read(
    path: Path, sets: dict[str, dict[str, LoadedFactor]], seen: dict[str, str], problems: list[Problem]
) -> list[LoadedFactor]:
    document = parsed(path, problems)
    file = None if document is None else build(document, BlendFile, problems)
    if document is None or file is None:
        return []
    wrongs = list(_wrongs(file, path.stem, document, sets, seen))
    problems += wrongs
    return [] if wrongs else list(_values(file, document, sets))


def _sets(loaded: Iterable[LoadedFactor]) -> dict[str, dict[str, LoadedFactor]]:
    """Set of GWPs -> gas -> its value."""
    sets: dict[str, dict[str, LoadedFactor]] = {}
    for one in loaded:
        head, _, rest = one.factor.series.partition(".")
        name, _, gas = rest.partition(".")
        if head == "gwp":
            sets.setdefault(name, {})[gas] = one
    return sets


def _wrongs(
    file: BlendFile, stem: str, document: Document, sets: dict[str, dict[str, LoadedFactor]], seen: dict[str, str]
) -> Iterator[Problem]:
    if file.edition != stem:
        yield document.problem(("edition",), f"must be the file's name, {stem}")
    if not file.source.strip():
        yield document.problem(("source",), "must say where the compositions were published")
    for index, blend in enumerate(file.blends):
        place = ("blends", index)
        first = seen.setdefault(blend.id, f"{document.file}, line {document.lines.get(place, 0)}")
        if first != f"{document.file}, line {document.lines.get(place, 0)}":
            yield document.problem((*place, "id"), f"{blend.id} stands already in {first}")
        parts = (*place, "mass_percent")
        total = sum(blend.mass_percent.values())
        if total != WHOLE or any(part <= 0 for part in blend.mass_percent.values()):
            yield document.problem(parts, f"parts must be above 0 and add up to 100 %, not {total}")
        for gas in blend.mass_percent:
            lacking = [name for name, gases in sorted(sets.items()) if gas not in gases]
            if lacking:
                yield document.problem(
                    (*parts, gas),
                    f"{gas} of {blend.designation} has no GWP in {', '.join(lacking)}: add gwp.{lacking[0]}.{gas} with "
                    "its source in config/gwp, or leave the blend out",
                )


def _values(file: BlendFile, document: Document, sets: dict[str, dict[str, LoadedFactor]]) -> Iterator[LoadedFactor]:
    for name, gases in sorted(sets.items()):
        for index, blend in enumerate(file.blends):
            parts = [(gases[gas], percent) for gas, percent in blend.mass_percent.items()]
            yield _value(file, blend, f"gwp.{name}.{blend.id}", parts, document.lines.get(("blends", index), 0))


def _value(
    file: BlendFile, blend: Blend, name: str, parts: Sequence[tuple[LoadedFactor, Decimal]], line: int
) -> LoadedFactor:
    first = parts[0][0]
    total = sum((one.factor.value * percent for one, percent in parts), Decimal(0)).scaleb(-2)
    factor = replace(
        first.factor,
        id=name,
        series=name,
        value=_plain(total),
        unit="kgCO2e/kg",
        published_on=max(one.factor.published_on for one, _ in parts),
        source=f"{first.factor.source}; composition: {file.source}",
        confidence=max(file.confidence, *(one.factor.confidence for one, _ in parts)),  # B is weaker than A
    )
    made_of = " + ".join(f"{_plain(percent)} % {one.name.en if one.name else one.factor.id}" for one, percent in parts)
    return LoadedFactor(
        factor,
        "gwp",
        Title(blend.designation, blend.designation),
        first.region_name,
        f"{blend.designation} = {made_of} by mass",
        file.edition,
        line,
    )


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent."""
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
