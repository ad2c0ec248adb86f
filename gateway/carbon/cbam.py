"""Embedded emission of a good as the EU's Carbon Border Adjustment Mechanism cuts it, beside the default values.

Direct is what the plant emits itself and the heat it takes; indirect is its electricity, by the account's own series;
precursors are purchased materials that are such goods themselves. All of it per tonne, allocated as the footprint is.

What stays true: it is a view of booked entries, not a declaration: system boundaries, the electricity factor and the
monitoring rules of the regulation (EU) 2023/956 and its implementing acts are for the declarant and the verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import build_all
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.benchmarks import Words
from gateway.carbon.footprint import Contribution

Part = Literal["direct", "indirect", "precursors"]
HEAT = ("heat.", "steam.")


@dataclass(frozen=True, slots=True)
class Good:
    """A row of default values, tCO2e per tonne."""

    id: str
    name: str
    total: Decimal
    direct: Decimal | None = None
    indirect: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DefaultsFile:
    edition: str
    title: Words
    publisher: str
    source: str
    confidence: Literal["A", "B"]
    goods: tuple[Good, ...]
    precursors: tuple[str, ...]
    markup_percent: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Defaults:
    """All files of default values together."""

    files: tuple[DefaultsFile, ...]

    @property
    def goods(self) -> dict[str, tuple[Good, DefaultsFile]]:
        return {good.id: (good, file) for file in self.files for good in file.goods}


NO_DEFAULTS = Defaults(())


@dataclass(frozen=True, slots=True)
class Embedded:
    """Specific embedded emission of a good, kgCO2e per tonne, and what stands beside it."""

    good: Good
    file: DefaultsFile
    tonnes: Fraction
    grams: Mapping[Part, int]

    def kg_per_tonne(self, part: Part) -> Fraction:
        return Fraction(self.grams[part], 1000) / self.tonnes

    @property
    def total_kg_per_tonne(self) -> Fraction:
        return Fraction(sum(self.grams.values()), 1000) / self.tonnes

    @property
    def of_default(self) -> Fraction:
        """Own total ÷ default total."""
        return self.total_kg_per_tonne / (Fraction(self.good.total) * 1000)


def embedded_of(good: str, defaults: Defaults, contributions: Iterable[Contribution], tonnes: Fraction) -> Embedded:
    """The embedded emission of a good out of a product's contributions; KeyError for a good without a row."""
    row, file = defaults.goods[good]
    grams: dict[Part, int] = {"direct": 0, "indirect": 0, "precursors": 0}
    for own in contributions:
        part = _part(own, file)
        if part is not None:
            grams[part] += own.account_g
    return Embedded(row, file, tonnes, grams)


def _part(own: Contribution, file: DefaultsFile) -> Part | None:
    """Where a contribution counts; None outside of what the mechanism looks at."""
    if own.activity in file.precursors:
        return "precursors"
    if own.scope == 1 or own.activity.startswith(HEAT):
        return "direct"
    return "indirect" if own.activity.startswith("electricity.") else None


def load_defaults(config_dir: Path) -> Defaults:
    """Read `cbam/*.yaml` below `config_dir`; raises ConfigurationError with every problem."""
    problems: list[Problem] = []
    files: list[DefaultsFile] = []
    seen: set[str] = set()
    for path, document, file in build_all(config_dir / "cbam", DefaultsFile, problems):
        if file.edition != path.stem:
            problems.append(document.problem(("edition",), f"must be the file's name, {path.stem}"))
        for index, good in enumerate(file.goods):
            if good.id in seen:
                problems.append(document.problem(("goods", index, "id"), f"{good.id} stands twice"))
            seen.add(good.id)
            if good.total <= 0:
                problems.append(document.problem(("goods", index, "total"), "must be above 0"))
        for index, kind in enumerate(file.precursors):
            if kind not in ACTIVITIES:
                problems.append(document.problem(("precursors", index), f"{kind} is no activity kind"))
        files.append(file)
    if problems:
        raise ConfigurationError(problems)
    return Defaults(tuple(files))
