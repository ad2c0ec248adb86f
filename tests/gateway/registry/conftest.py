"""What registry tests share: a little knowledge, a whole good file, and ways to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError, Problem
from gateway.carbon.calendar import check_zone
from gateway.carbon.own_values import problem_of
from gateway.carbon.steam import SteamTable
from gateway.registry.knowledge import Knowledge
from gateway.registry.loading import RegistryFile, read_registry
from gateway.registry.model import Method, Registry

GOOD = Path(__file__).with_name("good.yaml")


@dataclass(frozen=True)
class Profile:
    points: tuple[str, ...]
    moduli: dict[str, float]

    def modulus_of(self, point: str) -> float | None:
        return self.moduli.get(point)


@dataclass(frozen=True)
class Kind:
    units: tuple[str, ...]
    records_only: bool = False


@pytest.fixture
def knowledge() -> Knowledge:
    meter = Profile(("energy_import", "energy_export", "power", "temperature"), {"energy_import": 42949672.96})
    return Knowledge(
        profiles={"meter": meter},
        activities={
            "electricity.purchased": Kind(("kWh", "MWh")),
            "electricity.green": Kind(("kWh", "MWh")),
            "fuel.natural_gas": Kind(("Nm3", "m3")),
            "energy_only.natural_gas": Kind(("Nm3", "m3")),
            "material.clay": Kind(("t", "kg"), records_only=True),
            "steam.purchased": Kind(("GJ", "t", "kg")),
        },
        policies={"four-colour-demo"},
        regions={"CN", "fujian", "shandong"},
        fuel_sets={"gbt32151-34-2024"},
        factors={"grid.green"},
        zone_problem=check_zone,
        methods={"city": Method(electricity="provincial", id="city")},
        own_value_problem=problem_of,
        steam_problem=SteamTable.load(Path(__file__).parents[3] / "config").conditions_problem,
        goods={"2523"},
        limits={"by-area": "kgce/m2", "by-mass": "kgce/t"},
    )


@pytest.fixture
def good() -> str:
    return GOOD.read_text(encoding="utf-8")


@pytest.fixture
def read(knowledge: Knowledge) -> Callable[..., RegistryFile]:
    """Reads a text as `plant.yaml`."""

    def of(text: str, stored: Registry | None = None) -> RegistryFile:
        return read_registry(text, "plant.yaml", knowledge, *([stored] if stored else []))

    return of


@pytest.fixture
def problems(read: Callable[..., RegistryFile]) -> Callable[..., list[Problem]]:
    """The problems of a text that must be refused."""

    def of(text: str, stored: Registry | None = None) -> list[Problem]:
        with pytest.raises(ConfigurationError) as caught:
            read(text, stored)
        return caught.value.problems

    return of
