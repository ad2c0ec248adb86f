"""Giving up raw readings: nothing that was booked changes, what was kept is checked, and a crash repeats only work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from collectors.errors import StoreRefused
from gateway.carbon.usage import CONTEXT
from gateway.scheduler.rebuild import Rebuilder
from gateway.scheduler.retention import Retention, RetentionDone
from gateway.store.database import reading, writing
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.drops_repository import DropsRepository
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.rebuilds_repository import Asked
from gateway.store.schema import ledger_entries, statements
from tests.gateway.scheduler.plant import PLANT, REGISTRY, SECOND, Plant, at, steady

NOW = "2026-10-20 12:00"
KEPT_DAYS = 40
HORIZON = "2026-09-09"  # the day before which nothing is kept: 41 days before NOW
DAY_MS = 24 * 3_600_000


def fill(plant: Plant) -> None:
    """A month of power and some gas, rolled up; the months that have ended are closed."""
    plant.put("incomer", "energy_import", steady("2026-08-20 00:00", 30 * 24, 1000.0, 40.0, every_min=120))
    plant.put("gas", "volume", steady("2026-08-25 00:00", 20 * 24, 50.0, 3.0, every_min=240))
    plant.put("incomer", "energy_import", steady("2026-08-28 00:00", 20 * 24, 7.0, 2.0, every_min=120), SECOND)
    plant.roll_up(NOW)
    plant.house.pipeline.close_months(at("2026-10-22 12:00"), 5)


def retention(plant: Plant) -> Retention:
    return Retention(plant.house.engine, plant.house.timeseries, plant.house.pipeline)


def give_up(plant: Plant, now: str = NOW, kept_days: int = KEPT_DAYS) -> RetentionDone:
    return retention(plant).run(at(now), kept_days)


def books(plant: Plant) -> tuple[int, int]:
    """How many entries and versions of statements there are."""
    with reading(plant.house.engine) as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (ledger_entries, statements)]
    return counts[0] or 0, counts[1] or 0


def raw_before(plant: Plant, text: str, point: str = "energy_import", device: str = "incomer") -> int:
    number = plant.house.registry().points_by_name[PLANT, device, point].point_id
    return len(plant.house.timeseries.read([number], 0, at(f"{text} 00:00")))


def verified(plant: Plant) -> dict[str, Any]:
    found = plant.house.operations.call("verify")
    assert found["ok"], found
    return found


def test_old_readings_go_and_books_usage_and_checks_stay(plant: Plant) -> None:
    fill(plant)
    before, standing, raw = books(plant), plant.standing(), raw_before(plant, HORIZON)
    assert verified(plant)["checked"]["entries_on_kept_digests"] == 0
    done = give_up(plant)
    assert (done.enterprises, done.waiting, done.kept_by_engine) == (2, {}, "")
    assert done.point_days == 2 * 20 + 12
    assert raw > 200
    assert raw_before(plant, HORIZON) == CONTEXT  # what judging the first hours needs
    assert (books(plant), plant.standing()) == (before, standing)
    found = verified(plant)
    assert found["checked"]["entries_on_kept_digests"] == 20 + 15 + 12
    assert found["checked"]["entries_against_readings"] == before[0]
    assert any("dropped under retention" in note and "cannot be recomputed" in note for note in found["notes"])
    assert give_up(plant).point_days == 0  # again: nothing more
    assert give_up(plant, "2026-10-21 12:00").point_days == 3


def test_points_that_left_the_registry_go_with_their_enterprise_and_have_proofs(plant: Plant) -> None:
    fill(plant)
    standing = plant.standing()
    gas = plant.house.registry().points_by_name[PLANT, "gas", "volume"].point_id
    text = plant.house.operations.call("registry_show")["text"]
    document = yaml.safe_load(text)
    (own,) = (one for one in document["enterprises"] if one["id"] == PLANT)
    own["devices"] = [one for one in own["devices"] if one["id"] != "gas"]
    own["sources"] = [one for one in own["sources"] if one["id"] != "burner"]
    left = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    plant.house.operations.call("registry_apply", text=left, file="registry.yaml")
    plant.roll_up(NOW)
    before = books(plant)
    done = give_up(plant)
    assert (done.former_points, done.waiting) == (1, {})
    store = plant.house.timeseries
    assert len(store.read([gas], 0, at(f"{HORIZON} 00:00"))) == 0
    assert len(store.read([gas], at(f"{HORIZON} 00:00"), at("2026-10-01 00:00"))) > 0  # younger ones stay
    proof, _ = DropsRepository(plant.house.engine).proof_of_day(gas, at("2026-08-27 00:00")) or (None, 0)
    assert proof is not None and proof.readings == 6
    assert plant.house.registry_repository.ref(gas).device == "gas"
    assert books(plant) == before
    verified(plant)
    assert give_up(plant).former_points == 0
    plant.house.operations.call("registry_apply", text=text, file="registry.yaml")  # it comes back under its number
    plant.roll_up(NOW)
    assert plant.house.registry().points_by_name[PLANT, "gas", "volume"].point_id == gas
    assert plant.standing() == standing  # days whose raw readings are gone too: usage and digests are kept
    verified(plant)


def test_for_ever_is_the_default_and_months_that_are_open_stay(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-07-30 00:00", 10 * 24, 1000.0, 40.0, every_min=120))
    plant.roll_up(NOW)
    assert plant.house.settings.raw_retention_days == 0
    assert give_up(plant, kept_days=0).point_days == 0
    assert give_up(plant).waiting[PLANT] == "2026-07 is not closed"
    plant.house.operations.call("close", period="2026-07")
    done = give_up(plant)
    assert (done.point_days, done.waiting[PLANT]) == (2 * 2, "2026-08 is not closed")


def test_days_that_wait_or_are_not_as_booked_stay(plant: Plant) -> None:
    fill(plant)
    DirtyDaysRepository(plant.house.engine).mark([(PLANT, "grid", date(2026, 8, 25))], "late-data")
    done = give_up(plant)
    assert done.waiting == {PLANT: "days wait for the roll-up"}
    assert DropsRepository(plant.house.engine).horizons()[PLANT] == at("2026-08-25 00:00")
    plant.roll_up(NOW)
    plant.put("incomer", "energy_import", [(at("2026-09-02 01:00"), 3000.0)])
    done = give_up(plant)
    assert done.waiting == {PLANT: "days wait for the roll-up"}
    assert DropsRepository(plant.house.engine).horizons()[PLANT] == at("2026-09-01 00:00")
    claimed = plant.house.timeseries.claim_dirty(1000)
    plant.house.timeseries.clear_dirty(claimed)  # as if the note were lost: the entry is no longer what readings give
    assert give_up(plant).waiting == {PLANT: "2026-09-02 is not what its readings give: see `tanmai verify`"}


def test_a_replacement_that_is_declared_late_is_worked_in_before_its_readings_go(plant: Plant) -> None:
    fill(plant)
    old = steady("2026-08-20 00:00", 7 * 24, 50.0, 3.0, every_min=60)  # shows 554 at last; an hour later it is another
    new = steady("2026-08-27 02:00", 18 * 24, 13.0, 3.0, every_min=60)
    plant.put("gas", "volume", [*old, *new])
    plant.roll_up(NOW)
    unclear = plant.standing()["burner", "2026-08-27"]
    text = plant.house.operations.call("registry_show")["text"]
    declared = "{device: gas, at: 2026-08-27 01:00:00+08:00, final: {volume: 557}, initial: {volume: 10}}"
    declared = text.replace("  products:", f"  replacements: [{declared}]\n  products:", 1)
    plant.house.operations.call("registry_apply", text=declared, file="registry.yaml")
    done = give_up(plant)
    assert done.waiting == {PLANT: "a point was told otherwise, and waits for the roll-up"}
    assert (done.enterprises, done.point_days) == (1, 12)  # the other one's
    plant.roll_up(NOW)
    stands = plant.standing()
    assert stands["burner", "2026-08-27"] == stands["burner", "2026-08-28"] != unclear
    assert give_up(plant).waiting == {}
    assert plant.standing() == stands
    assert verified(plant)["checked"]["entries_on_kept_digests"] > 0


def test_a_day_booked_again_for_another_reason_takes_the_digest_that_was_kept(plant: Plant) -> None:
    fill(plant)
    give_up(plant)
    before = books(plant)
    marks = [(PLANT, source, date(2026, 8, day)) for source in ("grid", "burner") for day in range(20, 31)]
    DirtyDaysRepository(plant.house.engine).mark(marks, "restated-factor")
    plant.roll_up(NOW)
    assert books(plant) == before
    text = plant.house.operations.call("registry_show")["text"]
    changed = text.replace("stage: production", "stage: distribution", 1)
    plant.house.operations.call("registry_apply", text=changed, file="registry.yaml")
    plant.roll_up(NOW)
    assert books(plant)[0] > before[0]  # days before the horizon too
    assert {day for _, day in plant.standing()} >= {"2026-08-20", "2026-09-10"}
    assert verified(plant)["checked"]["entries_on_kept_digests"] > 0


def test_derived_points_and_sources_told_otherwise_count_for_given_up_days_too(plant: Plant) -> None:
    def apply(text: str) -> None:
        plant.house.operations.call("registry_apply", text=text, file="registry.yaml")

    grid = "- {id: grid, activity: electricity.purchased, scope: 2, stage: production, from: [derived.own]}"
    hall = grid.replace("grid", "hall").replace("derived.own", "incomer.energy_import")
    text = REGISTRY.replace("from: [incomer.energy_import]}", "from: [derived.own]}", 1)
    text = text.replace("  products:", "  derived: [{id: own, sum: [incomer.energy_import]}]\n  products:", 1)
    apply(text)
    fill(plant)
    give_up(plant)
    before = plant.standing()
    half = "sum: [{point: incomer.energy_import, share: 0.5}]"
    apply(text.replace("sum: [incomer.energy_import]", half).replace(grid, f"{grid}\n  {hall}", 1))
    plant.roll_up(NOW)
    days = [day for source, day in before if source == "grid"]
    assert min(days) == "2026-08-20"
    for day in days:
        assert plant.standing()["hall", day] == before["grid", day]
        assert plant.standing()["grid", day] == pytest.approx(before["grid", day] / 2, abs=1)
    assert verified(plant)["checked"]["entries_on_kept_digests"] > 0


def test_late_readings_after_the_horizon_change_nothing_before_it(plant: Plant) -> None:
    fill(plant)
    give_up(plant)
    standing = plant.standing()
    plant.put("incomer", "energy_import", [(at(f"{HORIZON} 00:00"), 1000.0 + 40.0 * 24 * 20 + 5.0)])
    plant.roll_up(NOW)
    changed = {key for key, grams in plant.standing().items() if grams != standing[key]}
    assert changed == {("grid", HORIZON)}
    verified(plant)
    assert give_up(plant, "2026-10-22 12:00").point_days > 0
    verified(plant)


def test_a_rebuild_over_the_horizon_posts_nothing(plant: Plant) -> None:
    fill(plant)
    give_up(plant)
    before = books(plant)
    worker, asked = (
        Rebuilder(plant.house.engine, plant.house.timeseries, plant.house.pipeline),
        Asked("", date(2026, 8, 15), date(2026, 9, 20)),
    )
    done = worker.begin(asked, [PLANT, SECOND], at(NOW), anew=False)
    left = []
    while not done.is_finished:
        done = worker.step(asked, at(NOW))
        left += [(one.enterprise, one.last_day.isoformat()) for one in done.left_alone]
    assert max(left) == (SECOND, "2026-09-08")
    assert books(plant) == before
    verified(plant)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(32, 62), days=st.lists(st.integers(0, 29), max_size=3), hours=st.integers(0, 23))
def test_retention_never_changes_a_statement(plant: Plant, kept: int, days: list[int], hours: int) -> None:
    if not plant.chain_length():
        fill(plant)
    start = at("2026-08-20 00:00")
    horizon = DropsRepository(plant.house.engine).horizons().get(PLANT, 0)
    for day in days:  # late, but not too late to be taken
        at_ms = start + day * DAY_MS + hours * 3_600_000 + 60_000
        if at_ms >= max(horizon, at(NOW) - kept * DAY_MS):
            plant.put("incomer", "energy_import", [(at_ms, 1000.0 + 40.0 * (day * 24 + hours))])
    plant.roll_up(NOW)
    before, standing = books(plant), plant.standing()
    give_up(plant, kept_days=kept)
    plant.roll_up(NOW)
    assert (books(plant), plant.standing()) == (before, standing)
    verified(plant)


def test_what_an_engine_cannot_forget_is_told_and_the_proofs_are_kept(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(plant)

    def refuses(*_: object) -> None:
        raise StoreRefused("no DELETE here")

    with monkeypatch.context() as patched:
        patched.setattr(DuckDBStore, "forget", refuses)
        done = give_up(plant)
    assert (done.kept_by_engine, done.point_days) == ("no DELETE here", 2 * 20 + 12)
    assert raw_before(plant, HORIZON) > 200
    verified(plant)
    assert give_up(plant).kept_by_engine == ""  # an engine that can, forgets what was left
    assert raw_before(plant, HORIZON) == CONTEXT
    verified(plant)


@pytest.mark.parametrize(
    ("table", "column"), [("day_proofs", "digest = digest || 'x'"), ("raw_drops", "before_ms = before_ms - 1")]
)
def test_what_was_kept_cannot_be_changed_unseen(plant: Plant, table: str, column: str) -> None:
    fill(plant)
    give_up(plant)
    statement = f"UPDATE {table} SET {column}"
    with pytest.raises(StoreRefused, match="only grows"), writing(plant.house.engine) as connection:
        connection.execute(text(statement))
    with writing(plant.house.engine) as connection:
        connection.execute(text(f"DROP TRIGGER {table}_no_update"))
        connection.execute(text(statement))
    found = plant.house.operations.call("verify")
    assert not found["ok"]
    assert "drop 1 of raw readings" in found["first_break"]["what"]


KILLED = """
import os, signal, sys
from dataclasses import replace
from gateway.scheduler.retention import Retention
from gateway.settings import Settings
from gateway.store.drops_repository import DropsRepository
from gateway.store.duckdb_store import DuckDBStore
from gateway.wiring import build

def dying(function, when):
    def call(*arguments):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

where, when = sys.argv[2].split()
owner = {"add": DropsRepository, "forget": DuckDBStore}[where]
setattr(owner, where, dying(getattr(owner, where), when))
house = build(replace(Settings(), data_dir=sys.argv[1], mqtt_url="off"))
Retention(house.engine, house.timeseries, house.pipeline).run(int(sys.argv[3]), 40)
"""


@pytest.mark.parametrize("instant", ["add before", "add after", "forget before", "forget after"])
def test_killed_between_any_two_steps_it_goes_on(open_plant: Callable[[], Plant], tmp_path: Path, instant: str) -> None:
    plant = open_plant()
    fill(plant)
    before, standing = books(plant), plant.standing()
    plant.house.close()
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "data"), instant, str(at(NOW))]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    plant = open_plant()
    verified(plant)
    give_up(plant)
    assert raw_before(plant, HORIZON) == CONTEXT
    assert DropsRepository(plant.house.engine).horizons() == dict.fromkeys([PLANT, SECOND], at(f"{HORIZON} 00:00"))
    assert (books(plant), plant.standing()) == (before, standing)
    verified(plant)
