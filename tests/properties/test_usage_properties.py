"""Laws of the usage engine that must hold for any readings."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from collectors.reading import Quality
from gateway.carbon.falls import Limits
from gateway.carbon.point_rule import PointRule
from gateway.carbon.usage import CONTEXT, REACH, UsageResult, usage_from
from gateway.store.timeseries import ReadingColumns

START_MS = 488_000 * HOUR_MS
HOURS = 12
END_MS = START_MS + HOURS * HOUR_MS
Row = tuple[int, float]


def rules(rated: float | None = None, moduli: tuple[float, ...] = ()) -> dict[int, PointRule]:
    return {1: PointRule("e", "meter.point", "kWh", "counter", Limits(rated, 1.0, moduli))}


def columns(rows: list[Row]) -> ReadingColumns:
    return ReadingColumns(
        np.ones(len(rows), np.int32),
        np.array([at for at, _ in rows], np.int64),
        np.array([value for _, value in rows], np.float64),
        np.zeros(len(rows), np.uint8),
    )


def as_rows(result: UsageResult) -> dict[int, tuple[int, int, int]]:
    usage = result.usage
    return {
        int(hour): (int(amount), int(estimated), int(covered))
        for hour, amount, estimated, covered in zip(
            usage.hour_ms, usage.amount_u, usage.estimated_u, usage.covered_ms, strict=True
        )
    }


times = st.lists(st.integers(START_MS, END_MS - 1), min_size=2, max_size=40, unique=True).map(sorted)


@st.composite
def rising(draw: st.DrawFn) -> list[Row]:
    """A counter that never falls, at any spacing."""
    at = draw(times)
    steps = draw(st.lists(st.floats(0, 5_000), min_size=len(at), max_size=len(at)))
    value = draw(st.floats(1, 1e8))
    rows = []
    for at_ms, step in zip(at, steps, strict=True):
        value += step
        rows.append((at_ms, value))
    return rows


# Few distinct values, so that falls, dips, spikes, zeros and standing still are common.
wild = times.flatmap(
    lambda at: st.lists(
        st.sampled_from([0.0, 1.0, 5.0, 50.0, 99.0, 100.0, 101.0, 102.0, 130.0, 995.0, 999.0, 5_000.0]),
        min_size=len(at),
        max_size=len(at),
    ).map(lambda values: list(zip(at, values, strict=True)))
)
any_rules = st.sampled_from([rules(), rules(400.0), rules(None, (1_000.0,)), rules(40.0, (1_000.0,))])


@given(rising())
def test_hours_add_up_to_last_minus_first_exactly(rows: list[Row]) -> None:
    result = usage_from(columns(rows), rules(), START_MS, END_MS)
    total_u = int(np.rint(rows[-1][1] * 1e6)) - int(np.rint(rows[0][1] * 1e6))
    assert int(result.usage.amount_u.sum()) == total_u
    assert all(amount >= 0 and 0 <= covered <= HOUR_MS for amount, _, covered in as_rows(result).values())


@given(rising())
def test_each_hour_is_the_linear_share_within_one_unit_per_step(rows: list[Row]) -> None:
    got = as_rows(usage_from(columns(rows), rules(), START_MS, END_MS))
    for hour_ms, (amount_u, _, _) in got.items():
        exact, steps = Fraction(0), 0
        for (t0, v0), (t1, v1) in pairwise(rows):
            inside = min(t1, hour_ms + HOUR_MS) - max(t0, hour_ms)
            if inside > 0:
                exact += (int(np.rint(v1 * 1e6)) - int(np.rint(v0 * 1e6))) * Fraction(inside, t1 - t0)
                steps += 1
        assert abs(amount_u - exact) <= 2 * steps


@given(wild, any_rules, st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(rows: list[Row], rule: dict[int, PointRule], random: object) -> None:
    mixed = rows + rows[::2]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    straight = usage_from(columns(rows), rule, START_MS, END_MS)
    shuffled = usage_from(columns(mixed), rule, START_MS, END_MS)
    assert as_rows(shuffled) == as_rows(straight)
    assert shuffled.findings == straight.findings


@settings(max_examples=300)
@given(wild, any_rules, st.integers(0, HOURS - 1), st.integers(1, HOURS))
def test_a_window_with_context_gives_what_the_whole_gives(
    rows: list[Row], rule: dict[int, PointRule], first: int, length: int
) -> None:
    start_ms = START_MS + first * HOUR_MS
    end_ms = min(start_ms + length * HOUR_MS, END_MS)
    before = [row for row in rows if row[0] < start_ms][-CONTEXT:]
    inside = [row for row in rows if start_ms <= row[0] < end_ms]
    after = [row for row in rows if row[0] >= end_ms][:CONTEXT]
    whole = usage_from(columns(rows), rule, START_MS, END_MS)
    part = usage_from(columns(before + inside + after), rule, start_ms, end_ms)
    expected = {hour: row for hour, row in as_rows(whole).items() if start_ms <= hour < end_ms}
    assert as_rows(part) == expected
    assert part.findings == tuple(one for one in whole.findings if start_ms <= one.at_ms < end_ms)


@settings(max_examples=300)
@given(wild, any_rules, st.integers(START_MS, END_MS - 1), st.sampled_from([0.0, 50.0, 100.0, 5_000.0]))
def test_a_late_reading_changes_only_hours_within_reach(
    rows: list[Row], rule: dict[int, PointRule], at_ms: int, value: float
) -> None:
    later = [row for row in rows if row[0] != at_ms] + [(at_ms, value)]
    before = [at for at, _ in rows if at < at_ms][-REACH:]
    after = [at for at, _ in rows if at > at_ms][:REACH]
    from_hour = min([at_ms, *before]) // HOUR_MS * HOUR_MS
    to_hour = max([at_ms, *after]) // HOUR_MS * HOUR_MS
    old = as_rows(usage_from(columns(rows), rule, START_MS, END_MS))
    new = as_rows(usage_from(columns(sorted(later)), rule, START_MS, END_MS))
    for hour_ms in set(old) | set(new):
        if not from_hour <= hour_ms <= to_hour:
            assert old.get(hour_ms) == new.get(hour_ms)


@given(wild, st.integers(1, HOURS - 1))
def test_splitting_a_period_changes_no_total(rows: list[Row], cut: int) -> None:
    middle_ms = START_MS + cut * HOUR_MS
    data, rule = columns(rows), rules(400.0)
    whole = usage_from(data, rule, START_MS, END_MS).usage
    left, right = usage_from(data, rule, START_MS, middle_ms).usage, usage_from(data, rule, middle_ms, END_MS).usage
    assert int(whole.amount_u.sum()) == int(left.amount_u.sum()) + int(right.amount_u.sum())


@given(rising(), st.data())
def test_one_bad_zero_never_becomes_a_spike(rows: list[Row], data: st.DataObject) -> None:
    if len(rows) < 3:
        return
    place = data.draw(st.integers(1, len(rows) - 2))
    spoiled = [*rows[:place], (rows[place][0], 0.0), *rows[place + 1 :]]
    total = int(usage_from(columns(spoiled), rules(), START_MS, END_MS).usage.amount_u.sum())
    assert total == int(np.rint(rows[-1][1] * 1e6)) - int(np.rint(rows[0][1] * 1e6))


@given(rising())
def test_readings_that_are_all_marked_bad_give_nothing(rows: list[Row]) -> None:
    bad = replace(columns(rows), quality=np.full(len(rows), Quality.BAD, np.uint8))
    for kind in ("counter", "gauge", "delta"):
        rule = {1: replace(rules()[1], kind=kind)}
        result = usage_from(bad, rule, START_MS, END_MS)
        assert (len(result.usage), result.findings) == (0, ())


def test_points_do_not_touch_each_other() -> None:
    """A park of points in one pass gives what each point gives alone."""
    generator = np.random.default_rng(11)
    parts, many = [], {}
    for point_id in range(1, 9):
        at_ms = np.sort(generator.choice(np.arange(START_MS, END_MS, 1_000), 50, replace=False))
        value = np.cumsum(generator.random(50) * 30) * generator.choice([1, 1, 1, 0], 50)
        parts.append(ReadingColumns(np.full(50, point_id, np.int32), at_ms, value, np.zeros(50, np.uint8)))
        kind = ("counter", "gauge", "delta")[point_id % 3]
        many[point_id] = PointRule("e", f"m{point_id}.p", "kWh", kind, Limits(500.0, 1.0, ()))  # type: ignore[arg-type]
    together = usage_from(ReadingColumns.concatenate(parts), many, START_MS, END_MS)
    alone = [usage_from(part, many, START_MS, END_MS) for part in parts]
    assert together.usage.point_id.tolist() == [p for one in alone for p in one.usage.point_id.tolist()]
    assert together.usage.amount_u.tolist() == [a for one in alone for a in one.usage.amount_u.tolist()]
    assert together.findings == tuple(finding for one in alone for finding in one.findings)
