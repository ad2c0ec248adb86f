"""The schedule keeps its promises: alignment, back-off, fairness, clocks that jump."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.schedule import Schedule, Task, back_off_ms, next_slot_ms

MINUTE_MS = 60_000


def test_back_off_doubles_from_2_s_to_5_min() -> None:
    waits_s = [back_off_ms(failures) // 1000 for failures in range(1, 11)]
    assert waits_s == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert back_off_ms(10_000) == 300_000
    with pytest.raises(ValueError, match="without a failure"):
        back_off_ms(0)


def test_devices_are_read_at_once_and_then_on_the_full_minute() -> None:
    schedule = Schedule([Task("a", "bus", MINUTE_MS)])
    assert schedule.start(90_500, {"bus"}) == ["a"]
    schedule.finished("a", 90_700, answered=True)
    assert schedule.start(119_999, {"bus"}) == []
    assert schedule.seconds_until_due(119_000, {"bus"}) == 1.0
    assert schedule.start(120_000, {"bus"}) == ["a"]


def test_missed_times_are_not_caught_up() -> None:
    schedule = Schedule([Task("a", "bus", MINUTE_MS)])
    schedule.start(0, {"bus"})
    schedule.finished("a", 10 * MINUTE_MS + 1, answered=True)
    assert schedule.start(10 * MINUTE_MS + 2, {"bus"}) == []
    assert schedule.start(11 * MINUTE_MS, {"bus"}) == ["a"]


def test_failing_device_backs_off_and_an_answer_ends_it() -> None:
    schedule = Schedule([Task("a", "bus", MINUTE_MS)])
    now_ms = 1
    for wait_ms in (2_000, 4_000, 8_000):
        assert schedule.start(now_ms, {"bus"}) == ["a"]
        schedule.finished("a", now_ms, answered=False)
        assert schedule.start(now_ms + wait_ms - 1, {"bus"}) == []
        now_ms += wait_ms
    schedule.start(now_ms, {"bus"})
    schedule.finished("a", now_ms, answered=True)
    assert schedule.start(next_slot_ms(now_ms, MINUTE_MS), {"bus"}) == ["a"]


def test_running_device_is_not_started_again() -> None:
    schedule = Schedule([Task("a", "bus", 1000)])
    assert schedule.start(0, {"bus"}) == ["a"]
    assert schedule.start(100_000, {"bus"}) == []


def test_busy_bus_waits_and_does_not_hold_up_another() -> None:
    schedule = Schedule([Task("a", "one", 1000), Task("b", "two", 1000)])
    assert schedule.start(0, {"two"}) == ["b"]
    assert schedule.seconds_until_due(0, {"two"}) == 60.0
    assert schedule.seconds_until_due(0, {"one", "two"}) == 0.0


def test_overloaded_bus_serves_all_devices_in_turn() -> None:
    names = [f"meter-{number}" for number in range(5)]
    schedule = Schedule(Task(name, "bus", 1000) for name in names)
    now_ms, order = 0, []
    for _ in range(50):  # each poll takes 700 ms: five devices a second are too many
        [name] = schedule.start(now_ms, {"bus"})
        now_ms += 700
        schedule.finished(name, now_ms, answered=True)
        order.append(name)
    counts = [order.count(name) for name in names]
    assert max(counts) - min(counts) <= 2


def test_a_dead_device_costs_its_neighbours_on_the_bus_a_few_slots_of_an_hour() -> None:
    schedule = Schedule([Task("dead", "bus", 1000), Task("alive", "bus", 1000)])
    now_ms, slots = 0, set()
    while now_ms < 3_600_000:
        names = schedule.start(now_ms, {"bus"})
        if names == ["alive"]:
            slots.add(now_ms // 1000)
        takes_ms = {"dead": 4_000, "alive": 50}  # two requests of a second, each tried twice
        started_ms, now_ms = now_ms, now_ms + sum(takes_ms[name] for name in names)
        for name in names:
            schedule.finished(name, now_ms, answered=name == "alive")
        if now_ms == started_ms:
            now_ms = now_ms // 1000 * 1000 + 1000
    assert len(slots) > 3600 - 4 * 20  # 20 polls of the dead one: 8 while the back-off grows, then one in 5 min


@settings(deadline=None)
@given(every_ms=st.integers(100, 86_400_000), jump_ms=st.integers(1, 10**12), failures=st.integers(0, 5))
def test_clock_set_back_silences_nobody_for_longer_than_its_period(every_ms: int, jump_ms: int, failures: int) -> None:
    schedule = Schedule([Task("a", "bus", every_ms)])
    now_ms = 1_760_000_000_000
    for _ in range(failures):
        schedule.start(now_ms, {"bus"})
        schedule.finished("a", now_ms, answered=False)
        now_ms += back_off_ms(failures)
    schedule.start(now_ms, {"bus"})
    schedule.finished("a", now_ms, answered=failures == 0)
    now_ms -= jump_ms
    longest_ms = back_off_ms(failures) * 2 if failures else every_ms
    started = schedule.start(now_ms, {"bus"}) or schedule.start(now_ms + longest_ms, {"bus"})
    assert started == ["a"]


@settings(deadline=None)
@given(now_ms=st.integers(0, 2**45), every_ms=st.integers(1, 86_400_000))
def test_next_slot_is_later_aligned_and_nearest(now_ms: int, every_ms: int) -> None:
    slot_ms = next_slot_ms(now_ms, every_ms)
    assert now_ms < slot_ms <= now_ms + every_ms
    assert slot_ms % every_ms == 0
