"""The clock guard on its own: bounds that hold on any line, steps, drift, and when there is doubt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import Receipt
from edge_agent.clock_guard import MAX_OFF_MS, MAX_SENT, ClockGuard

T0 = 1_760_000_000_000
HOUR_MS = 3_600_000


class World:
    """True time, a wall clock that may be off, and a gateway whose clock is right."""

    def __init__(self, off_ms: int = 0, **guard: Any) -> None:
        self.true_ms = T0
        self.off_ms = off_ms
        self.guard = ClockGuard(self.wall_ms, **guard)
        self._number = 0
        self.look()

    @property
    def wall_ms(self) -> int:
        return self.true_ms + self.off_ms

    def look(self) -> int:
        return self.guard.look(self.wall_ms, self.true_ms - T0)

    def wait(self, ms: int) -> None:
        self.true_ms += ms
        self.look()

    def set_clock(self, by_ms: int) -> int:
        self.off_ms += by_ms
        return self.look()

    def round_trip(self, there_ms: int = 20, back_ms: int = 20) -> None:
        self._number += 1
        batch = f"b{self._number}"
        self.guard.sent(batch, self.wall_ms)
        self.true_ms += there_ms
        receipt = Receipt(batch, "stored", 1, at=self.true_ms)
        self.true_ms += back_ms
        self.look()
        self.guard.heard(receipt, self.wall_ms)


def test_right_clock_is_never_doubted_however_slow_the_line() -> None:
    world = World()
    for there_ms, back_ms in ((60_000, 20), (20, 90_000), (HOUR_MS, HOUR_MS)):
        world.round_trip(there_ms, back_ms)
        assert world.guard.doubt == ""


@pytest.mark.parametrize(("off_ms", "way"), [(HOUR_MS, "ahead"), (-HOUR_MS, "behind")])
def test_clock_that_is_off_is_found_by_the_first_receipt(off_ms: int, way: str) -> None:
    world = World(off_ms)
    assert world.guard.doubt == ""
    world.round_trip()
    assert way in world.guard.doubt
    assert "60.0 min" in world.guard.doubt
    document = world.guard.document()
    assert abs(document["offset_ms"] - off_ms) <= document["offset_within_ms"] == 20


def test_step_is_seen_at_once_and_its_correction_too() -> None:
    world = World()
    world.round_trip()
    assert world.set_clock(2 * HOUR_MS) == 2 * HOUR_MS
    assert "ahead" in world.guard.doubt
    world.wait(60_000)
    assert world.set_clock(-2 * HOUR_MS) == -2 * HOUR_MS
    assert world.guard.doubt == ""
    assert world.guard.steps == 2


def test_time_service_that_mends_a_wrong_clock_ends_the_doubt() -> None:
    world = World(off_ms=-HOUR_MS)
    world.round_trip()
    assert "behind" in world.guard.doubt
    world.set_clock(HOUR_MS)
    assert world.guard.doubt == ""


def test_step_without_a_gateway_is_doubted_until_a_receipt() -> None:
    world = World()
    world.set_clock(-40_000)
    assert "set back by 40.0 s" in world.guard.doubt
    world.wait(HOUR_MS)
    assert world.guard.doubt
    world.round_trip()
    assert "behind" in world.guard.doubt
    world.set_clock(40_000)
    world.round_trip()
    assert world.guard.doubt == ""


def test_batch_that_was_under_way_during_a_step_is_reckoned_right() -> None:
    world = World()
    world.guard.sent("b", world.wall_ms)
    world.set_clock(HOUR_MS)
    world.true_ms += 10
    world.look()
    world.guard.heard(Receipt("b", "stored", 1, at=world.true_ms), world.wall_ms)
    assert "ahead" in world.guard.doubt
    assert world.guard.document()["offset_within_ms"] <= 10


def test_small_steps_within_the_tolerance_are_counted_and_not_doubted() -> None:
    world = World(tolerance_ms=5_000)
    for _ in range(3):
        world.set_clock(1_000)
    assert (world.guard.steps, world.guard.doubt) == (3, "")
    world.set_clock(2_500)
    assert world.guard.doubt


def test_rounding_is_no_step() -> None:
    guard = ClockGuard(T0)
    for number in range(1000):
        assert guard.look(T0 + number * 10 + number % 3, number * 10) == 0


@pytest.mark.parametrize(
    ("last_known_ms", "said"),
    [(T0 + HOUR_MS, "before"), (T0 - MAX_OFF_MS - 1, "after"), (T0 - HOUR_MS, ""), (None, "")],
)
def test_start_against_the_last_known_time(last_known_ms: int | None, said: str) -> None:
    world = World(last_known_ms=last_known_ms)
    assert bool(world.guard.doubt) == bool(said)
    assert said in world.guard.doubt
    world.round_trip()
    assert world.guard.doubt == ""


@pytest.mark.parametrize(("ppm", "said"), [(50, 4.3), (0, 0.0), (-100, -8.6)])
def test_drift_is_said_once_it_can_be_told(ppm: int, said: float) -> None:
    world = World()
    world.round_trip()
    assert world.guard.document()["drift_s_per_day"] is None
    for minute in range(1, 121):
        world.wait(60_000)
        world.off_ms = round(minute * 60_000 * ppm / 1e6)
        world.guard._gap_ms = world.wall_ms - (world.true_ms - T0)  # both clocks of a machine have one crystal
        world.round_trip()
    assert world.guard.document()["drift_s_per_day"] == pytest.approx(said, abs=0.5)


def test_older_gateway_that_says_no_time_changes_nothing() -> None:
    guard = ClockGuard(T0)
    guard.sent("b", T0)
    guard.heard(Receipt("b", "stored", 1), T0 + 10)
    guard.heard(Receipt("unknown", "stored", 1, at=5), T0 + 10)
    assert guard.doubt == ""
    assert guard.document()["offset_ms"] is None


def test_what_is_remembered_is_bounded() -> None:
    guard = ClockGuard(T0)
    for number in range(MAX_SENT * 2):
        guard.sent(f"b{number}", T0)
    assert len(guard._sent) <= MAX_SENT


@given(
    off_ms=st.integers(-(10**7), 10**7),
    trips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1),
)
def test_true_offset_always_lies_within_the_bounds(off_ms: int, trips: list[tuple[int, int, int]]) -> None:
    world = World(off_ms)
    for there_ms, back_ms, pause_ms in trips:
        world.round_trip(there_ms, back_ms)
        world.wait(pause_ms)
        document = world.guard.document()
        assert abs(document["offset_ms"] - off_ms) <= document["offset_within_ms"] + 1
        assert bool(world.guard.doubt) <= (abs(off_ms) > 5_000)
