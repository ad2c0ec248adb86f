"""A small registry and an intake over stores in memory that can be made to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.ingest.intake import Intake
from gateway.registry.model import Agent, Device, Enterprise, Name, Park, Point, Registry
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow, StatusRow
from gateway.store.timeseries import ReadingColumns

T0 = 1_760_000_000_000
NOW = T0 + 3_600_000
OWN = "91350500M00000000Y"
OTHER = "91350500M000000018"


def a_registry() -> Registry:
    def enterprise(enterprise_id: str, first_point: int) -> Enterprise:
        points = tuple(
            Point(first_point + place, "incomer-1", name, name) for place, name in enumerate(("energy_import", "power"))
        )
        devices = (
            Device("incomer-1", points),
            Device("gas-1", (Point(first_point + 2, "gas-1", "volume", "gas_volume"),)),
        )
        return Enterprise(
            enterprise_id, Name("甲", "A"), "park", "C3071", agents=(Agent("edge-1"), Agent("edge-2")), devices=devices
        )

    park = Park("park", Name("园", "Park"), "fujian", "Asia/Shanghai")
    return Registry(1, {"park": park}, {OWN: enterprise(OWN, 1), OTHER: enterprise(OTHER, 11)})


@dataclass
class MemorySeries:
    """Keeps appended rows; refuses the values in `poison`, fails while `away`."""

    appended: list[ReadingColumns] = field(default_factory=list)
    poison: set[float] = field(default_factory=set)
    away: bool = False

    def append(self, readings: ReadingColumns) -> None:
        if self.away:
            raise StoreUnavailable("the disk is full")
        if self.poison & set(readings.value.tolist()):
            raise StoreRefused("this value is poison")
        self.appended.append(readings)

    @property
    def rows(self) -> dict[tuple[int, int], float]:
        """(point, time) -> value, the last one written."""
        columns = ReadingColumns.concatenate(self.appended)
        return {
            (point, at_ms): value
            for point, at_ms, value in zip(
                columns.point_id.tolist(), columns.at_ms.tolist(), columns.value.tolist(), strict=True
            )
        }


@dataclass
class MemoryBatches:
    """Batches and set-aside rows; fails while `away`, refuses rows whose sender is in `refuses`."""

    batches: dict[BatchKey, BatchRow] = field(default_factory=dict)
    set_aside: list[SetAsideRow] = field(default_factory=list)
    away: bool = False
    refuses: set[str] = field(default_factory=set)

    def known(self, keys: Sequence[BatchKey]) -> Mapping[BatchKey, BatchRow]:
        return {key: self.batches[key] for key in keys if key in self.batches}

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> Mapping[BatchKey, BatchRow]:
        rows = list(batches)
        if self.away:
            raise StoreUnavailable("the database does not answer")
        if any(row.sender in self.refuses for row in rows):
            raise StoreRefused("the database does not like this sender")
        overtaken = self.known([row.key for row in rows])
        if not overtaken:
            self.batches.update({row.key: row for row in rows})
            self.set_aside += set_aside
        return overtaken


@dataclass
class MemoryStatuses:
    rows: list[StatusRow] = field(default_factory=list)

    def put(self, rows: Sequence[StatusRow]) -> None:
        self.rows += rows


@dataclass
class House:
    """An intake and the stores behind it."""

    intake: Intake
    series: MemorySeries
    batches: MemoryBatches
    statuses: MemoryStatuses

    @property
    def reasons(self) -> list[tuple[str, int]]:
        return [(row.reason, row.count) for row in self.batches.set_aside]


@pytest.fixture
def new_house() -> Callable[[], House]:
    def make() -> House:
        series, batches, statuses = MemorySeries(), MemoryBatches(), MemoryStatuses()
        snapshot = a_registry()
        intake = Intake(series, lambda: snapshot, batches, statuses)  # type: ignore[arg-type]
        return House(intake, series, batches, statuses)

    return make


@pytest.fixture
def house(new_house: Callable[[], House]) -> House:
    return new_house()


@pytest.fixture
def registry() -> Registry:
    return a_registry()


PayloadOf = Callable[..., bytes]


@pytest.fixture
def payload_of() -> PayloadOf:
    """payload_of(batch="a", device="incomer-1", points=[…], rows=[…], **more keys of the batch)."""

    def make(
        batch: str = "batch-1",
        device: str = "incomer-1",
        points: Sequence[str] = ("energy_import", "power"),
        rows: Any = ((T0, 1.0, 2.0),),
        **more: Any,
    ) -> bytes:
        block = {"device": device, "points": points, "rows": rows}
        return json.dumps({"v": 1, "batch": batch, "sent_at": T0, "devices": [block]} | more).encode()

    return make
