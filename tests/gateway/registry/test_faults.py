"""What is wrong in a registry file is refused: each fault at its line and key, and none hides another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest

import pytest

from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import parse
from gateway.registry.checks import ENTERPRISE_CHECKS, PARK_CHECKS, Check, World
from gateway.registry.knowledge import Knowledge
from gateway.registry.loading import RegistryFile, read_registry
from gateway.registry.place import Place

Read = Callable[..., RegistryFile]
Problems = Callable[..., list[Problem]]
KEY = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A.2

LAPPING = (
    "document: LAB-1}, {quantity: heat_value, value: 390, unit: GJ/1e4Nm3, valid_from: 2025-06-30, "
    "valid_to: 2026-01-01, document: LAB-2}]"
)

# text of the good file -> what replaces it, in which key, and a piece of the message
STEAM = (
    "document: LAB-1}}]}}\n  - {{id: steam, activity: steam.purchased, scope: 2, stage: production, unit: t, "
    "records: true, analyses: [{}]}}"
)
OF_STEAM = (
    "{{quantity: steam_{}, value: {}, unit: {}, valid_from: 2026-01-01, valid_to: 2027-01-01, document: contract}}"
)
FAULTS = [
    ("region: fujian", "region: fujian, colour: red", "parks[0].colour", "unknown key"),
    ("Asia/Shanghai", "Asia/Atlantis", "parks[0].timezone", "no IANA time zone"),
    ("Asia/Shanghai", "../etc", "parks[0].timezone", "no IANA time zone"),
    ("Asia/Shanghai", "Asia/Kolkata", "parks[0].timezone", "whole UTC hours"),
    ("region: fujian", "region: atlantis", "parks[0].region", "known are CN, fujian"),
    ("gbt32151-34-2024", "gbt32151-35", "enterprises[0].method.fuel_set", "unknown fuel set"),
    ("grid.green", "grid.blue", "enterprises[0].sources[1].factor", "unknown factor"),
    ("area_km2: 1.8", "area_km2: 0", "parks[0].area_km2", "above 0"),
    ("{id: quanzhou-demo", "{id: quanzhou/demo", "parks[0].id", "an id is"),
    ("M00000000L", "M00000000M", "enterprises[0].id", "should be L"),
    ("- id: 91350500M00000001P", "- id: 91350500M00000000L", "enterprises[1].id", "twice"),
    (
        "park: quanzhou-demo\n  industry: C3071",
        "park: nowhere\n  industry: C3071",
        "enterprises[0].park",
        "unknown park",
    ),
    ("C3071", "3071", "enterprises[0].industry", "GB/T 4754"),
    ("gwp: ar6", "gwp: ar2", "enterprises[0].method.gwp", "one of ar4, ar5, ar6"),
    ("rating_policy: four-colour-demo", "rating_policy: x", "enterprises[0].rating_policy", "four-colour-demo"),
    ("{id: edge-1}", "{id: edge 1}", "enterprises[0].agents[0].id", "an id is"),
    ("{id: edge-1}", "{id: edge-1}, {id: edge-1}", "enterprises[0].agents[1].id", "twice"),
    ("[ed25519:11", "[ed25518:11", "enterprises[0].agents[1].public_keys[0]", "tanmai edge keygen"),
    ("{key: ed25519:", "{key: ed25519:A", "enterprises[0].agents[1].public_keys[1]", "tanmai edge keygen"),
    ("{id: edge-1}", f"{{id: edge-1, public_keys: [{KEY}]}}", "enterprises[0].agents[1].public_keys[0]", "edge-1"),
    ("  agents:", "  require_signed_batches: true\n  agents:", "enterprises[0].agents[0]", "no public_keys"),
    ("{id: tenant,", "{id: incomer-1,", "enterprises[0].devices[1].id", "twice"),
    ("{id: tenant,", "{id: -tenant,", "enterprises[0].devices[1].id", "an id is"),
    ("profile: meter, rated", "profile: moter, rated", "enterprises[0].devices[0].profile", "known are meter"),
    ("rated_power_kw: 800", "rated_power_kw: -1", "enterprises[0].devices[0].rated_power_kw", "above 0"),
    (
        "points: [energy_import,",
        "points: [energy,",
        "enterprises[0].devices[1].points[0]",
        "the profile has no point energy",
    ),
    (
        "{id: power, gap",
        "{id: power, quantity: voltage, gap",
        "enterprises[0].devices[1].points[1].quantity",
        "not voltage",
    ),
    ("gap_max_s: 60", "gap_max_s: 0", "enterprises[0].devices[1].points[1].gap_max_s", "above 0"),
    ("rated_per_hour: 5.5", "rated_per_hour: 0", "enterprises[0].devices[1].points[1].rated_per_hour", "above 0"),
    ("quantity: gas_volume", "quantity: gas", "enterprises[0].devices[2].points[0].quantity", "unknown quantity gas"),
    ("modulus: 1000000", "modulus: 0", "enterprises[0].devices[2].points[0].modulus", "above 0"),
    (
        "{id: temperature}",
        "{id: temperature, modulus: 5}",
        "enterprises[0].devices[2].points[1].modulus",
        "only counters",
    ),
    ("{id: temperature}", "{id: volume}", "enterprises[0].devices[2].points[1].quantity", "unknown quantity volume"),
    (", {id: temperature}]}", "]}\n  - {id: bare}", "enterprises[0].devices[3]", "has no points"),
    (
        "  products:",
        "  derived: [{id: own, sum: [gas-1.volume, tenant.power]}]\n  products:",
        "enterprises[0].derived[0].sum[1]",
        "measures kWh",
    ),
    ("  products:", "  reconcile_within: 2\n  products:", "enterprises[0].reconcile_within", "such as 0.02"),
    ("activity: fuel.natural_gas", "activity: fuel.magic", "enterprises[0].sources[2].activity", "unknown activity"),
    ("scope: 1,", "scope: 4,", "enterprises[0].sources[2].scope", "one of 1, 2, 3"),
    ("stage: raw_material", "stage: raw", "enterprises[0].sources[3].stage", "raw_material"),
    ("category: 2", "category: 7", "enterprises[0].sources[1].category", "1, 2, 3, 4, 5, 6"),
    ("[gas-1.volume]", "[gas-2.volume]", "enterprises[0].sources[2].from[0]", "unknown device gas-2"),
    ("[gas-1.volume]", "[gas-1.flow]", "enterprises[0].sources[2].from[0]", "it has volume, temperature"),
    ("[gas-1.volume]", "[gas-1]", "enterprises[0].sources[2].from[0]", "device.point"),
    ("[gas-1.volume]", "[gas-1.temperature]", "enterprises[0].sources[2].from[0]", "cannot be summed"),
    ("[gas-1.volume]", "[incomer-1.power]", "enterprises[0].sources[2].from[0]", "measures kWh"),
    ("[gas-1.volume]", "[gas-1.volume, -gas-1.volume]", "enterprises[0].sources[2].from[1]", "twice"),
    ("[gas-1.volume]", "[gas-1.volume], unit: Nm3", "enterprises[0].sources[2].from[0]", "this source is in Nm3"),
    ("from: [gas-1.volume]", "records: false", "enterprises[0].sources[2]", "by one of them"),
    ("from: [gas-1.volume]", "from: [gas-1.volume], records: true", "enterprises[0].sources[2]", "by one of them"),
    ("records: true}", "from: [gas-1.volume]}", "enterprises[0].sources[3].from", "never from a meter"),
    ("records: true}", "records: true, unit: kWh}", "enterprises[0].sources[3].unit", "takes t, kg"),
    ("share: 0.25", "share: 1.25", "enterprises[0].sources[0].from[2]", "at most 1"),
    ("share: 0.25", "share: -0.25", "enterprises[0].sources[0].from[2]", "sign: -1"),
    ("sign: -1", "sign: 2", "enterprises[0].sources[0].from[2].sign", "one of 1, -1"),
    ("kind: certificate", "kind: promise", "enterprises[0].sources[1].evidence[0].kind", "certificate"),
    (
        "valid_to: 2027-01-01",
        "valid_to: 2026-01-01",
        "enterprises[0].sources[1].evidence[0].valid_to",
        "after valid_from",
    ),
    ("value: 389.31", "value: 0.38931", "enterprises[0].sources[2].analyses[0]", "outside of 20 to 500"),
    ("unit: GJ/1e4Nm3", "unit: kWh", "enterprises[0].sources[2].analyses[0]", "is no unit of a heat_value"),
    ("quantity: heat_value", "quantity: colour", "enterprises[0].sources[2].analyses[0]", "known are heat_value"),
    ("quantity: heat_value", "quantity: enthalpy", "enterprises[0].sources[2].analyses[0]", "takes no enthalpy"),
    ("document: LAB-1", "document: ''", "enterprises[0].sources[2].analyses[0].document", "must name"),
    ("valid_to: 2025-07-01", "valid_to: 2025-01-01", "enterprises[0].sources[2].analyses[0].valid_to", "exclusive"),
    (
        "document: LAB-1}]",
        LAPPING,
        "enterprises[0].sources[2].analyses[1]",
        "overlaps another heat_value",
    ),
    (
        "document: LAB-1}]}",
        STEAM.format(OF_STEAM.format("pressure", "0.06", "MPa")),
        "enterprises[0].sources[3].analyses[0]",
        "Pressures are absolute",
    ),
    (
        "value: 0.045, unit: tCO2e/t",
        "value: 1, unit: kgCO2e/kWh",
        "enterprises[0].sources[3].footprints[0]",
        "does not",
    ),
    ("value: 0.045, unit: tCO2e/t", "value: 0, unit: tCO2e/t", "enterprises[0].sources[3].footprints[0]", "above 0"),
    (
        "activity: fuel.natural_gas",
        "activity: energy_only.natural_gas",
        "enterprises[0].sources[2].activity",
        "counts no emission",
    ),
    (
        "{electricity: provincial, fuel_set: gbt32151-34-2024, gwp: ar6}",
        "nowhere",
        "enterprises[0].method",
        "known are city",
    ),
    ("{id: tile, unit: m2,", "{id: tile, unit: '',", "enterprises[0].products[0].unit", "1 to 16"),
    ("mass_kg: 22.5", "mass_kg: 0", "enterprises[0].products[0].mass_kg", "above 0"),
    ("cbam_good: '2523'", "cbam_good: '9999'", "enterprises[0].products[0].cbam_good", "no row of config/cbam"),
    ("allocation: value", "allocation: shares", "enterprises[0].allocation", "together they must be 1"),
    ("limits: [by-area]", "limits: [by-moon]", "enterprises[0].products[0].limits[0]", "is no limit"),
    ("limits: [by-area]", "limits: [by-mass]", "enterprises[0].products[0].limits[0]", "is given in kgce/t"),
    ("{device: gas-1, at", "{device: gas-9, at", "enterprises[0].replacements[0].device", "unknown device"),
    ("at: 2026-10-03T08:00:00+08:00", "at: 2026-10-03T08:00:00", "enterprises[0].replacements[0].at", "with zone"),
    ("final: {volume", "final: {flow", "enterprises[0].replacements[0]", "the same points"),
    ("readings_per_s: 500", "readings_per_s: -1", "enterprises[0].quota.readings_per_s", "0 = no limit"),
    ("points: 40", "points: 3", "enterprises[0].quota.points", "the devices have 8 points and this allows 3"),
    ("gas-1: {bytes", "gas-2: {bytes", "enterprises[0].quota.senders.gas-2", "neither an agent nor a device"),
    ("bytes_per_s: 0}", "bytes_per_s: -5}", "enterprises[0].quota.senders.edge-1.bytes_per_s", "0 = no limit"),
    (
        "{incomer-1: {readings_per_s: 0.5",
        "{edge-1: {readings_per_s: 0.5",
        "enterprises[0].quota.devices.edge-1",
        "no device",
    ),
    (
        "readings_per_s: 0.5",
        "readings_per_s: -2",
        "enterprises[0].quota.devices.incomer-1.readings_per_s",
        "0 = no limit",
    ),
    ("bytes_per_s: 0}", "bytes_per_h: 5}", "enterprises[0].quota.senders.edge-1.bytes_per_h", "unknown key"),
    (
        "final: {volume: 88123.4}, initial: {volume: 0.2}",
        "final: {temperature: 1}, initial: {temperature: 0}",
        "enterprises[0].replacements[0].final.temperature",
        "no counter",
    ),
]


@pytest.mark.parametrize(("limit", "says"), [(8, ""), (7, "TANMAI_ENTERPRISE_POINTS allows 7")])
def test_without_a_quota_of_its_own_an_enterprise_has_the_points_that_the_settings_allow(
    knowledge: Knowledge, good: str, limit: int, says: str
) -> None:
    def read_with(text: str) -> str:
        try:
            read_registry(text, "plant.yaml", replace(knowledge, points_limit=limit))
        except ConfigurationError as error:
            (problem,) = error.problems
            assert problem.key == "enterprises[0].devices"
            return problem.message
        return ""

    assert read_with(good) == ""  # it has one
    message = read_with(good.replace(", points: 40", "", 1))
    assert (says in message) if says else (message == "")


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ([("pressure", "1", "MPa")], ""),
        ([("pressure", "0.8", "MPa"), ("temperature", "250", "degC")], ""),
        ([("pressure", "800", "MPa")], "check the unit"),
        ([("pressure", "800", "degC")], "give it in kPa"),
        ([("temperature", "250", "degC")], "says nothing without a steam_pressure"),
        ([("pressure", "0.8", "MPa"), ("temperature", "650", "degC")], "up to 600 degC"),
    ],
)
def test_steam_by_mass_is_at_conditions_that_the_tables_have(
    problems: Problems, read: Read, good: str, conditions: list[tuple[str, str, str]], says: str
) -> None:
    analyses = ", ".join(OF_STEAM.format(*one) for one in conditions)
    text = good.replace("document: LAB-1}]}", STEAM.format(analyses), 1)
    if not says:
        assert read(text).enterprises
        return
    (problem,) = problems(text)
    assert problem.key.startswith("enterprises[0].sources[3].analyses[")
    assert says in problem.message


@pytest.mark.parametrize(("was", "becomes", "key", "says"), FAULTS)
def test_fault_is_reported_at_its_line_and_key(
    problems: Problems, good: str, was: str, becomes: str, key: str, says: str
) -> None:
    assert was in good
    text = good.replace(was, becomes, 1)
    found = {problem.key: problem for problem in problems(text)}
    assert key in found
    assert says in found[key].message
    assert found[key].file == "plant.yaml"
    pairs = zip_longest(text.splitlines(), good.splitlines())
    line = next(number for number, (own, other) in enumerate(pairs, 1) if own != other)
    assert abs(found[key].line - line) <= 1


def test_all_faults_are_reported_at_once(problems: Problems, good: str) -> None:
    """Faults of form and of sense, in one enterprise and in others: none hides another."""
    text = good
    for was, becomes in (
        ("Asia/Shanghai", "Asia/Atlantis"),
        ("M00000000L", "M00000000M"),
        ("{id: edge-1}", "{id: edge-1, host: x}"),
        ("rated_power_kw: 800", "rated_power_kw: much"),
        ("modulus: 1000000", "modulus: -5"),
        ("[gas-1.volume]", "[gas-7.volume]"),
        ("activity: material.clay", "activity: material.gold"),
        ("industry: C13", "industry: 13"),
    ):
        assert was in text
        text = text.replace(was, becomes, 1)
    assert {problem.key for problem in problems(text)} == {
        "parks[0].timezone",
        "enterprises[0].id",
        "enterprises[0].agents[0].host",
        "enterprises[0].devices[0].rated_power_kw",
        "enterprises[0].devices[2].points[0].modulus",
        "enterprises[0].sources[2].from[0]",
        "enterprises[0].sources[3].activity",
        "enterprises[1].industry",
    }


def test_broken_device_raises_no_false_alarm_about_what_refers_to_it(problems: Problems, good: str) -> None:
    text = good.replace("{id: gas-1,", "{id: gas-1, colour: red,", 1)
    assert [problem.key for problem in problems(text)] == ["enterprises[0].devices[2].colour"]


@pytest.mark.parametrize(
    "text", ["parks: 5", "enterprises: [5, x]", "parks: [[1]]", "enterprises: [{devices: [4]}]", "- 1"]
)
def test_any_other_form_is_refused_with_a_reason(problems: Problems, text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    ("check", "list_key"),
    [*((check, "parks") for check in PARK_CHECKS), *((check, "enterprises") for check in ENTERPRISE_CHECKS)],
)
def test_every_check_catches_a_planted_fault_and_passes_the_good_file(
    knowledge: Knowledge, good: str, check: Check, list_key: str
) -> None:
    world = World(knowledge, frozenset({"quanzhou-demo"}))

    def caught(text: str) -> list[Problem]:
        return [problem for place in Place(parse(text)).items(list_key) for problem in check(place, world)]

    assert caught(good) == []
    assert any(caught(good.replace(was, becomes, 1)) for was, becomes, _, _ in FAULTS)
