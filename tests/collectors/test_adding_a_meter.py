"""docs/adding-a-meter.md followed to the letter: what it prints loads, polls and decodes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from collectors.driver import Bus, PolledDevice
from collectors.drivers import open_driver
from collectors.modbus.decode import decode
from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import DTYPES, MeterProfile, TimingLimits, load_profiles
from collectors.profile_check import check_profile
from collectors.strict_yaml import loads

DOCUMENT = Path(__file__).parents[2] / "docs" / "adding-a-meter.md"


@pytest.fixture
def printed() -> tuple[str, str]:
    """The document's profile and golden cases."""
    profile, cases = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return profile, cases


@pytest.fixture
def acme(printed: tuple[str, str], tmp_path: Path) -> MeterProfile:
    directory = tmp_path / "meter_profiles"
    directory.mkdir()
    (directory / "acme-m3.yaml").write_text(printed[0], encoding="utf-8")
    return load_profiles(tmp_path)["acme-m3"]


def test_the_printed_profile_loads_and_needs_two_requests(acme: MeterProfile, tmp_path: Path) -> None:
    check = check_profile(tmp_path / "meter_profiles" / "acme-m3.yaml")

    assert check.ok
    assert check.profile == acme
    assert check.remarks == ()
    assert [(block.function_code, block.address, block.count) for block in check.blocks] == [
        (3, 100, 5),
        (4, 0, 54),
    ]


def test_the_printed_profile_polls_a_simulated_meter(acme: MeterProfile) -> None:
    values: dict[str, float | None] = {"voltage_l1": 230.5, "power": 2.5, "energy_import": None, "frequency": 49.98}

    with SimulatedMeters("127.0.0.1", 0, {7: SimulatedMeter(acme, values.__getitem__)}) as server:
        driver = open_driver(Bus("bus-1", "modbus-tcp", "127.0.0.1", server.port))
        result = driver.poll(PolledDevice("incomer-1", 7, acme, acme.points), 1_760_000_000_000)
        driver.close()

    assert result.errors == ()
    assert {reading.point: reading.value for reading in result.readings} == values


def test_the_printed_golden_cases_are_true(acme: MeterProfile, printed: tuple[str, str]) -> None:
    cases: list[dict[str, Any]] = loads(printed[1], dict[str, Any])["cases"]

    assert cases
    for case in cases:
        assert decode(case["words"], acme.by_point[case["point"]]) == case["value"]


def test_every_dtype_and_every_timing_limit_is_explained() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    assert [name for name in DTYPES if f"`{name}`" not in text] == []
    assert [name for name in TimingLimits.__dataclass_fields__ if f"{name}:" not in text] == []
