"""Rebuilding days from raw readings: only differences are posted, and where raw is gone nothing is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.scheduler import rebuild as rebuild_module
from gateway.scheduler.rebuild import Rebuilder, RebuildStep
from gateway.store.database import reading
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.rebuilds_repository import Asked
from gateway.store.schema import ledger_entries, statements
from gateway.store.timeseries import UsageColumns
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

NOW = "2026-10-20 12:00"
EVERY_DAY = Asked(PLANT, date(2026, 10, 1), date(2026, 10, 12))


def fill(plant: Plant) -> None:
    """Twelve days of power, gas for some of them, both plants, rolled up."""
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 12 * 24, 1000.0, 40.0, every_min=60))
    plant.put("gas", "volume", steady("2026-10-03 00:00", 5 * 24, 50.0, 3.0, every_min=60))
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 12 * 24, 7.0, 2.0, every_min=60), SECOND)
    plant.roll_up(NOW)


def rebuilder(plant: Plant) -> Rebuilder:
    return Rebuilder(plant.house.engine, plant.house.timeseries, plant.house.pipeline)


def rebuild_all(plant: Plant, asked: Asked = EVERY_DAY) -> list[RebuildStep]:
    """Work a rebuild off; its steps."""
    worker = rebuilder(plant)
    names = [asked.scope] if asked.scope else sorted(plant.house.registry().enterprises)
    done = worker.begin(asked, names, at(NOW), anew=False)
    steps = []
    while not done.is_finished:
        done = worker.step(asked, at(NOW))
        steps.append(done)
    return steps


def posted(steps: list[RebuildStep]) -> tuple[int, int]:
    return sum(step.entries_posted for step in steps), sum(step.entries_reversed for step in steps)


def books(plant: Plant) -> tuple[int, int]:
    """How many entries and versions of statements there are."""
    with reading(plant.house.engine) as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (ledger_entries, statements)]
    return counts[0] or 0, counts[1] or 0


def spoil(plant: Plant, text: str, amount_u: int = 1, enterprise: str = PLANT) -> None:
    """Stored usage of an hour becomes something that its readings do not give."""
    point = plant.house.registry().points_by_name[enterprise, "incomer", "energy_import"].point_id
    column = np.array([at(text)], np.int64)
    none = np.zeros(1, np.int64)
    usage = UsageColumns(np.array([point], np.int32), column, none + amount_u, none, none + 3_600_000)
    plant.house.timeseries.put_usage(usage)


def test_rebuilding_what_has_not_changed_posts_nothing(plant: Plant) -> None:
    fill(plant)
    before, standing = books(plant), plant.standing()
    steps = rebuild_all(plant, Asked("", date(2026, 9, 25), date(2026, 10, 15)))
    assert posted(steps) == (0, 0)
    assert steps[-1].days_total == 2 * 21
    assert (books(plant), plant.standing()) == (before, standing)
    assert [step.left_alone for step in steps] == [()] * len(steps)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(1, 12), length=st.integers(0, 11), piece=st.integers(8, 60))
def test_rebuilding_any_range_in_pieces_of_any_size_posts_nothing(
    plant: Plant, first: int, length: int, piece: int
) -> None:
    if not plant.chain_length():
        fill(plant)
    before = books(plant)
    asked = Asked("", date(2026, 10, first), date(2026, 10, min(first + length, 18)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rebuild_module, "PIECE_POINT_DAYS", piece)
        steps = rebuild_all(plant, asked)
    assert steps
    assert posted(steps) == (0, 0)
    assert books(plant) == before


def test_usage_that_was_stored_wrongly_is_set_right_and_books_that_were_right_stay(plant: Plant) -> None:
    fill(plant)
    right = plant.standing()
    spoil(plant, "2026-10-05 08:00")
    spoil(plant, "2026-10-09 08:00", enterprise=SECOND)
    assert not plant.house.operations.call("verify")["ok"]
    assert posted(rebuild_all(plant, Asked("", date(2026, 10, 1), date(2026, 10, 12)))) == (0, 0)
    assert plant.standing() == right
    assert plant.house.operations.call("verify")["ok"]


def test_entries_that_were_booked_from_wrong_usage_are_reversed_and_booked_anew(plant: Plant) -> None:
    fill(plant)
    right, length = plant.standing(), plant.chain_length()
    spoil(plant, "2026-10-05 08:00", amount_u=500_000_000)
    DirtyDaysRepository(plant.house.engine).mark([(PLANT, "grid", date(2026, 10, 5))], "late-data")
    plant.roll_up(NOW)
    assert plant.standing() != right
    assert plant.chain_length() == length + 2
    assert posted(rebuild_all(plant)) == (1, 1)
    assert plant.standing() == right
    assert plant.chain_length() == length + 4
    assert plant.house.operations.call("verify")["ok"]


def test_a_rebuild_that_was_stopped_goes_on_where_it_was(
    open_plant: Callable[[], Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_module, "PIECE_POINT_DAYS", 4)  # two points: two days a piece
    plant = open_plant()
    fill(plant)
    spoil(plant, "2026-10-02 08:00")
    worker = rebuilder(plant)
    worker.begin(EVERY_DAY, [PLANT], at(NOW), anew=False)
    assert worker.step(EVERY_DAY, at(NOW)).days_done == 2
    plant = open_plant()
    found = rebuilder(plant).begin(EVERY_DAY, [PLANT], at("2026-10-21 12:00"), anew=False)
    assert (found.days_done, found.begun_at_ms) == (2, at(NOW))
    steps = rebuild_all(plant)
    assert [step.days_done for step in steps] == [4, 6, 8, 10, 12]
    assert rebuilder(plant).begin(EVERY_DAY, [PLANT], at(NOW), anew=False).days_done == 0  # done is done: anew
    rebuilder(plant).step(EVERY_DAY, at(NOW))
    assert rebuilder(plant).begin(EVERY_DAY, [PLANT], at(NOW), anew=True).days_done == 0


def test_a_crash_before_booking_leaves_the_days_to_the_next_roll_up(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(plant)
    right = plant.standing()
    spoil(plant, "2026-10-05 08:00", amount_u=500_000_000)
    DirtyDaysRepository(plant.house.engine).mark([(PLANT, "grid", date(2026, 10, 5))], "late-data")
    plant.roll_up(NOW)
    worker = rebuilder(plant)
    worker.begin(EVERY_DAY, [PLANT], at(NOW), anew=False)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Rebuilder, "_booked", _interrupted)
        worker.step(EVERY_DAY, at(NOW))
    plant.roll_up(NOW)
    assert plant.standing() == right


def _interrupted(*_: object) -> str:
    raise KeyboardInterrupt


def test_days_whose_raw_readings_are_gone_are_left_as_they_are_and_named(plant: Plant) -> None:
    fill(plant)
    before, standing = books(plant), plant.standing()
    forget_raw(plant, at("2026-10-05 10:30"))
    steps = rebuild_all(plant)
    left = [one for step in steps for one in step.left_alone]
    assert [(one.enterprise, one.first_day, one.last_day) for one in left] == [
        (PLANT, date(2026, 10, 1), date(2026, 10, 5))
    ]
    assert "gone" in left[0].why
    assert (books(plant), plant.standing()) == (before, standing)
    forget_raw(plant, at("2026-11-01 00:00"))  # and when nothing at all is left
    left = [one for step in rebuild_all(plant) for one in step.left_alone]
    assert [(one.first_day, one.last_day) for one in left] == [(date(2026, 10, 1), date(2026, 10, 12))]
    assert (books(plant), plant.standing()) == (before, standing)


def forget_raw(plant: Plant, before_ms: int) -> None:
    """What a server's own retention policy does."""
    store = plant.house.timeseries
    assert isinstance(store, DuckDBStore)
    with store._transaction() as cursor:
        cursor.execute("delete from reading where at_ms < $before", {"before": before_ms})


