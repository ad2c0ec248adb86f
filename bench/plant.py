"""The plants that are measured: registry, readings and batches, made up evenly and always the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np

from collectors.clock import to_ms
from collectors.reading import Batch, DeviceBlock
from collectors.wire import encode_batch, new_batch_id
from gateway.ingest.directory import Directory
from gateway.registry.credit_code import check_character
from gateway.registry.loading import RegistryFile
from gateway.registry.model import Agent, Device, Enterprise, Feed, Name, Park, Point, Registry, Source
from gateway.settings import Settings
from gateway.store.timeseries import ReadingColumns
from gateway.wiring import House, build

AGENT = "edge-1"
DAY = "2026-10-05"
DAY_MS = to_ms(datetime.fromisoformat(f"{DAY}T00:00:00+08:00"))
ROLLED_UP_MS = to_ms(datetime.fromisoformat("2026-10-06T00:30:00+08:00"))
MINUTES = 24 * 60

# What one panel of the ingest plant measures: ten points a device.
PANEL = (
    "energy_import", "energy_export", "power", "power_l1", "power_l2", "power_l3",
    "voltage_l1", "current_l1", "frequency", "power_factor",
)  # fmt: skip
PANELS = 10
ROWS = 10  # of a batch; times ten points are a hundred readings

_PARK = Park("bench", Name("测试园区", "Bench park"), "fujian", "Asia/Shanghai", 1.0)


def credit_code(number: int) -> str:
    """A credit code with a fitting check character, in the order of the numbers."""
    first = f"91350500M{number:08d}"
    return first + check_character(first)


def settings_of(data_dir: Path, timeseries: str = "duckdb") -> Settings:
    return replace(Settings(), data_dir=str(data_dir), mqtt_url="off", timeseries=timeseries)


def open_house(data_dir: Path, enterprises: tuple[Enterprise, ...] = (), timeseries: str = "duckdb") -> House:
    """A real gateway in a directory, with these enterprises registered."""
    house = build(settings_of(data_dir, timeseries))
    if enterprises:
        house.registry_repository.apply(RegistryFile((_PARK,), enterprises), DAY_MS)
    return house


# --- ingest ---------------------------------------------------------------------------------------------------------


@cache  # asked for with every body and batch, also by limits
def ingest_plant() -> Enterprise:
    """One enterprise whose single agent sends ten panels of ten points."""
    panels = tuple(
        Device(name, tuple(Point(0, name, quantity, quantity) for quantity in PANEL))
        for name in (f"panel-{number}" for number in range(PANELS))
    )
    return Enterprise(
        credit_code(1), Name("甲", "A"), _PARK.id, "C3130", agents=(Agent(AGENT),), devices=panels,
        sources=(_source("grid", "electricity.purchased", 2, *(f"{own.id}.energy_import" for own in panels)),),
    )  # fmt: skip


def ingest_directory() -> Directory:
    """The ingest plant's points by name, numbered as a registry would; for limits that need no gateway."""
    own = ingest_plant()
    number = itertools.count(1)
    devices = tuple(
        replace(device, points=tuple(replace(point, point_id=next(number)) for point in device.points))
        for device in own.devices
    )
    return Directory(Registry(1, {_PARK.id: _PARK}, {own.id: replace(own, devices=devices)}))


def batches(count: int) -> Iterator[bytes]:
    """Batches of a hundred readings: one panel, ten points, ten seconds. About 1 kB each."""
    for number in range(count):
        turn, panel = divmod(number, PANELS)
        at_ms = DAY_MS + (turn * ROWS + np.arange(ROWS, dtype=np.int64)) * 1000
        seconds = (at_ms - DAY_MS) / 1000
        values = np.round(seconds[:, None] / 36 + np.arange(len(PANEL)) * 100.25 + panel, 2)
        block = DeviceBlock.of(f"panel-{panel}", PANEL, at_ms, values)
        yield encode_batch(Batch(new_batch_id(DAY_MS + number), DAY_MS, (block,)))


def singles(count: int) -> Iterator[bytes]:
    """Batches of one reading."""
    for number in range(count):
        turn, panel = divmod(number, PANELS)
        at_ms = np.array([DAY_MS + turn * 1000], dtype=np.int64)
        block = DeviceBlock.of(f"panel-{panel}", PANEL[:1], at_ms, np.array([[turn / 100]]))
        yield encode_batch(Batch(new_batch_id(DAY_MS + number), DAY_MS, (block,)))


# --- roll-up --------------------------------------------------------------------------------------------------------


def rolled_up_plants(count: int) -> tuple[Enterprise, ...]:
    """Enterprises of ten points: four incomers with energy and power, two gas meters; two sources."""
    return tuple(_plant(number) for number in range(1, count + 1))


def _plant(number: int) -> Enterprise:
    incomers = tuple(
        Device(name, (Point(0, name, "energy_import", "energy_import"), Point(0, name, "power", "power")))
        for name in (f"incomer-{place}" for place in range(1, 5))
    )
    gas = tuple(
        Device(name, (Point(0, name, "volume", "gas_volume_normal", modulus=1_000_000),)) for name in ("gas-1", "gas-2")
    )
    return Enterprise(
        credit_code(number), Name(f"厂{number}", f"Plant {number}"), _PARK.id, "C3130",
        consents=("platform",), agents=(Agent(AGENT),), devices=incomers + gas,
        sources=(
            _source("grid", "electricity.purchased", 2, *(f"{own.id}.energy_import" for own in incomers)),
            _source("burners", "fuel.natural_gas", 1, *(f"{own.id}.volume" for own in gas)),
        ),
    )  # fmt: skip


def _source(source: str, activity: str, scope: int, *feeds: str) -> Source:
    return Source(source, activity, scope, "production", tuple(Feed(*feed.split(".")) for feed in feeds))


def a_day(house: House, every_min: int = 1) -> Iterator[ReadingColumns]:
    """A day of one reading in some minutes of every point and the first of the next day; fifteen at a time."""
    points = [point for enterprise in house.registry().enterprises.values() for point in enterprise.points()]
    point_id = np.array([point.point_id for point in points], np.int32)
    is_power = np.array([point.quantity == "power" for point in points])
    per_minute = 1.0 + (point_id % 97).astype(np.float64) / 10
    for first in range(0, MINUTES + 1, 15 * every_min):
        minute = np.arange(first, min(first + 15 * every_min, MINUTES + 1), every_min, dtype=np.int64)
        counters = 1000.0 + minute[:, None] * per_minute[None, :]
        gauges = per_minute[None, :] * 60 + (minute[:, None] * 7 + point_id[None, :]) % 11
        values = np.round(np.where(is_power, gauges, counters), 3).astype(np.float64)
        yield ReadingColumns(
            np.tile(point_id, minute.size),
            np.repeat(DAY_MS + minute * 60_000, point_id.size),
            values.ravel(),
            np.zeros(values.size, np.uint8),
        )
