"""Columns against naive Python: the last of each instant, and the hours that readings touch."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from gateway.store.columns import (
    EARLIEST_MS,
    LATEST_MS,
    id_column,
    newest_of_each,
    one_after_another,
    touched_hours,
)
from gateway.store.timeseries import ReadingColumns

points = st.integers(0, 2**31 - 1) | st.integers(1, 3)
times = st.integers(EARLIEST_MS, LATEST_MS) | st.integers(-2 * HOUR_MS, 2 * HOUR_MS) | st.sampled_from([0, 1, 2])


@given(st.lists(st.tuples(points, times)))
def test_touched_hours_are_those_of_a_naive_set(rows: list[tuple[int, int]]) -> None:
    point_id = np.array([point for point, _ in rows], np.int32)
    at_ms = np.array([at for _, at in rows], np.int64)
    found = touched_hours(point_id, at_ms)
    assert [column.dtype for column in found] == [np.int32, np.int64]
    pairs = list(zip(*(column.tolist() for column in found), strict=True))
    assert pairs == sorted({(point, at // HOUR_MS * HOUR_MS) for point, at in rows})


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3))), st.randoms())
def test_the_last_to_arrive_of_each_instant_is_kept(rows: list[tuple[int, int]], random: object) -> None:
    arrival = list(range(len(rows)))
    random.shuffle(arrival)  # type: ignore[attr-defined]
    newest: dict[tuple[int, int], int] = {}
    for row in sorted(range(len(rows)), key=arrival.__getitem__):
        newest[rows[row]] = row
    table = np.array(rows, np.int64).reshape(-1, 2)
    kept = newest_of_each(table[:, 0].astype(np.int32), table[:, 1], np.array(arrival, np.int64))
    assert kept.tolist() == [newest[key] for key in sorted(newest)]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3))))
def test_without_arrival_numbers_the_rows_order_counts(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 2)
    kept = newest_of_each(table[:, 0].astype(np.int32), table[:, 1])
    newest = {key: row for row, key in enumerate(rows)}
    assert kept.tolist() == [newest[key] for key in sorted(newest)]


def _readings(rows: list[tuple[int, int]]) -> ReadingColumns:
    table = np.array(rows, np.int64).reshape(-1, 2)
    values = np.arange(len(rows), dtype=np.float64) + table[:, 1]
    return ReadingColumns(table[:, 0].astype(np.int32), table[:, 1], values, (table[:, 0] % 3).astype(np.uint8))


@given(st.sets(st.tuples(st.integers(1, 4) | st.just(2**31 - 1), st.integers(0, 8))), st.sets(st.integers(0, 8)))
def test_parts_cut_at_any_times_join_to_what_they_were_cut_from(rows: set[tuple[int, int]], cuts: set[int]) -> None:
    whole = _readings(sorted(rows))
    edges = [-1, *sorted(cuts), 9]
    parts = []
    for start, end in itertools.pairwise(edges):
        inside = (whole.at_ms > start) & (whole.at_ms <= end)
        columns = (getattr(whole, name)[inside] for name in ("point_id", "at_ms", "value", "quality"))
        parts.append(ReadingColumns(*columns))
    joined = one_after_another(parts)
    for name in ("point_id", "at_ms", "value", "quality"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
        assert getattr(joined, name).dtype == getattr(whole, name).dtype


def test_point_ids_become_a_column_without_repeats() -> None:
    assert id_column([3, 1, 3]).tolist() == [1, 3]
    assert id_column([]).dtype == np.int32
