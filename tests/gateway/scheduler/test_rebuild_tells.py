"""What a rebuild leaves in findings and feed: nothing of a fault that was never booked; of one that was booked, that it
was told and taken back; and no finding that outlives its cause.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from collectors.clock import HOUR_MS
from gateway.scheduler.rebuild import Rebuilder
from gateway.store.database import reading
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.rebuilds_repository import Asked
from gateway.store.schema import changes, findings, ledger_entries, ratings, statements
from gateway.store.timeseries import UsageColumns
from tests.gateway.scheduler.plant import PLANT, Plant, at, steady

NOW, LATER = "2026-10-20 12:00", "2026-11-22 12:00"
Row = dict[str, Any]
Books = dict[str, list[Row]]  # by table
TABLES = (changes, findings, ledger_entries, ratings, statements)


def fill(plant: Plant) -> None:
    """Twelve days of power; gas, that falls silent after five of them."""
    plant.put("incomer", "energy_import", steady("2026-10-01 00:00", 12 * 24, 1000.0, 40.0, every_min=60))
    plant.put("gas", "volume", steady("2026-10-03 00:00", 5 * 24, 50.0, 3.0, every_min=60))
    plant.roll_up(NOW)


def books(plant: Plant) -> Books:
    """Every row of every account."""
    with reading(plant.house.engine) as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        }


def store_hours(plant: Plant, device: str, point: str, first: str, hours: int, amount_u: int, covered_ms: int) -> None:
    """Usage that the readings do not give, past everything that would note it."""
    number = plant.house.registry().points_by_name[PLANT, device, point].point_id
    one = np.ones(hours, np.int64)
    columns = at(first) + np.arange(hours, dtype=np.int64) * HOUR_MS, one * amount_u, one * 0, one * covered_ms
    plant.house.timeseries.put_usage(UsageColumns(np.full(hours, number, np.int32), *columns))


def rebuild(plant: Plant, now: str = NOW, first: date = date(2026, 10, 1), last: date = date(2026, 10, 12)) -> None:
    worker = Rebuilder(plant.house.engine, plant.house.timeseries, plant.house.pipeline)
    asked = Asked(PLANT, first, last)
    done = worker.begin(asked, [PLANT], at(now), anew=False)
    while not done.is_finished:
        done = worker.step(asked, at(now))


def spoil(plant: Plant) -> None:
    """A day of gas is gone, a silent one has some, and an hour of power is tenfold."""
    store_hours(plant, "gas", "volume", "2026-10-05 00:00", 24, 0, 0)
    store_hours(plant, "gas", "volume", "2026-10-10 00:00", 24, 3_000_000, HOUR_MS)
    store_hours(plant, "incomer", "energy_import", "2026-10-06 08:00", 1, 400_000_000, HOUR_MS)


@pytest.mark.parametrize("now", [NOW, LATER])
def test_a_fault_that_was_never_booked_leaves_no_trace(plant: Plant, now: str) -> None:
    """Rebuilt later, more is told and found, of days that ended since: just what any roll-up of that instant tells."""
    fill(plant)
    plant.roll_up(now)
    before = books(plant)
    spoil(plant)
    rebuild(plant, now)
    assert books(plant) == before
    assert plant.house.operations.call("verify")["ok"]


def test_a_fault_that_was_booked_is_taken_back_and_told_both_times(plant: Plant) -> None:
    fill(plant)
    before = books(plant)
    spoil(plant)
    days = [(PLANT, source, date(2026, 10, day)) for source in ("grid", "burner") for day in (5, 6, 10)]
    DirtyDaysRepository(plant.house.engine).mark(days, "late-data")
    plant.roll_up(NOW)
    wrong = books(plant)
    rebuild(plant)
    right = books(plant)
    assert told(wrong, len(before["changes"])) == told(right, len(wrong["changes"])) == CORRECTED
    assert all(stated(right, what) == stated(before, what) != stated(wrong, what) for what in ("statements", "ratings"))
    assert open_findings(right) == open_findings(before) != open_findings(wrong)
    (left,) = [one for one in right["findings"] if one not in before["findings"]]
    assert (left["name"], left["subject"], left["at_ms"]) == ("point.missing", "gas", at("2026-10-05 00:00"))
    assert (left["status"], left["resolved_at_ms"]) == ("resolved", at(NOW))
    assert plant.house.operations.call("verify")["ok"]
    rebuild(plant)
    assert books(plant) == right


CORRECTED = [(kind, period) for period in ("2026-10", "2026", "2026-Q4") for kind in ("statement", "rating")]


def told(rows: Books, after: int) -> list[tuple[str, str]]:
    """What the feed says of the plant after a number."""
    return [(one["kind"], one["period"]) for one in rows["changes"] if one["seq"] > after]


def stated(rows: Books, what: str) -> list[dict[str, Any]]:
    """Statements or ratings, but for how far they go in the chain and the versions of months that they name."""
    bodies = [json.loads(one["body"]) for one in rows[what]]
    return [{name: value for name, value in body.items() if name not in ("last_seq", "months")} for body in bodies]


def open_findings(rows: Books) -> list[Row]:
    return [one for one in rows["findings"] if one["status"] == "open"]


def test_a_closed_month_is_signed_once_by_a_rebuild_however_many_months_it_covers(plant: Plant) -> None:
    plant.put("incomer", "energy_import", steady("2026-09-01 00:00", 61 * 24, 1000.0, 40.0, every_min=60))
    plant.roll_up(LATER)
    plant.house.pipeline.close("2026-10", PLANT, at(LATER))
    days = [date(2026, 10, 1), date(2026, 10, 5)]
    for day in days:
        store_hours(plant, "incomer", "energy_import", f"{day} 08:00", 1, 400_000_000, HOUR_MS)
    DirtyDaysRepository(plant.house.engine).mark([(PLANT, "grid", day) for day in days], "late-data")
    plant.roll_up(LATER)
    rebuild(plant, LATER, date(2026, 9, 1), date(2026, 10, 31))
    versions = [json.loads(one["body"]) for one in books(plant)["statements"] if one["period"] == "2026-10"]
    assert [(one["version"], one["status"]) for one in versions] == [(1, "closed"), (2, "closed"), (3, "closed")]
    first, wrong, right = (one["compliance_kg"] for one in versions)
    assert first == right < wrong
    assert plant.house.operations.call("verify")["ok"]
