"""The demo's registry and its scenario speak of the same plants, and nothing is measured beyond what is rated."""

from __future__ import annotations

import pytest

from collectors.profile import shipped_config_dir
from collectors.quantities import QUANTITIES
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.calendar import check_zone
from gateway.carbon.factors import FactorBook
from gateway.demo.plant import Plant
from gateway.demo.scenario import Scenario
from gateway.registry.knowledge import Knowledge
from gateway.registry.loading import RegistryFile, read_registry
from gateway.registry.model import Enterprise


@pytest.fixture(scope="module")
def file(scenario: Scenario) -> RegistryFile:
    text = scenario.registry_file.read_text(encoding="utf-8")
    factors = FactorBook.load(shipped_config_dir())
    knowledge = Knowledge(
        scenario.profiles,
        ACTIVITIES,
        policies={"four-colour-demo"},
        regions={factor.region for factor in factors.factors.values()},
        fuel_sets=factors.fuel_sets,
        factors=factors.factors.keys(),
        zone_problem=check_zone,
    )
    return read_registry(text, "registry.yaml", knowledge)


@pytest.fixture(scope="module")
def enterprises(file: RegistryFile) -> dict[str, Enterprise]:
    return {one.id: one for one in file.enterprises}


def test_every_enterprise_is_labelled_as_demo(enterprises: dict[str, Enterprise]) -> None:
    assert len(enterprises) == 5
    assert all(one.name.zh.startswith("示范·") and one.name.en.startswith("Demo ") for one in enterprises.values())


def test_meters_show_exactly_the_registered_points(scenario: Scenario, enterprises: dict[str, Enterprise]) -> None:
    planned = {(site.enterprise, device.device, point.point) for site, device, point in scenario.points()}
    registered = {(one.id, point.device, point.id) for one in enterprises.values() for point in one.points()}
    assert planned == registered
    assert {site.name for site in scenario.sites} == {
        f"{one.id}/{agent.id}" for one in enterprises.values() for agent in one.agents
    }


def test_every_record_speaks_of_something_registered(scenario: Scenario, enterprises: dict[str, Enterprise]) -> None:
    for record in scenario.records:
        enterprise = enterprises[record.enterprise]
        products = {one.id: one.unit for one in enterprise.products}
        if record.product:
            assert products[record.product] == record.unit
        elif record.source:
            source = enterprise.source(record.source)
            assert source is not None
            assert source.records


def test_the_newcomer_has_no_output(scenario: Scenario) -> None:
    reporting = {record.enterprise for record in scenario.records}
    assert [site.enterprise for site in scenario.sites if site.enterprise not in reporting] == ["91350581M00000043C"]


def test_nothing_passes_faster_than_rated(plant: Plant, enterprises: dict[str, Enterprise]) -> None:
    rated = {
        (one.id, point.device, point.id): point.rated_per_hour for one in enterprises.values() for point in one.points()
    }
    for site, device, point in plant.scenario.points():
        limit = rated[site.enterprise, device.device, point.point]
        if QUANTITIES[point.point].kind == "counter" and limit is not None:
            fastest = max(plant.scenario.series[point.series].amounts) * point.factor
            step_h = plant.scenario.series[point.series].step_ms / 3_600_000
            assert fastest / step_h <= limit, (site.enterprise, point.point)
