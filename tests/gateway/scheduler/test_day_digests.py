"""A day's digest is the same whether the usage stage had the day at hand or it was read again to be booked.

`verify` reads every day again and knows nothing of digests that were kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from gateway.scheduler import day_digests, series
from gateway.scheduler.usage_stage import UsageStage
from gateway.scheduler.windows import Window
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import ReadingColumns
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

DAY_MS = 24 * HOUR_MS
BOOKED = 6 + 3 + 3  # days of the plant's grid and burner, and of the second one


def put_all(plant: Plant) -> None:
    """Whole days, a hole over a whole day, and a plant that begins at noon, into a gateway that has run before."""
    plant.roll_up("2026-10-01 00:00")
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 50, 10.0, 33.3))
    plant.put("incomer", "energy_import", steady("2026-10-04 20:00", 30, 5_000.0, 33.3))
    plant.put("gas", "volume", steady("2026-10-01 00:00", 72, 999_990.0, 0.5))
    plant.put("incomer", "energy_import", steady("2026-10-02 12:00", 48, 0.0, 5.0), SECOND)


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The points whose readings were read to be digested, each time again."""
    points: list[int] = []
    read = series.each_point

    def noted(store: Any, point_ids: Sequence[int], stretch: tuple[int, int]) -> Iterator[tuple[int, ReadingColumns]]:
        points.extend(point_ids)
        return read(store, point_ids, stretch)

    monkeypatch.setattr(series, "each_point", noted)
    return points


def standing(plant: Plant) -> dict[tuple[str, str, str], str]:
    """(enterprise, source, day) -> digest of the entries that stand."""
    book = LedgerRepository(plant.house.engine)
    chains = {name: list(book.chain(name)) for name in (PLANT, SECOND)}
    gone = {(name, entry.reverses) for name, chain in chains.items() for entry in chain}
    return {
        (name, entry.draft.source, entry.draft.day.isoformat()): entry.draft.digest
        for name, chain in chains.items()
        for entry in chain
        if entry.reverses is None and (name, entry.seq) not in gone
    }


def verified(plant: Plant) -> bool:
    found = plant.house.operations.call("verify")
    return bool(found["ok"]) and not any("left out" in note for note in found["notes"])


@pytest.mark.parametrize("limit", [0, 3, 10_000])
def test_days_at_hand_and_days_read_again_give_the_same_digests(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, read_again: list[int], limit: int
) -> None:
    monkeypatch.setattr(day_digests, "KEPT_LIMIT", limit)
    put_all(plant)
    plant.roll_up("2026-10-08 00:00")
    assert len(standing(plant)) == BOOKED
    assert bool(read_again) == (limit < BOOKED)  # a bulk load is read once
    assert verified(plant)


def test_a_late_reading_makes_a_new_digest_of_its_day(plant: Plant) -> None:
    put_all(plant)
    plant.roll_up("2026-10-08 00:00")
    stood = standing(plant)
    plant.put("incomer", "energy_import", [(at("2026-10-01 08:07"), 280.0)])
    plant.put("incomer", "energy_import", steady("2026-10-02 12:00", 48, 0.0, 6.0), SECOND)
    plant.roll_up("2026-10-08 01:00")
    changed = {name for name, digest in standing(plant).items() if digest != stood[name]}
    assert changed == {
        (PLANT, "grid", "2026-10-01"),
        *((SECOND, "grid", f"2026-10-0{day}") for day in (2, 3, 4)),
    }
    assert verified(plant)


