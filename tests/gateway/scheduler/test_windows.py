"""Promises of `gateway.scheduler.windows`: nothing dirty is missed, nothing unchanged is written."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from gateway.carbon.usage import REACH
from gateway.scheduler.windows import DAY_MS, MAX_POINT_DAYS, SPAN_MS, Reach, Window, difference, windows_of
from gateway.store.timeseries import DirtyHours, ReadingColumns, UsageColumns

START_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS

dirty_hours = st.sets(st.tuples(st.integers(1, 5), st.integers(0, 3_000)), max_size=60)


def dirty(pairs: set[tuple[int, int]]) -> DirtyHours:
    rows = sorted(pairs)
    return DirtyHours(
        np.array([point for point, _ in rows], np.int32),
        np.array([START_MS + hour * HOUR_MS for _, hour in rows], np.int64),
        token=1,
    )


def readings(rows: list[tuple[int, int, float]]) -> ReadingColumns:
    return ReadingColumns(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.zeros(len(rows), np.uint8),
    )


def usage(rows: dict[tuple[int, int], int]) -> UsageColumns:
    keys = sorted(rows)
    amounts = np.array([rows[key] for key in keys], np.int64)
    return UsageColumns(
        np.array([point for point, _ in keys], np.int32),
        np.array([START_MS + hour * HOUR_MS for _, hour in keys], np.int64),
        amounts,
        np.zeros(len(keys), np.int64),
        np.full(len(keys), HOUR_MS, np.int64),
    )


@given(dirty_hours)
def test_every_dirty_hour_is_in_a_window_of_its_point(pairs: set[tuple[int, int]]) -> None:
    windows = windows_of(dirty(pairs))
    for point, hour in pairs:
        at_ms = START_MS + hour * HOUR_MS
        assert any(point in window.point_ids and window.start_ms <= at_ms < window.end_ms for window in windows)
    assert all(window.end_ms - window.start_ms <= SPAN_MS for window in windows)


@given(dirty_hours)
def test_no_window_names_a_point_that_is_clean(pairs: set[tuple[int, int]]) -> None:
    touched = {point for point, _ in pairs}
    assert {point for window in windows_of(dirty(pairs)) for point in window.point_ids} == touched


def test_a_backlog_of_a_whole_park_is_worked_through_in_windows_that_fit_in_memory() -> None:
    days = 31
    windows = windows_of(dirty({(point, hour) for point in range(1, 401) for hour in range(24 * days)}))
    sizes = [len(window.point_ids) * (window.end_ms - window.start_ms) / DAY_MS for window in windows]
    assert max(sizes) <= MAX_POINT_DAYS < 400 * days
    covered = {
        (point, at) for one in windows for point in one.point_ids for at in range(one.start_ms, one.end_ms, HOUR_MS)
    }
    assert len(covered) >= 400 * 24 * days


def test_one_late_reading_costs_one_hour_and_live_polling_one_window() -> None:
    late, live = (1, 0), {(point, 2_000) for point in range(1, 4)}
    windows = windows_of(dirty({late, *live}))
    assert [(window.point_ids, (window.end_ms - window.start_ms) // HOUR_MS) for window in windows] == [
        ((1,), 1),
        ((1, 2, 3), 1),
    ]


def test_reach_goes_to_the_last_neighbour_that_a_reading_can_change() -> None:
    window = Window((7, 8), START_MS, START_MS + HOUR_MS)
    before = readings([(7, START_MS - hours * HOUR_MS + 1, 0.0) for hours in range(REACH + 3, 0, -1)])
    after = readings([(7, START_MS + hours * 2 * HOUR_MS + 1, 0.0) for hours in range(1, REACH + 3)])
    reach = Reach.of(window, before, after)
    assert list(reach.rows()) == [
        (7, START_MS - REACH * HOUR_MS, START_MS + (2 * REACH + 1) * HOUR_MS),
        (8, START_MS, START_MS + HOUR_MS),  # no neighbours: its own hours
    ]


def test_reach_with_one_neighbour_goes_to_that_one() -> None:
    window = Window((7,), START_MS, START_MS + HOUR_MS)
    reach = Reach.of(window, readings([(7, START_MS - 5 * HOUR_MS, 1.0)]), readings([]))
    assert list(reach.rows()) == [(7, START_MS - 5 * HOUR_MS, START_MS + HOUR_MS)]


def test_a_point_that_reaches_far_does_not_make_its_neighbours_read_as_far() -> None:
    window = Window((7, 8, 9), START_MS, START_MS + HOUR_MS)
    near = [(point, START_MS - 60_000, 1.0) for point in (7, 9)]
    reach = Reach.of(window, readings([near[0], (8, START_MS - 50 * HOUR_MS, 1.0), near[1]]), readings([]))
    assert reach.windows() == [
        Window((8,), START_MS - 50 * HOUR_MS, START_MS + HOUR_MS),
        Window((7, 9), START_MS - HOUR_MS, START_MS + HOUR_MS),
    ]


amounts = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 6)), st.integers(1, 5), max_size=12)


@given(amounts, amounts)
def test_applying_the_difference_gives_the_fresh_usage(
    stored: dict[tuple[int, int], int], fresh: dict[tuple[int, int], int]
) -> None:
    changed = difference(usage(stored), usage(fresh))
    after = dict(stored)
    for point, hour_ms, amount in zip(changed.point_id, changed.hour_ms, changed.amount_u, strict=True):
        after[int(point), int((hour_ms - START_MS) // HOUR_MS)] = int(amount)
    assert {key: amount for key, amount in after.items() if amount} == fresh
    assert not len(difference(usage(fresh), usage(fresh)))
