"""What was read once with a margin answers as the store does, wherever the readings lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from gateway.scheduler import bounded_reads
from gateway.scheduler.near import FEW, MARGIN_MS, InSlices, Near, near
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns
from tests.plant_life.quick_store import QuickStore
from tests.simulation.plain_store import PlainStore

Rows = list[tuple[int, int, float, int]]

START_MS, END_MS = 100 * HOUR_MS, 101 * HOUR_MS
HALF_MS = HOUR_MS // 2
instants = st.integers((START_MS - 3 * MARGIN_MS) // HALF_MS, (END_MS + 3 * MARGIN_MS) // HALF_MS)
stored = st.sets(st.tuples(st.integers(1, 4), instants), max_size=60)


def columns(pairs: set[tuple[int, int]]) -> ReadingColumns:
    rows = sorted(pairs)
    return ReadingColumns(
        np.array([point for point, _ in rows], np.int32),
        np.array([half * HALF_MS for _, half in rows], np.int64),
        np.array([half + point / 10 for point, half in rows], np.float64),
        np.zeros(len(rows), np.uint8),
    )


def rows_of(found: ReadingColumns) -> Rows:
    lists = (found.point_id, found.at_ms, found.value, found.quality)
    return list(zip(*(one.tolist() for one in lists), strict=True))


@settings(max_examples=60, deadline=None)
@given(stored, st.sets(st.integers(1, 5), min_size=1), instants, st.integers(1, 8))
def test_answers_are_those_of_the_store(pairs: set[tuple[int, int]], asked: set[int], half: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = PlainStore(Path(directory) / "journal")
        store.append(columns(pairs))
        store.close()
    point_ids, at_ms = sorted(asked), half * HALF_MS
    close = near(store, [1, 2, 3], START_MS, END_MS)
    assert isinstance(close, Near)
    assert rows_of(close.before(point_ids, at_ms, count)) == rows_of(store.before(point_ids, at_ms, count))
    assert rows_of(close.after(point_ids, at_ms, count)) == rows_of(store.after(point_ids, at_ms, count))
    for stretch in ((START_MS, END_MS), (START_MS - 3 * MARGIN_MS, at_ms), (at_ms, at_ms + HOUR_MS)):
        assert rows_of(close.read(point_ids, *stretch)) == rows_of(store.read(point_ids, *stretch))


def test_many_points_and_long_stretches_are_the_stores(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "timeseries.duckdb")
    assert near(store, range(FEW + 1), START_MS, END_MS) == InSlices(store)
    assert near(store, [1], START_MS, START_MS + 400 * 24 * HOUR_MS) == InSlices(store)
    assert near(store, [], START_MS, END_MS) == InSlices(store)
    store.close()


@settings(max_examples=60, deadline=None)
@given(stored, st.sets(st.integers(1, 5), min_size=1), instants, st.integers(1, 60))
def test_slices_together_are_what_one_reading_gives(
    pairs: set[tuple[int, int]], asked: set[int], half: int, rows: int
) -> None:
    store = QuickStore()
    store.append(columns(pairs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_reads, "SLICE_ROWS", rows)
        for stretch in ((START_MS - 3 * MARGIN_MS, half * HALF_MS), (half * HALF_MS, END_MS + 3 * MARGIN_MS)):
            assert rows_of(InSlices(store).read(sorted(asked), *stretch)) == rows_of(
                store.read(sorted(asked), *stretch)
            )


def test_what_is_at_hand_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PlainStore(tmp_path / "journal")
    store.append(columns({(1, half) for half in range(150, 250)}))
    store.close()
    close = near(store, [1], START_MS, END_MS)
    for name in ("read", "before", "after"):
        monkeypatch.setattr(store, name, None)
    assert len(close.before([1], START_MS, 4)) == len(close.after([1], END_MS, 4)) == 4
    assert len(close.read([1], START_MS, END_MS)) == 2
