"""What a rating compares with: energy-limit levels of mandatory standards, and means of an industry.

A benchmark says for which industries (prefixes of GB/T 4754-2017 codes), per what unit of output, and where it comes
from. One that has no official source carries `demo: true` and the words of how it was derived, which a rating repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import Document, build_all
from gateway.carbon.units import UNITS

MONEY = "10k_cny"  # 万元 of output value or added value
OF_PRODUCT = "of_product"  # in place of a limit's id: the one that each product is registered with

Amount = Literal["compliance", "scope_1", "energy", "electricity"]
MetricName = Literal[
    "carbon_intensity",
    "energy_intensity",
    "electricity_intensity",
    "carbon_per_output_value",
    "energy_per_output_value",
    "carbon_per_added_value",
    "energy_per_added_value",
]
Comparator = Literal["mean", "limit"]
NUMERATORS: dict[Amount, str] = {"compliance": "kgCO2e", "scope_1": "kgCO2e", "energy": "kgce", "electricity": "kWh"}


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A standard's correction of its levels by a trait of the product: `per_unit` for each unit above `base`."""

    trait: str  # such as clinker_ratio_percent
    base: Decimal
    per_unit: tuple[Decimal, ...]  # of levels 1, 2, 3; taken off below the base
    clause: str

    def __post_init__(self) -> None:
        if len(self.per_unit) != 3:
            raise ValueError("per_unit gives three numbers: for levels 1, 2 and 3")


@dataclass(frozen=True, slots=True)
class LimitLevels:
    """A row of a mandatory energy-limit standard: level 1 advanced, 2 admission, 3 limit."""

    id: str
    standard: str
    product: str
    unit: str  # such as kgce/t, as printed
    level_3: Decimal
    level_1: Decimal | None = None
    level_2: Decimal | None = None
    note: str = ""
    adjust: Adjustment | None = None

    def level(self, index: int, traits: Mapping[str, Decimal]) -> Decimal | None:
        """Level 1, 2 or 3 (index 0, 1, 2) for a product with these traits."""
        printed = (self.level_1, self.level_2, self.level_3)[index]
        if printed is None or self.adjust is None or self.adjust.trait not in traits:
            return printed
        return printed + (traits[self.adjust.trait] - self.adjust.base) * self.adjust.per_unit[index]

    def notes(self, traits: Mapping[str, Decimal]) -> list[tuple[str, str]]:
        """What a rating must say of an adjustment, as (zh, en)."""
        if self.adjust is None:
            return []
        trait, base = self.adjust.trait, self.adjust.base
        if trait not in traits:
            return [(f"未登记 {trait}，按 {base} 计", f"{trait} is not registered: {base} is taken")]
        text = f"{trait} = {traits[trait]}"
        return [(f"按 {text} 修正（{self.adjust.clause}）", f"adjusted for {text} ({self.adjust.clause})")]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What one metric of an industry is compared with: a mean, or the levels of a limit."""

    id: str
    metric: MetricName
    amount: Amount
    industries: tuple[str, ...]
    source: str
    derived: Words  # how it came about, what is assumed
    per: str = ""  # unit of output, or 10k_cny; empty with `limit: of_product`, whose products say it
    mean: Decimal | None = None  # kgCO2e, kgce or kWh per `per`
    limit: str | None = None  # id of LimitLevels, or of_product
    demo: bool = False  # no official value

    def __post_init__(self) -> None:
        if (self.mean is None) == (self.limit is None):
            raise ValueError("give exactly one of mean and limit")
        if self.mean is not None and self.mean <= 0:
            raise ValueError("the mean must be above zero")
        if self.limit == OF_PRODUCT:
            if self.per:
                raise ValueError("with `limit: of_product` the products say the unit: leave `per` out")
        elif self.per not in UNITS:
            raise ValueError(f"per {self.per!r} is no known unit")
        if self.metric.endswith("_value") and self.per != MONEY:
            raise ValueError(f"{self.metric} is per {MONEY}")

    @property
    def comparator(self) -> Comparator:
        return "mean" if self.limit is None else "limit"

    @property
    def unit(self) -> str:
        return f"{NUMERATORS[self.amount]}/{self.per}"


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    edition: str
    title: Words
    source: str
    limits: tuple[LimitLevels, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """All benchmark files together."""

    limits: dict[str, LimitLevels]
    by_edition: dict[str, tuple[Benchmark, ...]]


def load_benchmarks(config_dir: Path) -> Benchmarks:
    """Read `benchmarks/*.yaml` below `config_dir`; raises ConfigurationError with every problem."""
    problems: list[Problem] = []
    limits: dict[str, LimitLevels] = {}
    by_edition: dict[str, tuple[Benchmark, ...]] = {}
    read: list[tuple[Document, BenchmarkFile]] = []
    for path, document, file in build_all(config_dir / "benchmarks", BenchmarkFile, problems):
        if file.edition != path.stem:
            problems.append(document.problem(("edition",), f"must be the file's name, {path.stem}"))
        for index, limit in enumerate(file.limits):
            if limit.id in limits:
                problems.append(document.problem(("limits", index, "id"), f"{limit.id} stands twice"))
            limits[limit.id] = limit
        by_edition[file.edition] = file.benchmarks
        read.append((document, file))
    seen: set[str] = set()
    for document, file in read:
        for index, benchmark in enumerate(file.benchmarks):
            problems += _wrongs(benchmark, index, document, limits, seen)
    if problems:
        raise ConfigurationError(problems)
    return Benchmarks(limits, by_edition)


def _wrongs(
    benchmark: Benchmark, index: int, document: Document, limits: dict[str, LimitLevels], seen: set[str]
) -> list[Problem]:
    place = ("benchmarks", index)
    wrongs = []
    if benchmark.id in seen:
        wrongs.append(document.problem((*place, "id"), f"{benchmark.id} stands twice"))
    seen.add(benchmark.id)
    if benchmark.limit in (None, OF_PRODUCT):
        return wrongs
    limit = limits.get(benchmark.limit)
    if limit is None:
        wrongs.append(document.problem((*place, "limit"), f"{benchmark.limit} is no limit in config/benchmarks"))
    elif limit.unit != benchmark.unit:
        message = f"{benchmark.limit} is given in {limit.unit}, but this benchmark is in {benchmark.unit}"
        wrongs.append(document.problem((*place, "limit"), message))
    return wrongs
