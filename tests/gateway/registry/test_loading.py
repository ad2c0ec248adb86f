"""What a registry file that is right says; what is wrong in one: `test_faults`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from collectors.errors import Problem
from gateway.registry import file_shape
from gateway.registry.dumping import dump_registry
from gateway.registry.file_shape import Stage
from gateway.registry.knowledge import Knowledge
from gateway.registry.loading import RegistryFile
from gateway.registry.model import STAGES, AgentKey, DatedValue, Feed, Method, Name, Park, Registry

Read = Callable[..., RegistryFile]
Problems = Callable[..., list[Problem]]
KEY = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A.2


def test_profile_gives_points_limits_and_moduli(read: Read, good: str) -> None:
    incomer, tenant, gas = read(good).enterprises[0].devices
    assert [point.id for point in incomer.points] == ["energy_import", "energy_export", "power", "temperature"]
    by_id = {point.id: point for point in incomer.points}
    assert (by_id["energy_import"].modulus, by_id["energy_import"].rated_per_hour) == (42949672.96, 800)
    assert (by_id["power"].modulus, by_id["power"].rated_per_hour) == (None, 800)
    assert by_id["temperature"].rated_per_hour is None
    assert [point.id for point in tenant.points] == ["energy_import", "power"]
    assert (tenant.points[1].gap_max_s, tenant.points[1].rated_per_hour) == (60, 5.5)
    assert [(point.id, point.quantity, point.modulus) for point in gas.points] == [
        ("volume", "gas_volume", 1000000),
        ("temperature", "temperature", None),
    ]


def test_feeds_carry_exact_signed_shares(read: Read, good: str) -> None:
    grid = read(good).enterprises[0].source("grid-power")
    assert grid is not None
    assert grid.feeds == (
        Feed("incomer-1", "energy_import", "1"),
        Feed("tenant", "energy_import", "-1"),
        Feed("tenant", "power", "-0.25"),
        Feed("incomer-1", "power", "0.5"),
    )


def test_rest_of_the_file_is_what_it_says(read: Read, good: str) -> None:
    file = read(good)
    plant, empty = file.enterprises
    assert [park.id for park in file.parks] == ["quanzhou-demo"]
    assert (plant.method.electricity, plant.method.gwp, plant.consents) == ("provincial", "ar6", ("platform",))
    clay, green = plant.source("clay"), plant.source("green-power")
    assert clay is not None and green is not None
    assert (clay.records, clay.unit) == (True, "t")
    assert (green.evidence[0].valid_to, green.category, green.factor) == ("2027-01-01", 2, "grid.green")
    assert plant.replacements[0].at_ms == datetime(2026, 10, 3, tzinfo=UTC).timestamp() * 1000
    assert (empty.method.electricity, empty.rating_policy, empty.devices) == ("national", "four-colour-demo", ())


def test_agents_have_their_keys_and_until_when_they_are_good(read: Read, good: str) -> None:
    plain, signing = read(good).enterprises[0].agents
    assert plain.public_keys == ()
    assert signing.public_keys[0] == AgentKey(KEY)
    assert signing.public_keys[1].valid_until_ms == 1_801_324_800_000  # 2027-01-30T16:00:00Z
    assert not read(good).enterprises[0].require_signed_batches


def test_a_method_is_a_name_or_written_out_and_read_back_the_same(read: Read, knowledge: Knowledge, good: str) -> None:
    written = "{electricity: provincial, fuel_set: gbt32151-34-2024, gwp: ar6}"
    named = read(good.replace(written, "city")).enterprises[0]
    assert named.method == Method(electricity="provincial", id="city")
    longer = read(good.replace(written, "{booked: location, compliance: [direct], gwp: ar6}")).enterprises[0]
    assert (longer.method.booked, longer.method.compliance, longer.method.id) == ("location", ("direct",), "")
    for plant, method in ((named, "method: city"), (longer, "booked: location")):
        parks = {park.id: park for park in read(good).parks}
        text = dump_registry(Registry(1, parks, {plant.id: plant}), knowledge)
        assert method in text
        assert read(text).enterprises[0] == plant


def test_own_values_have_their_days_and_document(read: Read, good: str) -> None:
    plant = read(good).enterprises[0]
    assert plant.sources[2].own_values == (
        DatedValue("heat_value", "389.31", "GJ/1e4Nm3", "2025-01-01", "2025-07-01", "LAB-1"),
    )
    assert plant.sources[3].own_values[0].quantity == "footprint"


def test_empty_file_says_nothing(read: Read) -> None:
    assert read("") == RegistryFile()


def test_park_of_the_stored_registry_may_be_named(read: Read, problems: Problems, good: str) -> None:
    park = read(good).parks[0]
    alone = "enterprises:" + good.partition("enterprises:")[2]
    assert {problem.key for problem in problems(alone)} == {"enterprises[0].park", "enterprises[1].park"}
    stored = Registry(1, {park.id: park}, {})
    assert len(read(alone, stored).enterprises) == 2


def test_retired_needs_no_more_than_its_id(read: Read) -> None:
    file = read("parks: [{id: old, retired: true}]\nenterprises: [{id: 91350500M00000000L, retired: true}]")
    assert (file.retired_parks, file.retired_enterprises) == ({"old"}, {"91350500M00000000L"})
    assert (file.parks, file.enterprises) == ((), ())


def test_retired_park_cannot_be_named(problems: Problems) -> None:
    stored = Registry(1, {"old": Park("old", None, "fujian", "Asia/Shanghai")}, {})  # type: ignore[arg-type]
    text = """
parks: [{id: old, retired: true}]
enterprises: [{id: 91350500M00000000L, name: {zh: a, en: a}, park: old, industry: C13}]
"""
    assert [problem.key for problem in problems(text, stored)] == ["enterprises[0].park"]


def test_retired_with_other_keys_is_a_slip(problems: Problems) -> None:
    assert [problem.key for problem in problems("parks: [{id: old, retired: true, region: fujian}]")] == [
        "parks[0].region"
    ]


def test_stages_of_file_and_model_are_the_same() -> None:
    assert get_args(Stage) == STAGES


def test_documented_example_is_right_and_every_key_is_documented(read: Read, knowledge: Knowledge) -> None:
    text = Path(__file__).parents[3].joinpath("docs", "registry.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0].replace("eastron-sdm630", "meter")
    assert len(read(example).enterprises[0].sources) == 3
    keys = {
        f.metadata.get("key", f.name)
        for shape in vars(file_shape).values()
        if is_dataclass(shape) and shape is not Name
        for f in fields(shape)
    }
    assert len(keys) > 40
    assert [key for key in sorted(keys) if key not in text] == []
