"""The oracle sees what it should: each planted violation is caught within a few seeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest

from collectors.wire import Receipt
from edge_agent.buffer import OutgoingBatch
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns
from tests.simulation.gateway_side import StoreOf
from tests.simulation.oracle import check
from tests.simulation.plant_side import WatchedBuffer
from tests.simulation.world import World

SEEDS = range(4)


class ForgetfulBuffer(WatchedBuffer):
    """Takes sending for delivery."""

    def mark_sent(self, batch: OutgoingBatch, now_ms: int) -> None:
        self.acknowledge([Receipt(batch.batch_id, "stored")], now_ms)


class _Store:
    """A store but for one method."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class LeakyStore(_Store):
    """Drops every hundredth reading."""

    seen = 0

    def append(self, readings: ReadingColumns) -> None:
        kept = [row for row in range(len(readings)) if (self.seen + row) % 100 != 99]
        self.seen += len(readings)
        self._store.append(ReadingColumns(*(getattr(readings, field.name)[kept] for field in fields(readings))))


class HastyStore(_Store):
    """Says that readings are durable while they are in memory: a kill loses them."""

    held: ReadingColumns | None = None

    def append(self, readings: ReadingColumns) -> None:
        if self.held is not None:
            self._store.append(self.held)
        self.held = readings


class SloppyRollUp(_Store):
    """Loses a row of usage now and then."""

    def put_usage(self, usage: UsageColumns) -> None:
        last = max(len(usage) - 1, 1)
        self._store.put_usage(UsageColumns(*(getattr(usage, field.name)[:last] for field in fields(usage))))


class CleverStore(_Store):
    """Gives back values a little larger than they came."""

    def append(self, readings: ReadingColumns) -> None:
        self._store.append(
            ReadingColumns(readings.point_id, readings.at_ms, readings.value * (1 + 1e-9), readings.quality)
        )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (LeakyStore, "neither stored nor set aside"),
        (HastyStore, "neither stored nor set aside"),
        (SloppyRollUp, "computed at once"),
        (CleverStore, "the meter showed"),
    ],
)
def test_a_store_that_breaks_its_word_is_caught(kind: Callable[..., Any], words: str, directory: Path) -> None:
    _assert_caught(directory, words, store_of=lambda store: cast(TimeSeriesStore, kind(store)))


def test_a_buffer_that_forgets_what_it_sent_is_caught(directory: Path) -> None:
    _assert_caught(directory, "neither stored nor set aside", buffer_kind=ForgetfulBuffer)


def _assert_caught(
    directory: Path,
    words: str,
    *,
    buffer_kind: type[WatchedBuffer] = WatchedBuffer,
    store_of: StoreOf = lambda store: store,
) -> None:
    for seed in SEEDS:
        place = directory / str(seed)
        with closing(World(seed, place, buffer_kind=buffer_kind, store_of=store_of)) as world:
            try:
                world.run()
                check(world)
            except AssertionError as error:
                if words in str(error):
                    return
                raise
    pytest.fail(f"{len(SEEDS)} seeds did not catch it")
