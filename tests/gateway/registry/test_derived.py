"""Derived points and balances in a registry file: right, or refused with line and key before any reading comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from collectors.errors import Problem
from gateway.registry.derived import written_balance, written_derived
from gateway.registry.loading import RegistryFile
from gateway.registry.model import Enterprise

Read = Callable[..., RegistryFile]
Problems = Callable[..., list[Problem]]

DEVICES = """\
  - id: boiler
    points: [{id: steam, quantity: steam_mass}, {id: p, quantity: pressure}, {id: t, quantity: temperature}]
  - {id: stack, points: [{id: gas, quantity: flue_gas_flow}, {id: c, quantity: co2_concentration}]}
  - {id: tank, points: [{id: oil, quantity: fuel_volume}]}
  sources:
"""

ITEMS = """\
  derived:
  - {id: own, sum: [incomer-1.energy_import, -tenant.energy_import]}
  - {id: hall, split: derived.own, shares: {hall-a: 0.3, hall-b: 0.7}}
  - {id: rooms, split: derived.hall-a, by: {room-1: tenant.power, room-2: incomer-1.power}, name: {zh: R, en: r}}
  - {id: line, first_of: [tenant.energy_import, tenant.power]}
  - {id: diesel, mass_of: tank.oil, density_t_per_m3: 0.84}
  - {id: gas, normal_volume_of: gas-1.volume, pressure_kpa: 201.3, temperature: gas-1.temperature, temperature_degc: 20}
  - {id: steam, steam_heat_of: boiler.steam, pressure: boiler.p, temperature: boiler.t, less_kj_per_kg: 0}
  - {id: stack, co2_mass_of: stack.gas, concentration: stack.c}
  balances:
  - {id: site, parent: incomer-1.energy_import, children: [tenant.energy_import, derived.own], tolerance: 0.03}
  reconcile_within: 0.05
  products:"""


@pytest.fixture
def text(good: str) -> str:
    return good.replace("  sources:\n", DEVICES, 1).replace("  products:", ITEMS, 1)


def enterprise(read: Read, text: str) -> Enterprise:
    return read(text).enterprises[0]


def test_derived_points_are_named_and_have_the_quantity_that_comes_out(read: Read, text: str) -> None:
    points = {point.id: point.quantity for point in enterprise(read, text).derived_points()}
    assert points == {
        "own": "energy_import",
        "hall-a": "energy_import",
        "hall-b": "energy_import",
        "room-1": "energy_import",
        "room-2": "energy_import",
        "line": "energy_import",
        "diesel": "fuel_mass_total",
        "gas": "gas_volume_normal",
        "steam": "heat_energy",
        "stack": "co2_mass",
    }


def test_derived_points_stand_in_the_order_in_which_they_can_be_computed(read: Read, text: str) -> None:
    own = "  - {id: own, sum: [incomer-1.energy_import, -tenant.energy_import]}\n"
    later = text.replace(own, "", 1).replace("  balances:", f"{own}  balances:", 1)
    order = [derived.id for derived in enterprise(read, later).derived]
    assert order.index("own") < order.index("hall") < order.index("rooms")


def test_derived_point_feeds_a_source(read: Read, text: str, problems: Problems) -> None:
    fed = text.replace("from: [gas-1.volume]", "from: [derived.gas]", 1)
    assert enterprise(read, fed).source("burners").feeds[0].device == "derived"  # type: ignore[union-attr]
    wrong = problems(text.replace("from: [gas-1.volume]", "from: [derived.steam]", 1))
    assert "measures GJ" in wrong[0].message


def test_what_is_written_is_read_as_the_same(read: Read, text: str) -> None:
    before = enterprise(read, text)
    written = yaml.safe_dump(
        {
            "derived": [_plain(written_derived(one)) for one in before.derived],
            "balances": [_plain(written_balance(one)) for one in before.balances],
        },
        allow_unicode=True,
        sort_keys=False,
    )
    head, _, rest = text.partition("  derived:")
    again = (
        head
        + "".join(f"  {line}\n" for line in written.splitlines())
        + "  reconcile_within"
        + rest.partition("  reconcile_within")[2]
    )
    after = enterprise(read, again)
    assert (after.derived, after.balances, after.reconcile_within) == (before.derived, before.balances, "0.05")


def _plain(item: object) -> object:
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_plain(value) for value in item]
    return item if isinstance(item, str) else float(str(item))


FAULTS = [
    # was, becomes, key below enterprises[0], what the message says
    ("-tenant.energy_import]", "-gas-1.volume]", "derived[0].sum[1]", "measures m3, but the points before it"),
    ("-tenant.energy_import]", "boiler.t]", "derived[0].sum[1]", "cannot be summed over time"),
    ("-tenant.energy_import]", "-tenant.energy]", "derived[0].sum[1]", "has no point energy"),
    ("-tenant.energy_import]", "derived.nothing]", "derived[0].sum[1]", "no derived point nothing"),
    ("-tenant.energy_import]", "derived.room-1]", "derived[0]", "round in a circle"),
    ("sum: [incomer", "total: [incomer", "derived[0].total", "unknown key"),
    ("{id: own, sum:", "{id: own, first_of: [tenant.power, tenant.power], sum:", "derived[0]", "exactly one of"),
    ("hall-b: 0.7", "hall-b: 0.6", "derived[1].shares", "add up to 0.9"),
    ("hall-a: 0.3, hall-b: 0.7", "hall-a: 0.3000001, hall-b: 0.6999999", "derived[1].shares.hall-a", "decimals"),
    ("hall-b: 0.7", "own: 0.7", "derived[1]", "already"),
    ("hall-b: 0.7", "a.b: 0.7", "derived[1].shares.a.b", "an id is"),
    ("by: {room-1", "shares: {x: 1}, by: {room-1", "derived[2].by", "not by both"),
    ("[tenant.energy_import, tenant.power]", "[tenant.energy_import]", "derived[3].first_of", "at least 2"),
    ("mass_of: tank.oil", "mass_of: boiler.steam", "derived[4].mass_of", "measures t, but mass_of takes m3"),
    (", density_t_per_m3: 0.84", "", "derived[4]", "needs density_t_per_m3"),
    ("density_t_per_m3: 0.84", "density_t_per_m3: 840", "derived[4].density_t_per_m3", "mind the unit"),
    ("pressure_kpa: 201.3, ", "", "derived[5]", "needs pressure or pressure_kpa"),
    (
        "temperature: gas-1.temperature,",
        "temperature: gas-1.volume,",
        "derived[5].temperature",
        "here goes temperature",
    ),
    ("less_kj_per_kg: 0", "density_t_per_m3: 1", "derived[6].density_t_per_m3", "does not go with steam_heat_of"),
    ("co2_mass_of: stack.gas", "co2_mass_of: -stack.gas", "derived[7].co2_mass_of", "only a sum takes points off"),
    ("tolerance: 0.03", "tolerance: 3", "balances[0].tolerance", "such as 0.03"),
    ("children: [tenant.energy_import", "children: [gas-1.volume", "balances[0].children[0]", "measures m3"),
    ("reconcile_within: 0.05", "reconcile_within: 5", "reconcile_within", "such as 0.02"),
    ("id: boiler\n", "id: derived\n", "devices[3].id", "another id"),
]


@pytest.mark.parametrize(("was", "becomes", "key", "says"), FAULTS)
def test_fault_is_reported_at_its_line_and_key(
    problems: Problems, text: str, was: str, becomes: str, key: str, says: str
) -> None:
    assert was in text
    found = {problem.key: problem for problem in problems(text.replace(was, becomes, 1))}
    assert f"enterprises[0].{key}" in found
    problem = found[f"enterprises[0].{key}"]
    assert says in problem.message
    assert problem.line > 1
