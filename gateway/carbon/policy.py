"""Rating policies: files that say how an account becomes a colour. No city's rule is built in; a rule is a file.

A policy names the cuts between colours, the gates below which there is no colour at all, and the benchmark files it
compares with. `official: false` goes into every rating made with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import build, file_text, parse
from gateway.carbon.benchmarks import (
    OF_PRODUCT,
    Benchmark,
    Benchmarks,
    Comparator,
    LimitLevels,
    MetricName,
    Words,
    load_benchmarks,
)

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
    provisional_share_max: float = 1.0
    # A metric that cannot be made: grey (no colour at all) or skip (the others decide, and the rating says so).
    # Output not reported is grey unless the policy says otherwise: leaving a record out must not drop a metric.
    without_output: Literal["grey", "skip"] = "grey"
    without_benchmark: Literal["grey", "skip"] = "skip"

    def __post_init__(self) -> None:
        shares = (self.coverage_min, self.estimated_share_max, self.provisional_share_max)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("coverage_min, estimated_share_max and provisional_share_max are shares from 0 to 1")


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
    combination: Literal["worst", "weighted"] = "worst"
    weights: dict[str, Decimal] = field(default_factory=dict)  # metric -> weight; with `combination: weighted`
    compare_with: dict[str, Comparator] = field(default_factory=dict)  # metric -> only means, or only limits

    def __post_init__(self) -> None:
        known = get_args(MetricName)
        for name in (*self.weights, *self.compare_with):
            if name not in known:
                raise ValueError(f"{name} is no metric; known are {', '.join(known)}")
        if not self.metrics or len(set(self.metrics)) != len(self.metrics):
            raise ValueError("metrics names at least one metric, each once")
        if (self.combination == "weighted") != bool(self.weights):
            raise ValueError("`weights` and `combination: weighted` go together")
        if self.weights and (set(self.weights) != set(self.metrics) or min(self.weights.values()) <= 0):
            raise ValueError("weights gives each metric a weight above zero")

    def combined(self, places: Mapping[str, int]) -> int:
        """Place in COLOURS of an account whose metrics have these; weighted means are rounded to the worse half."""
        if self.combination == "worst":
            return max(places.values())
        total = sum(Fraction(self.weights[name]) for name in places)
        mean = sum((Fraction(self.weights[name]) * place for name, place in places.items()), Fraction(0)) / total
        return int(mean + Fraction(1, 2))


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
        """Benchmarks of a metric for an industry: what its products are registered with, then the most specific code
        first, then in the order of the files.
        """
        wanted = self.file.compare_with.get(metric)
        fitting = [
            (max(len(code) for code in one.industries if industry.startswith(code)), one)
            for one in self.benchmarks
            if one.metric == metric
            and wanted in (None, one.comparator)
            and any(industry.startswith(code) for code in one.industries)
        ]
        return [one for _, one in sorted(fitting, key=lambda pair: (pair[1].limit != OF_PRODUCT, -pair[0]))]


def read_policy(text: str, file: str, benchmarks: Benchmarks) -> Policy:
    """One policy out of the text of its file; raises ConfigurationError with every problem."""
    document = parse(text, file)
    problems: list[Problem] = []
    shape = build(document, PolicyFile, problems)
    for index, edition in enumerate(shape.benchmarks if shape is not None else ()):
        if edition not in benchmarks.by_edition:
            known = ", ".join(sorted(benchmarks.by_edition))
            problems.append(
                document.problem(("benchmarks", index), f"{edition} is no file in config/benchmarks ({known})")
            )
    if shape is None or problems:
        raise ConfigurationError(problems)
    own = tuple(one for edition in shape.benchmarks for one in benchmarks.by_edition[edition])
    return Policy(shape, own, benchmarks.limits)


def load_policies(config_dir: Path) -> dict[str, Policy]:
    """Read `rating_policies/*.yaml` below `config_dir`; raises ConfigurationError with every problem."""
    benchmarks = load_benchmarks(config_dir)
    problems: list[Problem] = []
    policies: dict[str, Policy] = {}
    paths = sorted((config_dir / "rating_policies").glob("*.yaml"))
    for path in paths:
        try:
            policy = read_policy(file_text(path), str(path), benchmarks)
        except ConfigurationError as error:
            problems += error.problems
            continue
        if policy.id != path.stem:
            problems.append(Problem(f"must be the file's name, {path.stem}", str(path), key="policy"))
        policies[policy.id] = policy
    if not paths:
        problems.append(Problem("has no rating policies", str(config_dir / "rating_policies")))
    if problems:
        raise ConfigurationError(problems)
    return policies
