"""Poison is found by halving: everything else is stored, each reading once, in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.ingest import isolate
from gateway.ingest.isolate import append_isolating
from gateway.store.timeseries import ReadingColumns


def columns(count: int) -> ReadingColumns:
    return ReadingColumns(
        np.ones(count, np.int32),
        np.arange(count, dtype=np.int64),
        np.arange(count, dtype=float),
        np.zeros(count, np.uint8),
    )


class Store:
    def __init__(self, poison: set[int]) -> None:
        self.poison = poison
        self.stored: list[int] = []
        self.calls = 0

    def append(self, readings: ReadingColumns) -> None:
        self.calls += 1
        if self.poison & set(readings.at_ms.tolist()):
            raise StoreRefused("poison")
        self.stored += readings.at_ms.tolist()


@given(count=st.integers(0, 60), data=st.data())
def test_each_reading_is_stored_once_or_marked(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=10)) & set(range(count))
    store = Store(poison)
    refused, words = append_isolating(store.append, columns(count))
    assert set(np.flatnonzero(refused).tolist()) == poison
    assert store.stored == [at_ms for at_ms in range(count) if at_ms not in poison]
    assert bool(words) == bool(poison)


def test_one_poison_among_many_costs_few_calls() -> None:
    store = Store({12_345})
    append_isolating(store.append, columns(100_000))
    assert store.calls < 2 * np.log2(100_000) + 3


def test_store_that_refuses_everything_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "MAX_APPENDS", 20)
    store = Store(set(range(1000)))
    refused, _ = append_isolating(store.append, columns(1000))
    assert refused.all()
    assert store.calls == 20


def test_store_that_is_away_is_not_poison() -> None:
    def away(readings: ReadingColumns) -> None:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        append_isolating(away, columns(3))
