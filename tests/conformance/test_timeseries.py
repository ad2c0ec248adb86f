"""What every time-series store promises: one suite for DuckDB in a file, a real InfluxDB and the simulation's store."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from collectors.errors import StoreRefused
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns

T0_MS = 1_760_000_400_000 // HOUR_MS * HOUR_MS
EARLIEST_MS, LATEST_MS = -9_223_372_036_854, 9_223_372_036_854

Row = tuple[int, int, float, int]  # point_id, at_ms, value, quality


def readings(*rows: Row) -> ReadingColumns:
    points, times, values, qualities = zip(*rows, strict=True) if rows else ((), (), (), ())
    return ReadingColumns(
        np.array(points, np.int32), np.array(times, np.int64), np.array(values, float), np.array(qualities, np.uint8)
    )


def rows_of(columns: ReadingColumns) -> list[Row]:
    kinds = [column.dtype for column in (columns.point_id, columns.at_ms, columns.value, columns.quality)]
    assert kinds == [np.int32, np.int64, np.float64, np.uint8]
    lists = (columns.point_id, columns.at_ms, columns.value, columns.quality)
    return list(zip(*(column.tolist() for column in lists), strict=True))


def usage(*rows: tuple[int, int, int, int, int]) -> UsageColumns:
    table = np.array(rows, np.int64).reshape(-1, 5)
    return UsageColumns(table[:, 0].astype(np.int32), *(table[:, column].copy() for column in range(1, 5)))


def usage_rows(columns: UsageColumns) -> list[tuple[int, ...]]:
    lists = (columns.point_id, columns.hour_ms, columns.amount_u, columns.estimated_u, columns.covered_ms)
    assert [column.dtype for column in lists] == [np.int32, np.int64, np.int64, np.int64, np.int64]
    return list(zip(*(column.tolist() for column in lists), strict=True))


def dirty(store: TimeSeriesStore, limit: int = 1000) -> set[tuple[int, int]]:
    claimed = store.claim_dirty(limit)
    return set(zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True))


def bits(values: Sequence[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


def test_rows_of_each_point_are_counted(store: TimeSeriesStore) -> None:
    assert store.counts([1, 2], T0_MS, T0_MS + HOUR_MS) == {}
    store.append(readings(*((1, T0_MS + second * 1000, 1.0, 0) for second in range(5)), (2, T0_MS, 2.0, 0)))
    assert store.counts([2, 1, 7], T0_MS, T0_MS + HOUR_MS) == {1: 5, 2: 1}
    assert store.counts([1], T0_MS + 1000, T0_MS + 4000) == {1: 3}
    assert store.counts([], T0_MS, T0_MS + HOUR_MS) == {}


def test_readings_come_back_sorted_by_point_and_time(store: TimeSeriesStore) -> None:
    store.append(readings((2, T0_MS + 5, 2.5, 1), (1, T0_MS + 9, 1.5, 2), (1, T0_MS, -1.25, 0)))
    expected = [(1, T0_MS, -1.25, 0), (1, T0_MS + 9, 1.5, 2), (2, T0_MS + 5, 2.5, 1)]
    assert rows_of(store.read([2, 1], T0_MS, T0_MS + 10)) == expected


def test_ranges_are_half_open(store: TimeSeriesStore) -> None:
    store.append(readings(*((1, T0_MS + n, float(n), 0) for n in range(4))))
    assert [row[2] for row in rows_of(store.read([1], T0_MS + 1, T0_MS + 3))] == [1.0, 2.0]
    assert rows_of(store.read([1], T0_MS + 1, T0_MS + 1)) == []
    assert rows_of(store.read([1], T0_MS + 3, T0_MS + 1)) == []


def test_only_the_points_asked_for_are_read(store: TimeSeriesStore) -> None:
    store.append(readings(*((point, T0_MS, float(point), 0) for point in range(1, 6))))
    assert [row[0] for row in rows_of(store.read([4, 2, 4, 99], T0_MS, T0_MS + 1))] == [2, 4]


def test_last_write_wins_between_appends(store: TimeSeriesStore) -> None:
    for value in (1.0, 3.0, 2.0):
        store.append(readings((1, T0_MS, value, int(value) % 3)))
    assert rows_of(store.read([1], T0_MS, T0_MS + 1)) == [(1, T0_MS, 2.0, 2)]
    assert rows_of(store.latest([1])) == [(1, T0_MS, 2.0, 2)]


def test_last_row_wins_within_an_append(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0), (2, T0_MS, 5.0, 0), (1, T0_MS, 3.0, 1), (1, T0_MS, 2.0, 2)))
    assert rows_of(store.read([1, 2], T0_MS, T0_MS + 1)) == [(1, T0_MS, 2.0, 2), (2, T0_MS, 5.0, 0)]


def test_last_write_wins_after_a_restart(stand: Any) -> None:
    stand.store.append(readings(*((1, T0_MS + n, 1.0, 0) for n in range(10))))
    stand.reopen().append(readings((1, T0_MS + 3, 2.0, 0)))
    assert [row[2] for row in rows_of(stand.reopen().read([1], T0_MS, T0_MS + 10))][2:5] == [1.0, 2.0, 1.0]


def test_before_gives_the_newest_strictly_before(store: TimeSeriesStore) -> None:
    store.append(readings(*((1, T0_MS + n * HOUR_MS, float(n), 0) for n in range(5)), (2, T0_MS, 9.0, 0)))
    found = rows_of(store.before([1, 2, 3], T0_MS + 3 * HOUR_MS, 2))
    assert [(row[0], row[2]) for row in found] == [(1, 1.0), (1, 2.0), (2, 9.0)]
    assert rows_of(store.before([1, 2], T0_MS, 2)) == []


def test_after_gives_the_oldest_from_there_on(store: TimeSeriesStore) -> None:
    store.append(readings(*((1, T0_MS + n * HOUR_MS, float(n), 0) for n in range(5)), (2, T0_MS, 9.0, 0)))
    found = rows_of(store.after([1, 2, 3], T0_MS + 2 * HOUR_MS, 2))
    assert [(row[0], row[2]) for row in found] == [(1, 2.0), (1, 3.0)]
    assert rows_of(store.after([1, 2], T0_MS + 5 * HOUR_MS, 2)) == []


def test_neighbours_are_found_years_away_and_count_instants_not_writes(store: TimeSeriesStore) -> None:
    year_ms = 365 * 24 * HOUR_MS
    for _ in range(3):
        store.append(readings((1, T0_MS, 1.0, 0), (1, T0_MS + 9 * year_ms, 2.0, 0), (2, T0_MS + 9 * year_ms, 3.0, 0)))
    assert [row[2] for row in rows_of(store.before([1], T0_MS + 10 * year_ms, 2))] == [1.0, 2.0]
    assert [row[2] for row in rows_of(store.before([1], T0_MS + 9 * year_ms, 2))] == [1.0]
    assert [row[2] for row in rows_of(store.after([1], T0_MS - year_ms, 2))] == [1.0, 2.0]
    assert [row[2] for row in rows_of(store.after([1], T0_MS + 1, 2))] == [2.0]


def test_latest_gives_one_reading_per_point_that_has_one(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0), (1, T0_MS + 7, 2.0, 1), (3, T0_MS - 30 * 24 * HOUR_MS, 3.0, 0)))
    expected = [(1, T0_MS + 7, 2.0, 1), (3, T0_MS - 30 * 24 * HOUR_MS, 3.0, 0)]
    assert rows_of(store.latest([3, 2, 1])) == expected


def test_empty_inputs_change_nothing_and_answer_nothing(store: TimeSeriesStore) -> None:
    store.append(ReadingColumns.empty())
    store.put_usage(UsageColumns.empty())
    store.clear_dirty(store.claim_dirty(10))
    for found in (store.read([1], 0, T0_MS), store.before([1], T0_MS, 2), store.after([1], 0, 2), store.latest([1])):
        assert rows_of(found) == []
    store.append(readings((1, T0_MS, 1.0, 0)))
    for found in (store.read([], 0, 2 * T0_MS), store.before([], T0_MS, 2), store.after([], 0, 2), store.latest([])):
        assert rows_of(found) == []
    assert usage_rows(store.usage([], 0, T0_MS)) == usage_rows(store.usage([1], 0, T0_MS)) == []


def test_every_float_survives_bit_for_bit(store: TimeSeriesStore) -> None:
    values = [-0.0, 0.0, 5e-324, 2.2250738585072014e-308, math.pi, 0.1 + 0.2, 1e15, 1e16, 1e20, 1e21, 123456789.0]
    values += [2.0**53 + 2, 1.7976931348623157e308]
    values += [-value for value in values]
    store.append(readings(*((1, T0_MS + n, value, 0) for n, value in enumerate(values))))
    found = store.read([1], T0_MS, T0_MS + len(values))
    assert bits(found.value.tolist()) == bits(values)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=200))
def test_any_floats_survive_bit_for_bit(store: TimeSeriesStore, values: list[float]) -> None:
    store.append(readings(*((1, T0_MS + n, value, 0) for n, value in enumerate(values))))
    assert bits(store.read([1], T0_MS, T0_MS + len(values)).value.tolist()) == bits(values)


def test_times_before_1970_and_at_both_ends_are_kept(store: TimeSeriesStore) -> None:
    times = [EARLIEST_MS, -HOUR_MS - 1, -1, 0, LATEST_MS]
    store.append(readings(*((1, at_ms, float(n), 0) for n, at_ms in enumerate(times))))
    assert [row[1] for row in rows_of(store.read([1], -(2**63), 2**63 - 1))] == times
    assert [row[1] for row in rows_of(store.before([1], 0, 2))] == [-HOUR_MS - 1, -1]
    assert rows_of(store.latest([1])) == [(1, LATEST_MS, 4.0, 0)]
    hours = {(1, at_ms // HOUR_MS * HOUR_MS) for at_ms in times}
    assert (1, -2 * HOUR_MS) in hours
    assert dirty(store) == hours


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((1, T0_MS, math.nan, 0), "not a finite number"),
        ((1, T0_MS, -math.inf, 0), "not a finite number"),
        ((1, LATEST_MS + 1, 1.0, 0), "1677 to 2262"),
        ((1, EARLIEST_MS - 1, 1.0, 0), "1677 to 2262"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name_and_nothing_of_it_kept(
    store: TimeSeriesStore, row: Row, why: str
) -> None:
    with pytest.raises(StoreRefused, match=rf"1 of 2 readings .*point 1 at {row[1]} ms.*{why}"):
        store.append(readings((2, T0_MS, 1.0, 0), row))
    assert rows_of(store.latest([1, 2])) == []
    assert store.dirty_count() == 0


def test_dirty_notes_are_exactly_the_touched_hours(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0), (1, T0_MS + HOUR_MS - 1, 1.0, 0), (2, T0_MS + HOUR_MS, 1.0, 0)))
    store.append(readings((1, T0_MS + 1, 2.0, 0)))
    assert dirty(store) == {(1, T0_MS), (2, T0_MS + HOUR_MS)}
    assert store.dirty_count() == 2


def test_claiming_removes_nothing_and_clearing_only_the_claimed(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0)))
    store.append(readings((2, T0_MS - HOUR_MS, 1.0, 0)))
    first = store.claim_dirty(1)
    assert list(zip(first.point_id.tolist(), first.hour_ms.tolist(), strict=True)) == [(1, T0_MS)]  # oldest note first
    assert store.dirty_count() == 2
    store.clear_dirty(first)
    assert dirty(store) == {(2, T0_MS - HOUR_MS)}


def test_a_claim_falls_short_of_its_limit_only_if_fewer_hours_wait(store: TimeSeriesStore) -> None:
    for value in range(9):
        store.append(readings((1, T0_MS, float(value), 0)))
        store.claim_dirty(1)  # so that the hour is noted anew, beside its older notes
    store.append(readings((2, T0_MS, 1.0, 0), (2, T0_MS + HOUR_MS, 1.0, 0), (3, T0_MS, 1.0, 0)))
    assert store.dirty_count() == 4
    assert [len(store.claim_dirty(limit)) for limit in range(1, 6)] == [1, 2, 3, 4, 4]


def test_hours_touched_after_the_claim_stay_dirty(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0), (2, T0_MS, 1.0, 0)))
    claimed = store.claim_dirty(10)
    store.append(readings((1, T0_MS + 5, 2.0, 0)))
    store.clear_dirty(claimed)
    assert dirty(store) == {(1, T0_MS)}


def test_an_old_claim_cannot_clear_a_note_made_after_another_clearing(store: TimeSeriesStore) -> None:
    store.append(readings((1, T0_MS, 1.0, 0)))
    slow, quick = store.claim_dirty(10), store.claim_dirty(10)
    store.clear_dirty(quick)
    assert store.dirty_count() == 0
    store.append(readings((1, T0_MS, 2.0, 0)))
    store.clear_dirty(slow)
    assert dirty(store) == {(1, T0_MS)}


def test_dirty_notes_and_readings_survive_a_restart(stand: Any) -> None:
    stand.store.append(readings((1, T0_MS, 1.0, 2), (2, T0_MS + HOUR_MS, 2.0, 0)))
    before = stand.store.claim_dirty(10)
    store = stand.reopen()
    assert rows_of(store.latest([1, 2])) == [(1, T0_MS, 1.0, 2), (2, T0_MS + HOUR_MS, 2.0, 0)]
    assert dirty(store) == {(1, T0_MS), (2, T0_MS + HOUR_MS)}
    store.append(readings((1, T0_MS, 3.0, 0)))
    store.clear_dirty(before)
    assert dirty(store) == {(1, T0_MS)}


def test_order_of_arrival_and_resending_change_nothing(stand: Any) -> None:
    rows = [(point, T0_MS + n * 60_000, float(point * n), 0) for n in range(50) for point in (1, 2, 3)]
    for start in range(0, len(rows), 30):
        stand.store.append(readings(*rows[start : start + 30]))
    in_order = rows_of(stand.store.read([1, 2, 3], 0, 2 * T0_MS))
    for start in (120, 0, 60, 90, 30, 60):
        stand.store.append(readings(*reversed(rows[start : start + 30])))
    assert rows_of(stand.reopen().read([1, 2, 3], 0, 2 * T0_MS)) == in_order == sorted(rows)


def test_usage_is_replaced_hour_by_hour(stand: Any) -> None:
    stand.store.put_usage(usage((1, T0_MS, 5, 0, 10), (1, T0_MS + HOUR_MS, 6, 1, 20), (2, T0_MS, 7, 2, 30)))
    stand.store.put_usage(usage((1, T0_MS, -(2**62), 2**62, HOUR_MS), (3, T0_MS, 0, 0, 0)))
    expected = [
        (1, T0_MS, -(2**62), 2**62, HOUR_MS),
        (1, T0_MS + HOUR_MS, 6, 1, 20),
        (2, T0_MS, 7, 2, 30),
        (3, T0_MS, 0, 0, 0),
    ]
    assert usage_rows(stand.store.usage([3, 2, 1], T0_MS, T0_MS + 2 * HOUR_MS)) == expected
    assert usage_rows(stand.reopen().usage([1, 2, 3], T0_MS, T0_MS + HOUR_MS)) == [
        row for row in expected if row[1] == T0_MS
    ]


def test_of_two_usages_for_one_hour_the_later_stands(store: TimeSeriesStore) -> None:
    store.put_usage(usage((1, T0_MS, 5, 0, 0), (1, T0_MS, 6, 0, 0)))
    assert usage_rows(store.usage([1], T0_MS, T0_MS + 1)) == [(1, T0_MS, 6, 0, 0)]


def test_a_hundred_thousand_rows_and_more_points_than_one_query_takes(store: TimeSeriesStore) -> None:
    points, instants = 500, 200
    columns = ReadingColumns(
        np.tile(np.arange(1, points + 1, dtype=np.int32), instants),
        np.repeat(T0_MS + np.arange(instants, dtype=np.int64) * 60_000, points),
        np.arange(points * instants, dtype=np.float64) / 3,
        np.zeros(points * instants, np.uint8),
    )
    store.append(columns)
    ids = list(range(1, points + 1))
    found = store.read(ids, T0_MS, T0_MS + instants * 60_000)
    order = np.lexsort((columns.at_ms, columns.point_id))
    assert np.array_equal(found.point_id, columns.point_id[order])
    assert np.array_equal(found.at_ms, columns.at_ms[order])
    assert np.array_equal(found.value, columns.value[order])
    assert store.dirty_count() == points * math.ceil(instants / 60)
    assert len(store.before(ids, T0_MS + instants * 60_000, 2)) == 2 * points
    assert len(store.latest(ids)) == points


def test_ping_names_the_engine_and_its_version(stand: Any) -> None:
    names = {"duckdb": "DuckDB 2.", "influxdb": "InfluxDB 1.", "plain": "a plain store", "quick": "a quick store"}
    names["archived"] = names["duckdb"]
    assert stand.store.ping().startswith(names[stand.name])


# Not the plain store of the simulation of ingest, which forgets nothing.
FORGETTING = ["duckdb", "archived", "quick", pytest.param("influxdb", marks=pytest.mark.real("influxdb"))]


@pytest.mark.parametrize("stand", FORGETTING, indirect=True)
def test_readings_forgotten_by_point_are_gone_and_all_others_stay(stand: Any) -> None:
    store = stand.store
    month_ms = 31 * 24 * HOUR_MS
    times = [T0_MS + number * month_ms for number in range(4)]
    store.append(readings(*((point, at_ms, float(point), 0) for point in (1, 2, 3) for at_ms in times)))
    store.put_usage(usage((1, T0_MS, 5, 0, HOUR_MS)))
    store.forget({})
    for _ in range(2):
        store.forget({1: times[2], 3: times[1] + 1})
        assert store.read([1], 0, times[3] + 1).at_ms.tolist() == times[2:]
        assert store.read([2], 0, times[3] + 1).at_ms.tolist() == times
        assert store.read([3], 0, times[3] + 1).at_ms.tolist() == times[2:]
        assert store.after([1, 2, 3], 0, 1).at_ms.tolist() == [times[2], times[0], times[2]]
        assert len(store.before([1], times[2], 1)) == 0
        store = stand.reopen()
    assert len(store.usage([1], T0_MS, T0_MS + HOUR_MS)) == 1
    store.forget(dict.fromkeys((1, 2, 3), times[3] + 1))
    assert len(store.latest([1, 2, 3])) == 0
    store.append(readings((1, times[0], 7.0, 0)))
    assert store.latest([1]).value.tolist() == [7.0]
    assert len(dirty(store)) == 12
