"""What the demo park consists of: `config/demo/demo.yaml` as frozen values, checked against series and profiles.

A scenario says which recorded series each point of each simulated meter follows, and which records the business systems
send. Who these enterprises are stands in `config/demo/registry.yaml`, like that of any park.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collectors import strict_yaml
from collectors.errors import ConfigurationError, Problem
from collectors.profile import MeterProfile, load_profiles
from gateway.demo.series import RecordedSeries, load_series

DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True)
class PointPlan:
    """What one point shows: factor × a recorded series."""

    point: str
    series: str
    factor: float
    how: str  # in words: scaled, looped, shifted or derived how
    reading: Literal["total", "rate"] = "total"
    start: float = 0.0  # what a counter showed at the anchor
    shift_days: int = 0  # the series runs this many days ahead


@dataclass(frozen=True, slots=True)
class DevicePlan:
    device: str
    profile: str
    unit: int
    points: tuple[PointPlan, ...]


@dataclass(frozen=True, slots=True)
class SitePlan:
    """One enterprise's plant: its agent and the meters on its bus."""

    enterprise: str
    agent: str
    every_s: float
    devices: tuple[DevicePlan, ...]

    @property
    def name(self) -> str:
        return f"{self.enterprise}/{self.agent}"


@dataclass(frozen=True, slots=True)
class Words:
    """The same in both languages of the pages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """Activity records of one subject: exactly one of source, product and economic."""

    enterprise: str
    id: str
    unit: str
    each: Literal["day", "week"]
    how: Words  # the amounts were found; stands as the note of each record
    source: str | None = None
    product: str | None = None
    economic: str | None = None
    amounts: tuple[float, ...] = ()  # per weekday from Monday on, or one per week
    series: str | None = None  # or factor × what passed
    factor: float = 1.0
    paper: Words | None = None  # its kind, such as a delivery note: sent as evidence of each record; None = none is

    @property
    def name(self) -> str:
        return f"{self.enterprise}/{self.id}"

    @property
    def subject(self) -> dict[str, str]:
        """The key that says what the record is about."""
        given = {"source": self.source, "product": self.product, "economic": self.economic}
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _ScenarioShape:
    sites: tuple[SitePlan, ...]
    records: tuple[RecordPlan, ...]


@dataclass(frozen=True)
class Scenario:
    """Everything the demo park is made of."""

    directory: Path
    sites: tuple[SitePlan, ...]
    records: tuple[RecordPlan, ...]
    series: dict[str, RecordedSeries]
    profiles: dict[str, MeterProfile]

    @property
    def profiles_dir(self) -> Path:
        return self.directory / "profiles"

    @property
    def registry_file(self) -> Path:
        return self.directory / "registry.yaml"

    def points(self) -> Iterator[tuple[SitePlan, DevicePlan, PointPlan]]:
        for site in self.sites:
            for device in site.devices:
                for point in device.points:
                    yield site, device, point


def load_scenario(config_dir: Path) -> Scenario:
    """Read `config_dir`/demo; ConfigurationError with every problem."""
    directory = config_dir / "demo"
    file = directory / "demo.yaml"
    shape = strict_yaml.load(file, _ScenarioShape)
    scenario = Scenario(
        directory,
        shape.sites,
        shape.records,
        load_series(directory / "series"),
        load_profiles(config_dir, directory / "profiles"),
    )
    problems = [Problem(message, str(file), key=key) for key, message in _dangling(scenario)]
    if problems:
        raise ConfigurationError(problems)
    return scenario


def _dangling(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of everything that names something that is not there."""
    for site, device, plan in scenario.points():
        key = f"{site.enterprise}.{device.device}.{plan.point}"
        profile = scenario.profiles.get(device.profile)
        if profile is None:
            yield key, f"no meter profile {device.profile}"
        elif plan.point not in profile.by_point:
            yield key, f"{device.profile} has no register for it; it has {', '.join(profile.points)}"
        if plan.series not in scenario.series:
            yield key, f"no series {plan.series}; there are {', '.join(scenario.series)}"
        if plan.reading == "total" and plan.factor <= 0:
            yield key, "a counter needs a factor above 0"
    for record in scenario.records:
        wanted = DAYS_PER_WEEK if record.each == "day" else 1
        if len(record.subject) != 1:
            yield record.name, "give exactly one of source, product and economic"
        if (record.series is None) == (not record.amounts):
            yield record.name, "give either amounts or a series"
        elif record.series is not None and record.series not in scenario.series:
            yield record.name, f"no series {record.series}"
        elif record.amounts and len(record.amounts) != wanted:
            yield record.name, f"each {record.each} needs {wanted} amounts"
