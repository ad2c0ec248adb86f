"""Promises to an enterprise that leaves the registry and returns: what came meanwhile is booked then, all of it."""

from __future__ import annotations

from tests.gateway.scheduler.plant import PLANT, REGISTRY, Plant, steady

AWAY = f"""
parks:
- {{id: park, name: {{zh: 园区, en: Park}}, region: fujian, timezone: Asia/Shanghai, area_km2: 1}}
enterprises:
- {{id: {PLANT}, retired: true}}
"""
READINGS = steady("2026-10-01 00:00", 96, 0.0, 10.0, every_min=60)


def leave(plant: Plant) -> None:
    plant.house.operations.call("registry_apply", text=AWAY, file="registry.yaml")


def come_back(plant: Plant) -> None:
    plant.house.operations.call("registry_apply", text=REGISTRY, file="registry.yaml")


def test_readings_that_no_roll_up_saw_before_it_left_are_booked_when_it_returns(plant: Plant) -> None:
    plant.put("incomer", "energy_import", READINGS[:25])
    plant.roll_up("2026-10-02 01:00")
    plant.put("incomer", "energy_import", READINGS[25:])
    leave(plant)
    plant.roll_up("2026-10-06 01:00")
    assert len(plant.standing()) == 1
    come_back(plant)
    plant.roll_up("2026-10-06 02:00")
    assert plant.standing() == {("grid", f"2026-10-0{day}"): 240 * 530_600 // 1000 for day in (1, 2, 3, 4)}


def test_days_that_were_due_when_it_left_are_booked_when_it_returns(plant: Plant) -> None:
    plant.put("incomer", "energy_import", READINGS)
    plant.roll_up("2026-10-01 23:00")
    leave(plant)
    plant.roll_up("2026-10-06 01:00")
    come_back(plant)
    plant.roll_up("2026-10-06 02:00")
    assert len(plant.standing()) == 4


def test_an_adjustment_that_was_approved_before_it_left_is_booked_when_it_returns(plant: Plant) -> None:
    plant.put("incomer", "energy_import", READINGS)
    plant.roll_up("2026-10-06 01:00")
    asked = {"enterprise": PLANT, "source": "grid", "day": "2026-10-02", "emission_kg": "-1.5", "by": "li.na"}
    paper = {"name": "report.txt", "content": "YSByZXBvcnQ=", "reason": "the meter ran fast"}
    number = plant.house.operations.call("adjustment_request", **asked, **paper)["number"]
    named = {"enterprise": PLANT, "number": number, "by": "wang.fang", "reason": "agreed"}
    plant.house.operations.call("adjustment_approve", **named)
    leave(plant)
    plant.roll_up("2026-10-07 01:00")
    come_back(plant)
    plant.roll_up("2026-10-07 02:00")
    assert plant.standing()["grid/adjustment", "2026-10-02"] == -1_500
