"""Rating policies: files that say how an account becomes a colour. No city's rule is built in; a rule is a file.

A policy names the cuts between colours, the gates below which there is no colour at all, and the benchmark files it
compares with. `official: false` goes into every rating made with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import build, parse
from gateway.carbon.benchmarks import Benchmark, LimitLevels, MetricName, Words, load_benchmarks

COLOURS = ("green", "yellow", "orange", "red")  # best first


@dataclass(frozen=True, slots=True)
class Cuts:
    """Own ÷ mean up to which a colour is given; above the last one it is red."""

    green: Decimal
    yellow: Decimal
    orange: Decimal

    def __post_init__(self) -> None:
        if not 0 < self.green < self.yellow < self.orange:
            raise ValueError("cuts must grow: 0 < green < yellow < orange")


@dataclass(frozen=True, slots=True)
class Gates:
    """Below these there is no colour: grey with the reason."""

    coverage_min: float
    estimated_share_max: float
    days_min: int

    def __post_init__(self) -> None:
        if not (0 <= self.coverage_min <= 1 and 0 <= self.estimated_share_max <= 1):
            raise ValueError("coverage_min and estimated_share_max are shares from 0 to 1")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    policy: str
    title: Words
    official: bool
    statement: Words  # what this policy is and is not; repeated in every rating
    cuts: Cuts
    cuts_source: str
    gates: Gates
    metrics: tuple[MetricName, ...]
    benchmarks: tuple[str, ...]  # editions in config/benchmarks; earlier ones win
    combination: Literal["worst"] = "worst"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with what it compares with."""

    file: PolicyFile
    benchmarks: tuple[Benchmark, ...]
    limits: dict[str, LimitLevels]

    @property
    def id(self) -> str:
        return self.file.policy

    def candidates(self, metric: MetricName, industry: str) -> list[Benchmark]:
        """Benchmarks of a metric for an industry: the most specific code first, then in the order of the files."""
        fitting = [
            (max(len(code) for code in one.industries if industry.startswith(code)), one)
            for one in self.benchmarks
            if one.metric == metric and any(industry.startswith(code) for code in one.industries)
        ]
        return [one for _, one in sorted(fitting, key=lambda pair: -pair[0])]


def load_policies(config_dir: Path) -> dict[str, Policy]:
    """Read `rating_policies/*.yaml` below `config_dir`; raises ConfigurationError with every problem."""
    benchmarks = load_benchmarks(config_dir)
    problems: list[Problem] = []
    policies: dict[str, Policy] = {}
    paths = sorted((config_dir / "rating_policies").glob("*.yaml"))
    for path in paths:
        try:
            document = parse(path.read_text(encoding="utf-8"), str(path))
        except ConfigurationError as error:
            problems += error.problems
            continue
        file = build(document, PolicyFile, problems)
        if file is None:
            continue
        if file.policy != path.stem:
            problems.append(document.problem(("policy",), f"must be the file's name, {path.stem}"))
        for index, edition in enumerate(file.benchmarks):
            if edition not in benchmarks.by_edition:
                known = ", ".join(sorted(benchmarks.by_edition))
                problems.append(
                    document.problem(("benchmarks", index), f"{edition} is no file in config/benchmarks ({known})")
                )
        own = tuple(one for edition in file.benchmarks for one in benchmarks.by_edition.get(edition, ()))
        policies[file.policy] = Policy(file, own, benchmarks.limits)
    if not paths:
        problems.append(Problem("has no rating policies", str(config_dir / "rating_policies")))
    if problems:
        raise ConfigurationError(problems)
    return policies