def test_one_enterprise_that_cannot_be_computed_holds_up_no_other(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(plant)
    renew = Rebuilder._renew

    def fails(self: Rebuilder, registry: object, enterprise: object, *rest: object) -> object:
        if enterprise.id == PLANT:  # type: ignore[attr-defined]
            raise ValueError("planted")
        return renew(self, registry, enterprise, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Rebuilder, "_renew", fails)
    steps = rebuild_all(plant, Asked("", date(2026, 10, 1), date(2026, 10, 12)))
    assert steps[-1].is_finished
    assert {(one.enterprise, "planted" in one.why) for step in steps for one in step.left_alone} == {(PLANT, True)}


def test_a_rebuild_and_the_roll_up_may_run_at_once(plant: Plant) -> None:
    fill(plant)
    before = books(plant)
    others = [threading.Thread(target=plant.house.pipeline.run, args=(at(NOW),)) for _ in range(2)]
    for other in others:
        other.start()
    assert posted(rebuild_all(plant)) == (0, 0)
    for other in others:
        other.join(120)
    assert books(plant) == before


KILLED = """
import os, sys
from dataclasses import replace
from gateway.scheduler import rebuild
from gateway.settings import Settings
from gateway.wiring import build

rebuild.PIECE_POINT_DAYS = 2
house = build(replace(Settings(), data_dir=sys.argv[1], mqtt_url="off"))
while True:
    print(house.operations.call("rebuild", **{"from": "2026-10-01", "to": "2026-10-12"})["days_done"], flush=True)
"""


def test_killed_at_any_instant_it_goes_on_and_ends_with_what_the_readings_give(
    open_plant: Callable[[], Plant], tmp_path: Path
) -> None:
    plant = open_plant()
    fill(plant)
    right = plant.standing(), plant.standing(SECOND)
    for day in range(1, 13):
        spoil(plant, f"2026-10-{day:02} 08:00", amount_u=day)
    plant.house.close()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    process.stdout.close()
    plant = open_plant()
    asked = Asked("", date(2026, 10, 1), date(2026, 10, 12))
    assert rebuilder(plant).begin(asked, [PLANT, SECOND], at(NOW), anew=False).days_done > 0
    rebuild_all(plant, asked)
    assert (plant.standing(), plant.standing(SECOND)) == right
    assert plant.house.operations.call("verify")["ok"]
