"""A real gateway in a temporary directory: DuckDB, SQLite, the shipped knowledge, one small plant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from collectors.clock import to_ms
from collectors.reading import Quality
from gateway.settings import Settings
from gateway.store.timeseries import ReadingColumns
from gateway.wiring import House, build

PLANT = "91350505M00000019R"
SECOND = "91350583M00000035E"

REGISTRY = """
parks:
- {id: park, name: {zh: 园区, en: Park}, region: fujian, timezone: Asia/Shanghai, area_km2: 1}
enterprises:
- id: 91350505M00000019R
  name: {zh: 厂, en: Plant}
  park: park
  industry: C3130
  rating_policy: four-colour-demo
  agents: [{id: edge-1}]
  devices:
  - {id: incomer, rated_power_kw: 1000, points: [{id: energy_import, quantity: energy_import}]}
  - {id: gas, points: [{id: volume, quantity: gas_volume_normal, modulus: 1000000}]}
  sources:
  - {id: grid, activity: electricity.purchased, scope: 2, stage: production, from: [incomer.energy_import]}
  - {id: burner, activity: fuel.natural_gas, scope: 1, stage: production, from: [gas.volume]}
  - {id: billets, activity: material.steel_semi_finished, scope: 3, stage: raw_material, records: true, unit: t}
  products: [{id: plate, unit: t}]
- id: 91350583M00000035E
  name: {zh: 静, en: Quiet}
  park: park
  industry: C3383
  rating_policy: four-colour-demo
  agents: [{id: edge-1}]
  devices: [{id: incomer, points: [{id: energy_import, quantity: energy_import}]}]
  sources: [{id: grid, activity: electricity.purchased, scope: 2, stage: production, from: [incomer.energy_import]}]
"""


def at(text: str) -> int:
    """Epoch milliseconds of a local time in the park, such as "2026-10-05 08:00"."""
    return to_ms(datetime.fromisoformat(f"{text}+08:00"))


@dataclass
class Plant:
    """A house with the registry applied, and how readings get into it."""

    house: House

    def put(
        self,
        device: str,
        point: str,
        readings: list[tuple[int, float]],
        enterprise: str = PLANT,
        quality: Quality = Quality.GOOD,
    ) -> None:
        """Store readings as ingest does."""
        number = self.house.registry().points_by_name[enterprise, device, point].point_id
        self.house.timeseries.append(
            ReadingColumns(
                np.full(len(readings), number, np.int32),
                np.array([at_ms for at_ms, _ in readings], np.int64),
                np.array([value for _, value in readings], np.float64),
                np.full(len(readings), quality, np.uint8),
            )
        )

    def roll_up(self, text: str) -> dict[str, dict[str, int]]:
        """Roll up as of a local time."""
        return self.house.pipeline.run(at(text))

    def standing(self, enterprise: str = PLANT) -> dict[tuple[str, str], int]:
        """(source, day) -> grams that stand."""
        from gateway.scheduler.changed_rules import EVER
        from gateway.store.ledger_repository import LedgerRepository

        entries = LedgerRepository(self.house.engine).standing(enterprise, None, *EVER)
        return {(entry.draft.source, entry.draft.day.isoformat()): entry.draft.emission_g for entry in entries}

    def chain_length(self, enterprise: str = PLANT) -> int:
        from gateway.store.ledger_repository import LedgerRepository

        head = LedgerRepository(self.house.engine).newest(enterprise)
        return head.seq if head else 0


# For tests, or as `pytestmark`: once with the relational tables in SQLite, as all others, and once in PostgreSQL.
ON_BOTH_ENGINES = pytest.mark.parametrize(
    "relational", ["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))], indirect=True
)


@pytest.fixture
def relational(request: pytest.FixtureRequest) -> str:
    """Address of the relational database; "" = SQLite in the data directory."""
    engine = getattr(request, "param", "sqlite")
    return "" if engine == "sqlite" else str(request.getfixturevalue("postgresql"))


@pytest.fixture
def settings(tmp_path: Path, relational: str) -> Settings:
    return replace(Settings(), data_dir=str(tmp_path / "data"), mqtt_url="off", database_url=relational)


@pytest.fixture
def open_plant(settings: Settings) -> Iterator[Callable[[], Plant]]:
    """Opens the plant's gateway; called again it closes and opens it anew, as after a restart."""
    houses: list[House] = []

    def opened() -> Plant:
        if houses:
            houses.pop().close()
        house = build(settings)
        houses.append(house)
        house.operations.call("registry_apply", text=REGISTRY, file="registry.yaml")
        return Plant(house)

    yield opened
    for house in houses:
        house.close()


@pytest.fixture
def plant(open_plant: Callable[[], Plant]) -> Plant:
    return open_plant()


def steady(start: str, hours: int, first: float, per_hour: float, every_min: int = 15) -> list[tuple[int, float]]:
    """A counter that rises evenly: readings from `start` on, one more than the hours need."""
    start_ms = at(start)
    steps = hours * 60 // every_min
    return [
        (start_ms + step * every_min * 60_000, first + per_hour * step * every_min / 60) for step in range(steps + 1)
    ]
