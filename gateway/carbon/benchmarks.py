"""What a rating compares with: energy-limit levels of mandatory standards, and means of an industry.

A benchmark says for which industries (prefixes of GB/T 4754-2017 codes), per what unit of output, and where it comes
from. One that has no official source carries `demo: true` and the words of how it was derived, which a rating repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import Document, build, parse
from gateway.carbon.units import UNITS

MONEY = "10k_cny"  # 万元 of output value

Amount = Literal["compliance", "scope_1", "energy"]
MetricName = Literal["carbon_intensity", "energy_intensity"]
NUMERATORS: dict[Amount, str] = {"compliance": "kgCO2e", "scope_1": "kgCO2e", "energy": "kgce"}


@dataclass(frozen=True, slots=True)
class Words:
    zh: str
    en: str


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


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What one metric of an industry is compared with: a mean, or the levels of a limit."""

    id: str
    metric: MetricName
    amount: Amount
    industries: tuple[str, ...]
    per: str  # unit of output, or 10k_cny
    source: str
    derived: Words  # how it came about, what is assumed
    mean: Decimal | None = None  # kgCO2e or kgce per `per`
    limit: str | None = None  # id of LimitLevels
    demo: bool = False  # no official value

    def __post_init__(self) -> None:
        if (self.mean is None) == (self.limit is None):
            raise ValueError("give exactly one of mean and limit")
        if self.mean is not None and self.mean <= 0:
            raise ValueError("the mean must be above zero")
        if self.per not in UNITS:
            raise ValueError(f"per {self.per!r} is no known unit")

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
    for path in sorted((config_dir / "benchmarks").glob("*.yaml")):
        try:
            document = parse(path.read_text(encoding="utf-8"), str(path))
        except ConfigurationError as error:
            problems += error.problems
            continue
        file = build(document, BenchmarkFile, problems)
        if file is None:
            continue
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
    if benchmark.limit is None:
        return wrongs
    limit = limits.get(benchmark.limit)
    if limit is None:
        wrongs.append(document.problem((*place, "limit"), f"{benchmark.limit} is no limit in config/benchmarks"))
    elif limit.unit != benchmark.unit:
        message = f"{benchmark.limit} is given in {limit.unit}, but this benchmark is in {benchmark.unit}"
        wrongs.append(document.problem((*place, "limit"), message))
    return wrongs
