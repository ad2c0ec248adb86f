"""Account methods as data: which electricity series, fuel set and GWP an account uses, and what its totals count.

One YAML file per method in `config/methods`, read strictly, every problem at once. The registry names a file, or
writes the same choices out; either way it keeps what was chosen when it was applied, so an edited file changes no
account until the registry is applied again.

What stays true: a method names only series, sets and groups that exist; whatever it says, location- and market-based
figures both stand on every statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import build, file_text, parse
from gateway.carbon.choices import ELECTRICITY_SERIES
from gateway.carbon.factor_files import Title
from gateway.registry.model import Group, Method

FOLDER = "methods"


@dataclass(frozen=True, slots=True)
class Electricity:
    """Which series stand for electricity, and which of the two figures is booked."""

    location: str
    market: str = ""  # for what no contract covers; left out = as by location
    booked: Literal["location", "market"] = "market"


@dataclass(frozen=True, slots=True)
class Totals:
    """The groups of activities that each total counts, by their own signs."""

    compliance: tuple[Group, ...]
    lifecycle: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class MethodFile:
    """A method as its file says it."""

    id: str  # the file's name without .yaml
    title: Title
    source: str  # the standard or guidance that it follows
    electricity: Electricity
    fuel_set: str
    gwp: str
    totals: Totals
    note: str = ""

    @property
    def method(self) -> Method:
        """As the registry keeps it."""
        return Method(
            electricity=self.electricity.location,
            fuel_set=self.fuel_set,
            gwp=self.gwp,
            id=self.id,
            market=self.electricity.market,
            booked=self.electricity.booked,
            compliance=self.totals.compliance,
            lifecycle=self.totals.lifecycle,
        )


def load_methods(config_dir: Path, fuel_sets: Collection[str], gwp_sets: Collection[str]) -> dict[str, MethodFile]:
    """All methods by id; raises ConfigurationError with every problem in every file."""
    problems: list[Problem] = []
    found: dict[str, MethodFile] = {}
    for path in sorted((config_dir / FOLDER).glob("*.yaml")):
        method = read_method_file(path, fuel_sets, gwp_sets, problems)
        if method is not None:
            found[method.id] = method
    if problems:
        raise ConfigurationError(problems)
    return found


def read_method_file(
    path: Path, fuel_sets: Collection[str], gwp_sets: Collection[str], problems: list[Problem]
) -> MethodFile | None:
    """One file; adds what is wrong with it to `problems`."""
    try:
        document = parse(file_text(path), str(path))
    except ConfigurationError as error:
        problems += error.problems
        return None
    method = build(document, MethodFile, problems)
    if method is None:
        return None
    wrongs = [document.problem(place, message) for place, message in _wrongs(method, path.stem, fuel_sets, gwp_sets)]
    problems += wrongs
    return None if wrongs else method


def _wrongs(
    method: MethodFile, stem: str, fuel_sets: Collection[str], gwp_sets: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """(place, what is wrong) of a file whose form is right."""
    if method.id != stem:
        yield ("id",), f"must be the file's name, {stem}"
    if not method.source.strip():
        yield ("source",), "must say which standard or guidance the method follows"
    choices = (
        (("electricity", "location"), method.electricity.location, ELECTRICITY_SERIES),
        (("electricity", "market"), method.electricity.market or method.electricity.location, ELECTRICITY_SERIES),
        (("fuel_set",), method.fuel_set, fuel_sets),
        (("gwp",), method.gwp, gwp_sets),
    )
    for place, chosen, known in choices:
        if chosen not in known:
            yield place, f"unknown {place[-1]} {chosen}; known are {', '.join(sorted(known))}"
    for total in ("compliance", "lifecycle"):
        groups = getattr(method.totals, total)
        if not groups:
            yield ("totals", total), "counts nothing: name at least one group"
        if len(set(groups)) < len(groups):
            yield ("totals", total), "names a group twice"
