"""Promises of `tanmai verify`: it passes on true books, and names the first entry that is not."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import msgspec
import pytest
from sqlalchemy import text

from gateway.settings import Settings
from gateway.store.canonical_json import canonical
from gateway.store.dirty_days_repository import DirtyDaysRepository
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, steady

Plants = Callable[[], Plant]
OF_OCTOBER = f"WHERE enterprise = '{PLANT}' AND period = '2026-10'"


@pytest.fixture
def booked(plant: Plant) -> Plant:
    """Three booked days of two enterprises, one of them with a record and a late reading."""
    readings = steady("2026-10-05 00:00", 72, 0.0, 100.0)
    plant.put("incomer", "energy_import", readings[:100] + readings[101:])
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 72, 0.0, 10.0), SECOND)
    record = {"id": "b1", "source": "billets", "from": "2026-10-05", "to": "2026-10-07", "amount": 9, "unit": "t"}
    plant.house.operations.call("records_import", enterprise=PLANT, records=[record])
    plant.roll_up("2026-10-08 01:00")
    plant.put("incomer", "energy_import", [readings[100]])
    plant.roll_up("2026-10-08 02:00")
    return plant


def tamper_ledger(plant: Plant, change: str) -> None:
    """Change the table as someone with the file would: the triggers have to go first."""
    with plant.house.engine.begin() as connection:
        names = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_entries'")
        ).scalars()
        for name in list(names):
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(change))


def test_true_books_pass_and_everything_is_looked_at(booked: Plant) -> None:
    report = booked.house.operations.call("verify")
    assert report["ok"] and report["first_break"] is None
    checked = report["checked"]
    assert checked["chains"] == 2
    assert checked["entries"] == booked.chain_length() + booked.chain_length(SECOND)
    assert checked["entries_against_readings"] == 5 + 3
    assert checked["statements"] == 2 * len(("2026-10", "2026-Q4", "2026"))


@pytest.mark.parametrize(
    "change",
    [
        "emission_g = emission_g + 1",
        "amount_u = amount_u - 1",
        "factor = 'grid.national.2022'",
        "reason = 'operator'",
        "calculation = '{}'",
        "frame = replace(frame, '0', '1')",
        "booked_at_ms = booked_at_ms + 1",
    ],
)
def test_one_changed_field_of_the_ledger_is_named(booked: Plant, change: str) -> None:
    tamper_ledger(booked, f"UPDATE ledger_entries SET {change} WHERE enterprise = '{PLANT}' AND seq = 2")
    report = booked.house.operations.call("verify")
    assert not report["ok"]
    assert report["first_break"]["entry"] == f"{PLANT}-2"


def test_an_entry_that_was_taken_out_is_missed(booked: Plant) -> None:
    tamper_ledger(booked, f"DELETE FROM ledger_entries WHERE enterprise = '{PLANT}' AND seq = 2")
    report = booked.house.operations.call("verify")
    assert not report["ok"]
    assert report["first_break"]["entry"] == f"{PLANT}-3"


def test_a_chain_that_is_gone_as_a_whole_is_missed(booked: Plant) -> None:
    tamper_ledger(booked, f"DELETE FROM ledger_entries WHERE enterprise = '{SECOND}'")
    broken = booked.house.operations.call("verify")["first_break"]
    assert (broken["enterprise"], broken["period"]) == (SECOND, "2026-10")


@pytest.mark.parametrize("figure", ["lifecycle_kg", "compliance_kg", "energy_kgce"])
def test_a_changed_total_of_an_open_statement_is_named(booked: Plant, figure: str) -> None:
    with booked.house.engine.begin() as connection:
        connection.exec_driver_sql(f"""UPDATE statements SET body = replace(body, '"{figure}":', '"{figure}":1')""")
    assert figure in booked.house.operations.call("verify")["first_break"]["what"]


@pytest.mark.parametrize("place", ["by_stage.production", "by_source.grid"])
def test_a_changed_part_of_an_open_statement_is_named(booked: Plant, place: str) -> None:
    part, name = place.split(".")
    with booked.house.engine.begin() as connection:
        body = connection.exec_driver_sql(f"SELECT body FROM statements {OF_OCTOBER}").scalar_one()
        document = msgspec.json.decode(body)
        if part == "by_source":
            next(line for line in document[part] if line["source"] == name)["emission_kg"] += 1
        else:
            document[part][name] += 1
        changed = text(f"UPDATE statements SET body = :body {OF_OCTOBER}")
        connection.execute(changed, {"body": canonical(document)})
    assert place in booked.house.operations.call("verify")["first_break"]["what"]


def test_a_changed_rating_is_named(booked: Plant) -> None:
    with booked.house.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ratings SET colour = 'green'")
    assert "rating" in booked.house.operations.call("verify")["first_break"]["what"]


def test_changed_hourly_usage_is_named(open_plant: Plants, settings: Settings) -> None:
    plant = open_plant()
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 48, 0.0, 100.0))
    plant.roll_up("2026-10-07 01:00")
    plant.house.timeseries.close()
    with duckdb.connect(str(settings.data_path / "timeseries.duckdb")) as connection:
        connection.execute("UPDATE usage_hourly SET amount_u = amount_u + 1 WHERE hour_ms % 86400000 = 36000000")
    broken = open_plant().house.operations.call("verify")["first_break"]
    assert "stored usage of incomer.energy_import" in broken["what"]


def test_a_day_with_usage_and_no_entry_is_missed(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.put("gas", "volume", steady("2026-10-05 00:00", 72, 0.0, 10.0))
    plant.roll_up("2026-10-08 01:00")
    plant.put("incomer", "energy_import", steady("2026-10-06 00:00", 12, 0.0, 100.0))
    with monkeypatch.context() as patch:
        patch.setattr(DirtyDaysRepository, "mark", lambda *_arguments: None)  # as if the marks had been taken away
        plant.roll_up("2026-10-08 02:00")
    broken = plant.house.operations.call("verify")["first_break"]
    assert (broken["period"], "no entry" in broken["what"]) == ("2026-10-06", True)


def test_one_changed_reading_in_the_store_is_named(open_plant: Plants, settings: Settings) -> None:
    plant = open_plant()
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 48, 0.0, 100.0))
    plant.roll_up("2026-10-07 01:00")
    plant.house.timeseries.close()
    path = settings.data_path / "timeseries.duckdb"
    with duckdb.connect(str(path)) as connection:
        changed = connection.execute("UPDATE reading SET value = value + 0.5 WHERE value = 3000.0 RETURNING value")
        assert changed.fetchall() == [(3000.5,)]
    plant = open_plant()
    report = plant.house.operations.call("verify")
    assert not report["ok"]
    assert report["first_break"]["entry"] == f"{PLANT}-2"  # 06:00 on the 6th
    assert "2026-10-06" in report["first_break"]["what"]


def test_a_changed_record_is_named(booked: Plant) -> None:
    with booked.house.engine.begin() as connection:
        connection.execute(text("UPDATE activity_records SET amount_u = amount_u + 1, note = 'x'"))
    report = booked.house.operations.call("verify")
    assert not report["ok"]
    assert "billets" in report["first_break"]["what"]


def test_a_changed_statement_is_named(booked: Plant) -> None:
    booked.house.operations.call("close", period="2026-10")
    with booked.house.engine.begin() as connection:
        connection.execute(text("UPDATE statements SET body = replace(body, 'closed', 'clos3d')"))
    report = booked.house.operations.call("verify")
    assert not report["ok"]
    assert report["first_break"]["period"] == "2026-10" and not report["first_break"]["entry"]


def test_readings_that_wait_for_the_roll_up_are_no_break(booked: Plant) -> None:
    booked.put(
        "incomer", "energy_import", [(one[0], one[1] + 1) for one in steady("2026-10-06 10:00", 1, 3400.0, 100.0)]
    )
    report = booked.house.operations.call("verify")
    assert report["ok"]
    assert "waiting" in report["notes"][0]


def test_only_one_enterprise_is_checked_when_asked_for(booked: Plant) -> None:
    tamper_ledger(booked, f"UPDATE ledger_entries SET emission_g = 0 WHERE enterprise = '{PLANT}'")
    assert booked.house.operations.call("verify", enterprise=SECOND)["ok"]
    assert not booked.house.operations.call("verify", enterprise=PLANT)["ok"]


def test_the_first_reading_after_a_long_outage_is_no_break(plant: Plant) -> None:
    """It ends the step that began days ago, so it bears on the day before the gap, which waits for the roll-up too."""
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 20, 0.0, 100.0))
    plant.roll_up("2026-10-08 01:00")
    plant.put("incomer", "energy_import", steady("2026-10-08 02:00", 1, 5000.0, 100.0))
    report = plant.house.operations.call("verify")
    assert report["ok"] and "waiting" in report["notes"][0]
    plant.roll_up("2026-10-08 04:00")
    assert plant.house.operations.call("verify")["ok"]
