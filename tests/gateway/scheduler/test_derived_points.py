"""Derived points from readings to booked entries: late data, changed definitions, verification."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from gateway.scheduler.changed_rules import EVER
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import UsageColumns

from .plant import PLANT, REGISTRY, Plant, at, steady

DERIVED = """
  derived:
  - {id: own, sum: [incomer.energy_import, -tenant.energy_import]}
  - {id: parts, split: derived.own, shares: {hall: 0.333333, yard: 0.666667}}
  - {id: steam, steam_heat_of: boiler.steam, pressure: boiler.pressure, pressure_kpa: 800}
  products: [{id: plate, unit: t}]
"""
WITH_DERIVED = (
    REGISTRY.replace("  products: [{id: plate, unit: t}]\n", DERIVED.lstrip("\n"), 1)
    .replace(
        "  - {id: gas, points",
        "  - {id: tenant, points: [{id: energy_import}]}\n"
        "  - {id: boiler, points: [{id: steam, quantity: steam_mass}, {id: pressure}]}\n"
        "  - {id: gas, points",
        1,
    )
    .replace("from: [incomer.energy_import]}", "from: [derived.hall, derived.yard]}", 1)
    .replace(
        "  - {id: burner,",
        "  - {id: heat, activity: heat.purchased, scope: 2, stage: production, from: [derived.steam]}\n"
        "  - {id: burner,",
        1,
    )
)


def apply(plant: Plant, text: str) -> None:
    plant.house.operations.call("registry_apply", text=text, file="registry.yaml")


def number(plant: Plant, name: str) -> int:
    refs = plant.house.registry().refs_by_id
    return next(one for one, ref in refs.items() if ref.enterprise == PLANT and ref.name == name)


def usage(plant: Plant, name: str, start: str, end: str) -> UsageColumns:
    return plant.house.timeseries.usage([number(plant, name)], at(start), at(end))


def amount(plant: Plant, source: str, day: str) -> float:
    entries = LedgerRepository(plant.house.engine).standing(PLANT, [source], *EVER)
    return next(one.draft.amount_u for one in entries if one.draft.day == date.fromisoformat(day)) / 1e6


@pytest.fixture
def derived(plant: Plant) -> Plant:
    apply(plant, WITH_DERIVED)
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 1000, 300))
    plant.put("tenant", "energy_import", steady("2026-10-05 00:00", 24, 50, 100))
    plant.put("boiler", "steam", steady("2026-10-05 00:00", 24, 0, 10))
    plant.put("boiler", "pressure", steady("2026-10-05 00:00", 24, 1000, 0))
    plant.roll_up("2026-10-06 00:30")
    return plant


def test_source_fed_by_derived_points_is_booked(derived: Plant) -> None:
    assert amount(derived, "grid", "2026-10-05") == 24 * 200
    assert amount(derived, "heat", "2026-10-05") == pytest.approx(240 * (2777.0 - 83.74) / 1000, abs=1e-5)


def test_late_reading_changes_the_derived_hours_it_touches_and_the_entry(derived: Plant) -> None:
    before = usage(derived, "derived.hall", "2026-10-05 00:00", "2026-10-06 00:00")
    derived.put("tenant", "energy_import", [(at("2026-10-05 09:00"), 50 + 100 * 9 + 10)])
    derived.roll_up("2026-10-06 00:40")
    within = usage(derived, "derived.hall", "2026-10-05 00:00", "2026-10-06 00:00")
    assert np.flatnonzero(before.amount_u != within.amount_u).tolist() == [8, 9]
    derived.put("tenant", "energy_import", [(at("2026-10-06 00:00"), 50 + 100 * 24 + 1)])
    derived.roll_up("2026-10-06 00:50")
    after = usage(derived, "derived.hall", "2026-10-05 00:00", "2026-10-06 00:00")
    assert np.flatnonzero(within.amount_u != after.amount_u).tolist() == [23]
    assert amount(derived, "grid", "2026-10-05") == 24 * 200 - 1


def test_parts_of_a_split_feed_what_the_whole_would(derived: Plant) -> None:
    hall, yard, own = (
        usage(derived, f"derived.{name}", "2026-10-05 00:00", "2026-10-06 00:00") for name in ("hall", "yard", "own")
    )
    assert (hall.amount_u + yard.amount_u).tolist() == own.amount_u.tolist()


def test_batches_in_any_order_give_what_one_roll_up_gives(derived: Plant) -> None:
    """Incremental equals full, to the last digit."""
    for start, rows in (
        ("tenant", steady("2026-10-06 00:00", 6, 2450, 77.7)),
        ("incomer", steady("2026-10-06 03:00", 9, 9100, 333.3)),
        ("incomer", steady("2026-10-06 00:00", 3, 8200, 300)),
        ("tenant", steady("2026-10-06 06:00", 6, 2916.2, 50.1)),
    ):
        derived.put(start, "energy_import", rows)
        derived.roll_up("2026-10-07 00:30")
    names = ("derived.own", "derived.hall", "derived.yard", "derived.steam")
    stepwise = [usage(derived, name, "2026-10-05 00:00", "2026-10-07 00:00") for name in names]
    stage = derived.house.pipeline.usage.derived
    points = [number(derived, name) for name in names]
    again = stage.recomputed(derived.house.registry(), points, (at("2026-10-05 00:00"), at("2026-10-07 00:00")))
    assert len(again) == 0
    assert all(len(one) for one in stepwise)


def test_changed_definition_restates_what_was_booked(derived: Plant) -> None:
    apply(derived, WITH_DERIVED.replace("[incomer.energy_import, -tenant.energy_import]", "[incomer.energy_import]", 1))
    derived.roll_up("2026-10-06 02:00")
    assert amount(derived, "grid", "2026-10-05") == 24 * 300


def test_silent_gauge_is_replaced_by_the_stated_condition_and_marked(derived: Plant) -> None:
    derived.put("boiler", "steam", steady("2026-10-06 00:00", 24, 240, 10))
    derived.put("incomer", "energy_import", steady("2026-10-06 00:00", 24, 8200, 300))
    derived.roll_up("2026-10-07 00:30")
    assert amount(derived, "heat", "2026-10-06") == pytest.approx(240 * (2768.4 - 83.74) / 1000, abs=1e-5)
    entries = LedgerRepository(derived.house.engine).standing(PLANT, ["heat"], *EVER)
    shares = {one.draft.day.isoformat(): one.draft.estimated_ppm for one in entries}
    assert shares == {"2026-10-05": 0, "2026-10-06": 1_000_000}


def test_verify_recomputes_derived_points_from_readings(derived: Plant) -> None:
    report = derived.house.verifier.run(derived.house.registry(), None, None)
    assert report["ok"], report
    derived.put("tenant", "energy_import", [(at("2026-10-05 12:00"), 1251)])
    waiting = derived.house.verifier.run(derived.house.registry(), None, None)
    assert waiting["ok"], waiting
    assert "waiting" in waiting["notes"][0]  # a late reading of an input leaves the derived source's days out


def test_readings_cannot_be_sent_for_a_derived_point(derived: Plant) -> None:
    assert (PLANT, "derived", "own") not in derived.house.registry().points_by_name


def test_explain_shows_the_formula_with_numbers_and_every_input_down_to_its_readings(derived: Plant) -> None:
    heat, grid = (
        LedgerRepository(derived.house.engine).standing(PLANT, [source], *EVER)[0].seq for source in ("heat", "grid")
    )
    steam = derived.house.operations.call("explain", entry=f"{PLANT}-{heat}")
    formula = steam["points"][0]["formula"]
    assert formula["formula"] == "steam_heat_of"
    assert formula["hours"][0]["computed"] == "10 t × (2777.0 − 83.74) kJ/kg ÷ 1000 = 26.9326 GJ (1000 kPa, saturated)"
    assert len(formula["hours"]) == 24
    assert [(one["point"], one["readings"]) for one in steam["inputs"]] == [
        ("boiler.steam", 96),
        ("boiler.pressure", 96),
    ]
    power = derived.house.operations.call("explain", entry=f"{PLANT}-{grid}")
    assert [one["point"] for one in power["points"]] == ["derived.hall", "derived.yard"]
    assert power["points"][0]["formula"]["hours"][0]["computed"] == "0.333333 × 200 kWh = 66.6666 kWh"
    inputs = {one["point"]: one["formula"] for one in power["inputs"]}
    assert inputs["derived.own"]["hours"][0]["computed"] == "300 kWh − 100 kWh = 200 kWh"
    assert inputs["incomer.energy_import"] is None


@pytest.mark.parametrize("name", ["derived.hall", "derived.own", "derived.steam"])
def test_stored_hour_of_a_derived_point_that_its_inputs_do_not_give_is_named(derived: Plant, name: str) -> None:
    assert derived.house.operations.call("verify")["ok"]
    stale = usage(derived, name, "2026-10-05 08:00", "2026-10-05 09:00")
    derived.house.timeseries.put_usage(replace(stale, amount_u=stale.amount_u + 1))
    broken = derived.house.operations.call("verify")["first_break"]
    assert f"stored usage of {name} from 2026-10-05 00:00 UTC on" in broken["what"]
