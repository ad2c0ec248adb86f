"""What whole days show: each finding appears where it should, goes when the data say so, and books nothing."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.accounts.documents import statement_from
from gateway.store.findings_repository import FindingsRepository
from gateway.store.statements_repository import StatementsRepository

from .plant import PLANT, REGISTRY, Plant, at, steady

CHECKED = (
    REGISTRY.replace(
        "  - {id: gas, points",
        "  - {id: hall, points: [{id: energy_import}, {id: power}]}\n"
        "  - {id: yard, points: [{id: energy_import}]}\n"
        "  - {id: gas, points",
        1,
    )
    .replace(
        "  products:",
        "  balances:\n"
        "  - {id: site, parent: incomer.energy_import, children: [hall.energy_import, yard.energy_import], "
        "tolerance: 0.05}\n"
        "  derived:\n"
        "  - {id: normal, normal_volume_of: gas.volume_m3, pressure_kpa: 201.3, temperature: gas.t}\n"
        "  products:",
        1,
    )
    .replace(
        "quantity: gas_volume_normal, modulus: 1000000}]",
        "quantity: gas_volume_normal, modulus: 1000000}, {id: volume_m3, quantity: gas_volume}, "
        "{id: t, quantity: temperature}]",
        1,
    )
)
DAY, NEXT, THIRD = "2026-10-05 00:00", "2026-10-06 00:00", "2026-10-07 00:00"


@pytest.fixture
def checked(plant: Plant) -> Plant:
    plant.house.operations.call("registry_apply", text=CHECKED, file="registry.yaml")
    return plant


def found(plant: Plant, status: str | None = "open") -> dict[tuple[str, str], dict[str, Any]]:
    """(name, subject) -> values, of what this stage finds."""
    page = FindingsRepository(plant.house.engine).page(PLANT, 500, status=status)  # type: ignore[arg-type]
    names = ("balance.", "point.", "flatline.", "derived.", "output.", "reconcile.")
    return {
        (one.finding.name, one.finding.subject): one.finding.values
        for one in page
        if one.finding.name.startswith(names)
    }


def meters(plant: Plant, incomer: float, hall: float, yard: float, day: str = DAY, first: float = 1000) -> None:
    for device, per_hour in (("incomer", incomer), ("hall", hall), ("yard", yard)):
        plant.put(device, "energy_import", steady(day, 24, first, per_hour))


def send(plant: Plant, **record: Any) -> None:
    plant.house.operations.call("records_import", enterprise=PLANT, records=[{"note": "", **record}])


def test_children_within_tolerance_are_no_finding(checked: Plant) -> None:
    meters(checked, 300, 200, 90)
    checked.roll_up("2026-10-06 00:30")
    assert found(checked) == {}


def test_what_the_children_miss_is_said_and_resolved_when_it_comes(checked: Plant) -> None:
    meters(checked, 300, 200, 10)
    checked.roll_up("2026-10-06 00:30")
    values = found(checked)["balance.unaccounted", "balance.site"]
    assert (values["parent"], values["children"], values["difference"]) == (7200, 5040, 2160)
    checked.put("yard", "energy_import", steady(DAY, 24, 1000, 95))  # the same instants, mended
    checked.roll_up("2026-10-06 01:00")
    assert found(checked) == {}
    assert ("balance.unaccounted", "balance.site") in found(checked, "resolved")


def test_children_above_their_parent_are_an_error(checked: Plant) -> None:
    meters(checked, 300, 300, 100)
    checked.roll_up("2026-10-06 00:30")
    assert list(found(checked)) == [("balance.exceeded", "balance.site")]


def test_balance_with_a_missing_meter_is_not_judged_and_the_silence_is_said(checked: Plant) -> None:
    meters(checked, 300, 200, 95)
    checked.roll_up("2026-10-06 00:30")
    for device, per_hour in (("incomer", 300), ("hall", 200)):
        checked.put(device, "energy_import", steady(NEXT, 24, 1000 + 24 * per_hour, per_hour))
    checked.roll_up("2026-10-07 00:30")
    assert found(checked) == {("point.missing", "yard"): {"points": 1}}


def test_counter_that_stands_while_power_flows(checked: Plant) -> None:
    meters(checked, 300, 0, 290)
    start = at(DAY)
    checked.put("hall", "power", [(start + step * 600_000, 50.0 + step % 7) for step in range(145)])
    checked.roll_up("2026-10-06 00:30")
    assert ("flatline.counter", "hall.energy_import") in found(checked)


def test_gauge_that_shows_one_value_all_day(checked: Plant) -> None:
    meters(checked, 300, 200, 95)
    checked.put("hall", "power", steady(DAY, 24, 42.5, 0))
    checked.roll_up("2026-10-06 00:30")
    assert found(checked) == {("flatline.gauge", "hall.power"): {"value": 42.5, "unit": "kW"}}


def test_hours_that_a_formula_could_not_compute(checked: Plant) -> None:
    checked.put("gas", "volume_m3", steady(DAY, 24, 0, 10))
    checked.put("gas", "t", [(at(DAY) + step * 600_000, 15.0 + step % 5) for step in range(60)])
    checked.roll_up("2026-10-06 00:30")
    assert found(checked)["derived.incomplete", "derived.normal"]["missing"] == 14


def test_bill_and_hand_reading_are_compared_and_book_nothing(checked: Plant) -> None:
    meters(checked, 300, 200, 95)
    checked.roll_up("2026-10-06 00:30")
    before = checked.chain_length()
    point = "incomer.energy_import"
    send(checked, id="b-1", bill=point, **{"from": "2026-10-05", "to": "2026-10-06"}, amount=7250, unit="kWh")
    send(checked, id="r-1", reading=point, date="2026-10-05", amount=4000, unit="kWh")
    checked.roll_up("2026-10-06 00:40")
    assert found(checked) == {}  # 0.7 % apart, and a value that the counter passed
    send(checked, id="b-2", bill=point, date="2026-10-05", amount=9000, unit="kWh", supersedes="b-1")
    send(checked, id="r-2", reading=point, date="2026-10-05", amount=400, unit="kWh", supersedes="r-1")
    checked.roll_up("2026-10-06 00:50")
    values = found(checked)
    assert values["reconcile.bill", point]["metered"] == 7200
    assert (values["reconcile.reading", point]["low"], values["reconcile.reading", point]["high"]) == (1000, 8200)
    assert checked.chain_length() == before


def test_output_without_energy_is_an_error(checked: Plant) -> None:
    meters(checked, 300, 200, 95)
    meters(checked, 0, 0, 0, NEXT, first=1000)
    for device, value in (("incomer", 8200.0), ("hall", 5800.0), ("yard", 3280.0)):
        checked.put(device, "energy_import", steady(NEXT, 24, value, 0))
    send(checked, id="p-1", product="plate", date="2026-10-05", amount=100, unit="t")
    send(checked, id="p-2", product="plate", date="2026-10-06", amount=100, unit="t")
    checked.roll_up("2026-10-07 00:30")
    assert found(checked)["output.without_energy", "output.plate"]["record"] == "p-2"


def test_running_again_changes_nothing(checked: Plant) -> None:
    meters(checked, 300, 200, 10)
    checked.roll_up("2026-10-06 00:30")
    first = FindingsRepository(checked.house.engine).page(PLANT, 500)
    checked.roll_up("2026-10-06 00:40")
    checked.put("incomer", "energy_import", steady(DAY, 24, 1000, 300))
    checked.roll_up("2026-10-06 00:50")
    assert FindingsRepository(checked.house.engine).page(PLANT, 500) == first


def outputs(plant: Plant, days: range) -> None:
    """An output of a hundred tonnes on each of these days of October."""
    for day in days:
        send(plant, id=f"p-{day}", product="plate", date=f"2026-10-{day:02}", amount=100, unit="t")


def test_an_output_is_judged_again_when_what_was_usual_before_it_is_corrected(checked: Plant) -> None:
    checked.put("incomer", "energy_import", steady("2026-10-01 00:00", 9 * 24, 100_000, 300))
    checked.put("incomer", "energy_import", steady("2026-10-10 00:00", 24, 164_800, 40))
    outputs(checked, range(1, 11))
    checked.roll_up("2026-10-11 00:30")
    assert list(found(checked)) == [("output.little_energy", "output.plate")]
    checked.put("incomer", "energy_import", steady("2026-10-01 00:00", 6 * 24, 137_440, 40))  # what these days took
    checked.roll_up("2026-10-11 01:00")
    assert found(checked) == {}


def test_an_output_that_was_corrected_to_other_days_takes_its_finding_along(checked: Plant) -> None:
    checked.put("incomer", "energy_import", steady("2026-10-04 00:00", 24, 1000, 300))
    checked.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 8200, 0))
    send(checked, id="p-1", product="plate", date="2026-10-05", amount=100, unit="t")
    checked.roll_up("2026-10-06 00:30")
    assert list(found(checked)) == [("output.without_energy", "output.plate")]
    send(checked, id="p-2", product="plate", date="2026-10-04", amount=100, unit="t", supersedes="p-1")
    checked.roll_up("2026-10-06 00:40")
    assert found(checked) == {}


def test_an_output_is_judged_once_its_days_have_ended(checked: Plant) -> None:
    checked.put("incomer", "energy_import", steady("2026-10-01 00:00", 96, 1000, 300))
    checked.put("incomer", "energy_import", steady("2026-10-05 00:00", 48, 29800, 0))
    send(checked, id="p-1", product="plate", **{"from": "2026-10-05", "to": "2026-10-07"}, amount=100, unit="t")
    checked.roll_up("2026-10-06 00:30")
    assert found(checked) == {}
    checked.roll_up("2026-10-07 00:30")
    assert list(found(checked)) == [("output.without_energy", "output.plate")]


def test_a_finding_about_a_record_is_counted_by_the_month_that_it_begins_in(checked: Plant) -> None:
    checked.put("incomer", "energy_import", steady("2026-09-29 00:00", 96, 1000, 300))
    period = {"from": "2026-09-29", "to": "2026-10-03"}
    send(checked, id="b-1", bill="incomer.energy_import", **period, amount=28800, unit="kWh")
    checked.roll_up("2026-10-03 00:30")
    assert (found(checked), counted(checked)) == ({}, 0)
    checked.put("incomer", "energy_import", steady("2026-10-02 00:00", 24, 22600, 900))  # corrected, in October only
    checked.roll_up("2026-10-03 01:00")
    assert list(found(checked)) == [("reconcile.bill", "incomer.energy_import")]
    assert counted(checked) == 1


def counted(plant: Plant) -> int:
    """Open findings as the statement of September says them."""
    stored = StatementsRepository(plant.house.engine).newest(PLANT, "2026-09")
    assert stored is not None
    return statement_from(stored.body).findings_open