def after_usage(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Do something once, when the next run has made usage and has not booked yet."""
    run = UsageStage.run

    def followed(*arguments: Any) -> Any:
        monkeypatch.setattr(UsageStage, "run", run)
        done = run(*arguments)
        then()
        return done

    monkeypatch.setattr(UsageStage, "run", followed)


def test_a_reading_that_comes_before_its_day_is_booked_is_booked_by_the_next_run(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, read_again: list[int]
) -> None:
    put_all(plant)
    after_usage(monkeypatch, lambda: plant.put("incomer", "energy_import", [(at("2026-10-01 08:07"), 280.0)]))
    plant.roll_up("2026-10-08 00:00")
    assert not read_again
    stood = standing(plant)
    assert plant.house.timeseries.dirty_count()
    plant.roll_up("2026-10-08 00:01")
    changed = {name for name, digest in standing(plant).items() if digest != stood[name]}
    assert changed == {(PLANT, "grid", "2026-10-01")}
    assert verified(plant)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    late=st.lists(
        st.tuples(st.integers(0, 6 * 24 * 4), st.sampled_from([0, 60_000]), st.integers(0, 3)), min_size=1, max_size=6
    ),
    bulk=st.booleans(),
)
def test_whatever_comes_between_the_stages_what_stands_in_the_end_is_what_the_store_holds(
    plant: Plant, late: list[tuple[int, int, int]], bulk: bool
) -> None:
    start_ms = at("2026-10-01 00:00")
    if bulk or not plant.chain_length():
        put_all(plant)
    readings = [(start_ms + quarter * 15 * 60_000 + more_ms, 10.0 + value) for quarter, more_ms, value in late]
    with pytest.MonkeyPatch.context() as patch:
        after_usage(patch, lambda: plant.put("incomer", "energy_import", readings))
        plant.roll_up("2026-10-08 00:00")
    plant.roll_up("2026-10-08 00:01")
    assert plant.house.timeseries.dirty_count() == 0
    assert verified(plant)


def test_nothing_is_remembered_when_a_run_has_ended_well_or_badly(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, read_again: list[int]
) -> None:
    digests = plant.house.pipeline.usage.digests
    put_all(plant)
    kept: list[int] = []

    def fails() -> None:
        kept.append(len(digests.of_point))
        raise MemoryError

    after_usage(monkeypatch, fails)
    with pytest.raises(MemoryError):
        plant.roll_up("2026-10-08 00:00")
    assert kept == [3]
    assert not digests.of_point
    plant.roll_up("2026-10-08 00:01")  # the days that were marked are booked, and read for it
    assert read_again
    assert len(standing(plant)) == BOOKED
    assert not digests.of_point
    assert verified(plant)


def test_a_check_is_not_answered_from_memory(plant: Plant, read_again: list[int]) -> None:
    put_all(plant)
    plant.roll_up("2026-10-08 00:00")
    activities = plant.house.pipeline.entries.activities
    enterprise = plant.house.registry().enterprises[PLANT]
    point_id = plant.house.registry().points_by_name[PLANT, "incomer", "energy_import"].point_id
    day = at("2026-10-01 00:00")
    plant.house.pipeline.usage.digests.of_point[point_id] = {day: "remembered"}
    read_again.clear()
    wanted = {"grid": [entry.draft.day for entry in LedgerRepository(plant.house.engine).chain(PLANT)][:1]}
    (from_memory,) = activities.of_days(plant.house.registry(), enterprise, wanted)
    assert read_again == []
    (checked,) = activities.without_memory().of_days(plant.house.registry(), enterprise, wanted)
    assert read_again == [point_id]
    assert checked.digest != from_memory.digest
    assert checked.digest == standing(plant)[PLANT, "grid", "2026-10-01"]


def test_a_point_that_is_claimed_again_is_forgotten() -> None:
    digests = day_digests.DayDigests({1: {0: "a"}, 2: {0: "b"}})
    digests.forget(np.array([2, 3], np.int32))
    assert digests.of_point == {1: {0: "a"}}


@pytest.mark.parametrize(
    ("window", "rows", "whole"),
    [
        ((0, 24), (1, 2), True),
        ((0, 23), (1, 2), False),  # what else came in the last hour is not at hand
        ((0, 23), (1, 25), True),  # a neighbour read beyond the day's end: nothing lies between
        ((1, 24), (1, 2), False),
        ((1, 24), (-3, 2), True),
    ],
)
def test_a_day_is_whole_if_no_reading_of_it_can_be_missing(
    window: tuple[int, int], rows: tuple[int, int], whole: bool
) -> None:
    at_ms = np.array(rows, np.int64) * HOUR_MS
    own = ReadingColumns(np.ones(2, np.int32), at_ms, np.zeros(2), np.zeros(2, np.uint8))
    asked = Window((1,), window[0] * HOUR_MS, window[1] * HOUR_MS)
    assert day_digests.is_whole(own, asked, (0, DAY_MS)) == whole
