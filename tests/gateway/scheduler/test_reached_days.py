"""A day that new readings only reach is looked at again if anything about it can be another, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.registry.model import Registry
from gateway.scheduler.statements_stage import StatementsStage
from gateway.scheduler.usage_stage import UsageStage
from tests.gateway.scheduler.plant import PLANT, Plant, at, steady

MINUTE_MS = 60_000
MIDNIGHT = "2026-10-02 00:00"
PER_MINUTE = 0.5
FIRST = 1000.0


def power(first_min: int, end_min: int, step_min: int = 1) -> list[tuple[int, float]]:
    """The grid meter's readings of some minutes after midnight; those before it are negative."""
    return [
        (at(MIDNIGHT) + minute * MINUTE_MS, FIRST + PER_MINUTE * minute)
        for minute in range(first_min, end_min, step_min)
    ]


def booked_at_half_past(plant: Plant) -> None:
    """A day of the grid meter and of gas, and the half hour after it, rolled up when the day has ended."""
    plant.roll_up("2026-10-01 00:00")
    plant.put("incomer", "energy_import", power(-24 * 60, 30))
    plant.put("gas", "volume", steady("2026-10-01 00:00", 24, 50.0, 3.0))
    assert plant.roll_up("2026-10-02 00:30")["entries"]["entries_posted"] == 2


def days_looked_at(plant: Plant, minute: int) -> int:
    return plant.roll_up(f"2026-10-02 00:{minute}")["entries"]["days_due"]


def verified(plant: Plant) -> bool:
    found = plant.house.operations.call("verify")
    return bool(found["ok"]) and not any("left out" in note for note in found["notes"])


def test_in_the_hour_after_midnight_yesterday_is_looked_at_once_more_and_then_left_alone(plant: Plant) -> None:
    booked_at_half_past(plant)
    looked_at = []
    for minute in range(31, 37):
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        looked_at.append(days_looked_at(plant, minute))
    assert looked_at == [1, *[0] * 5]
    assert verified(plant)


def test_it_makes_no_statement_either(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    months: list[tuple[str, str]] = []
    make = StatementsStage.run

    def counted(stage: StatementsStage, registry: Registry, wanted: list[tuple[str, str]], now_ms: int) -> Any:
        months.extend(wanted)
        return make(stage, registry, wanted, now_ms)

    monkeypatch.setattr(StatementsStage, "run", counted)
    booked_at_half_past(plant)
    for minute in (31, 32):
        months.clear()
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        days_looked_at(plant, minute)
    assert months == []


# What comes at 00:40, when yesterday has been left alone for a while -> what is posted of yesterday.
@pytest.mark.parametrize(
    ("readings", "posted"),
    [
        (power(40, 41), 0),
        ([(at(MIDNIGHT) + 30_000, FIRST + 0.25)], 0),  # the second reading of the day
        ([(at(MIDNIGHT), FIRST)], 0),  # the first one again as it was
        ([(at(MIDNIGHT), FIRST + 0.1)], 1),  # the reading that follows yesterday, corrected
        ([(at(MIDNIGHT) - 1, FIRST)], 1),  # yesterday's own
        ([(at(MIDNIGHT) - 20 * MINUTE_MS, FIRST - 9.9)], 1),
    ],
)
def test_yesterday_is_booked_again_exactly_if_it_rests_on_something_else(
    plant: Plant, readings: list[tuple[int, float]], posted: int
) -> None:
    booked_at_half_past(plant)
    for minute in (31, 32):
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        days_looked_at(plant, minute)
    plant.put("incomer", "energy_import", readings)
    assert plant.roll_up("2026-10-02 00:40")["entries"]["entries_posted"] == posted
    assert verified(plant)


def test_a_restart_looks_once_more(open_plant: Callable[[], Plant]) -> None:
    plant = open_plant()
    booked_at_half_past(plant)
    looked_at = []
    for minute in (31, 32, 33):
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        looked_at.append(days_looked_at(plant, minute))
    plant = open_plant()
    for minute in (34, 35):
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        looked_at.append(days_looked_at(plant, minute))
    assert looked_at == [1, 0, 0, 1, 0]


def test_what_another_process_booked_makes_this_one_look_again(plant: Plant) -> None:
    booked_at_half_past(plant)
    for minute in (31, 32):
        plant.put("incomer", "energy_import", power(minute, minute + 1))
        days_looked_at(plant, minute)
    reached = plant.house.pipeline.usage.reached
    remembered = dict(reached.booked)
    plant.put("incomer", "energy_import", [(at(MIDNIGHT), FIRST + 0.1)])
    days_looked_at(plant, 33)  # as another one would: what this one remembers is from before
    reached.booked.clear()
    reached.booked.update(remembered)
    plant.put("incomer", "energy_import", [(at(MIDNIGHT), FIRST)])
    assert plant.roll_up("2026-10-02 00:34")["entries"]["entries_posted"] == 1
    assert verified(plant)


def test_a_crash_after_usage_was_stored_leaves_the_day_marked(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    booked_at_half_past(plant)
    plant.put("incomer", "energy_import", power(31, 32))
    days_looked_at(plant, 31)

    def dies(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(type(plant.house.pipeline.usage.digests), "keep", dies)
        plant.put("incomer", "energy_import", [(at(MIDNIGHT), FIRST + 0.1)])
        with pytest.raises(MemoryError):
            days_looked_at(plant, 32)
    assert plant.roll_up("2026-10-02 00:33")["entries"]["entries_posted"] == 1
    assert verified(plant)


_EVENTS = st.lists(
    st.tuples(
        st.integers(-8, 8), st.sampled_from([0, 0, 0, 1, -1]), st.sampled_from(["stored", "rolled up", "between"])
    ),
    min_size=3,
    max_size=10,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS)
def test_whatever_comes_around_midnight_the_books_are_what_the_readings_give(
    plant: Plant, events: list[tuple[int, int, str]]
) -> None:
    if not plant.chain_length(PLANT):
        booked_at_half_past(plant)
    run = UsageStage.run
    for minute, more, when in events:
        reading = (at(MIDNIGHT) + minute * MINUTE_MS, FIRST + PER_MINUTE * minute + 0.1 * more)
        if when == "between":  # the stages: usage knows nothing of it yet

            def followed(*arguments: Any, reading: tuple[int, float] = reading) -> Any:
                done = run(*arguments)
                plant.put("incomer", "energy_import", [reading])
                return done

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(UsageStage, "run", followed)
                plant.roll_up("2026-10-02 00:40")
        else:
            plant.put("incomer", "energy_import", [reading])
            if when == "rolled up":
                plant.roll_up("2026-10-02 00:40")
    plant.roll_up("2026-10-02 00:41")
    assert verified(plant)
