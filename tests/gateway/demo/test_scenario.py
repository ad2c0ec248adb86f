"""A scenario that names something that is not there does not start."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from collectors.profile import shipped_config_dir
from gateway.demo.scenario import Scenario, load_scenario

SPOILED = {
    "series: steel-energy, factor: 10, start": ("series: steel-enrgy, factor: 10, start", "no series steel-enrgy"),
    "profile: siemens-pac2200": ("profile: siemens-pac9", "no meter profile siemens-pac9"),
    "point: co2_mass,": ("point: steam_mass,", "has no register for it"),
    "factor: 2.71976, start": ("factor: -2.71976, start", "a factor above 0"),
    "amounts: [1345]": ("amounts: [1345, 1]", "needs 1 amounts"),
    "product: fabric,": ("product: fabric, economic: output_value,", "exactly one of"),
    "each: day, series: stack-load,": ("each: day, amounts: [1], series: stack-load,", "either amounts or a series"),
}


def test_demo_has_the_promised_kinds_of_plants(scenario: Scenario) -> None:
    profiles = {device.profile for site in scenario.sites for device in site.devices}
    assert len(scenario.sites) == 5
    assert {"demo-cems", "demo-flow-computer", "abb-b23", "siemens-pac2200"} <= profiles


def test_derived_figures_are_labelled_so(scenario: Scenario) -> None:
    gas = [point for _, device, point in scenario.points() if device.profile == "demo-flow-computer"]
    assert gas
    assert all("DERIVED" in point.how for point in gas)


@pytest.mark.parametrize("right", SPOILED)
def test_a_dangling_name_is_refused_with_its_place(tmp_path: Path, right: str) -> None:
    wrong, message = SPOILED[right]
    config = tmp_path / "config"
    for part in ("demo", "meter_profiles"):
        shutil.copytree(shipped_config_dir() / part, config / part)
    file = config / "demo" / "demo.yaml"
    text = file.read_text(encoding="utf-8")
    assert right in text
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        load_scenario(config)
