"""Archiving months beside the accounts: nothing that was booked changes, and late readings are booked as ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from gateway.scheduler.jobs import JOBS, JobContext
from gateway.scheduler.rebuild import Rebuilder
from gateway.settings import Settings
from gateway.store.rebuilds_repository import Asked
from tests.gateway.scheduler.plant import PLANT, Plant, at, steady

NOW = "2026-10-05 12:00"


@pytest.fixture
def archive(plant: Plant) -> Callable[[int], dict[str, object]]:
    """A function that runs the job with a setting."""
    job = next(job for job in JOBS if job.name == "archive")
    context: JobContext = plant.house.runner().context

    def run(after_days: int) -> dict[str, object]:
        settings: Settings = replace(context.settings, archive_after_days=after_days)
        return job.run(replace(context, settings=settings), at(NOW))

    return run


def test_accounts_over_an_archived_month_stay_and_late_readings_of_it_are_booked(
    plant: Plant, archive: Callable[[int], dict[str, object]]
) -> None:
    plant.put("incomer", "energy_import", steady("2026-08-30 00:00", 4 * 24, 1000.0, 40.0))
    plant.put("incomer", "energy_import", steady("2026-08-30 00:00", 24, 1000.0, 40.0))
    plant.roll_up(NOW)
    standing, length = plant.standing(), plant.chain_length()
    assert archive(0) == {"months": [], "readings": 0}
    assert archive(40) == {"months": [], "readings": 0}
    assert archive(30) == {"months": ["2026-08"], "readings": 56 * 4}  # UTC: from 16:00 on the 29th
    assert archive(30) == {"months": [], "readings": 0}
    assert plant.house.operations.call("verify")["ok"]
    rebuilder = Rebuilder(plant.house.engine, plant.house.timeseries, plant.house.pipeline)
    asked = Asked(PLANT, date(2026, 8, 30), date(2026, 9, 2))
    rebuilder.begin(asked, [PLANT], at(NOW), anew=False)
    assert [rebuilder.step(asked, at(NOW)).is_finished for _ in range(2)] == [False, True]  # August, then September
    assert (plant.standing(), plant.chain_length()) == (standing, length)
    plant.put("incomer", "energy_import", [(at("2026-09-01 00:00"), 1000.0 + 40.0 * 48 + 5.0)])
    plant.roll_up(NOW)
    changed = {day for (_, day), grams in plant.standing().items() if grams != standing["grid", day]}
    assert changed == {"2026-08-31", "2026-09-01"}
    assert archive(30)["months"] == ["2026-08"]
    assert plant.house.operations.call("verify")["ok"]
