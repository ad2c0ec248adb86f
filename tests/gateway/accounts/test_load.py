"""The load of a park with derived points: a sum counts as the meters behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.accounts.load import LOAD_STEP_MS, load_of
from gateway.registry.model import Derived, Device, Enterprise, Feed, Input, Name, Park, Point, Registry, Source
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns

PLANT = "91350500M00000000L"
NOW_MS = 1_760_000_400_000
PARK = Park("park", Name("园", "Park"), "fujian", "Asia/Shanghai")
POINTS = {
    "incomer": (Point(1, "incomer", "energy_import", "energy_import"), Point(2, "incomer", "power", "power")),
    "tenant": (Point(3, "tenant", "energy_import", "energy_import"), Point(4, "tenant", "power", "power")),
}


def plant(formula: str) -> Enterprise:
    """Bought power is what comes in less what a tenant takes."""
    parts = (Input("plus", "incomer", "energy_import"), Input("plus", "tenant", "energy_import", "-1"))
    own = Derived("own", formula, parts, (Point(5, "derived", "own", "energy_import"),))
    source = Source("grid", "electricity.purchased", 2, "production", feeds=(Feed("derived", "own"),))
    devices = tuple(Device(name, points) for name, points in POINTS.items())
    return Enterprise(PLANT, Name("厂", "Plant"), PARK.id, "C3071", devices=devices, derived=(own,), sources=(source,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(tmp_path / "timeseries.duckdb")
    at_ms = np.array([NOW_MS - LOAD_STEP_MS], np.int64)
    for point, power_kw in ((2, 100.0), (4, 30.0)):
        column = ReadingColumns(np.array([point], np.int32), at_ms, np.array([power_kw]), np.zeros(1, np.uint8))
        opened.append(column)
    yield opened
    opened.close()


def test_a_derived_sum_is_the_power_of_its_meters(store: DuckDBStore) -> None:
    load = load_of(store, Registry(1, {PARK.id: PARK}, {PLANT: plant("sum")}), PARK, NOW_MS)
    assert [power for power in load.series[0].power_kw if power is not None] == [70.0]


def test_another_derived_point_counts_by_its_hours(store: DuckDBStore) -> None:
    load = load_of(store, Registry(1, {PARK.id: PARK}, {PLANT: plant("first_of")}), PARK, NOW_MS)
    assert [power for power in load.series[0].power_kw if power is not None] == []
