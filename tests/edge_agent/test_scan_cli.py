"""`tanmai edge scan`: what it prints can be put into the file, and it says how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collectors.driver import Bus
from collectors.modbus.scan import ScannedUnit
from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.modbus.sunspec import SunSpecMeter
from collectors.profile import MeterProfile, load_profiles, shipped_config_dir
from edge_agent.cli import edge
from edge_agent.scanning import proposal, write_profiles
from edge_agent.settings import load_settings

Scan = Callable[..., Result]
CONFIG = """\
agent: {enterprise: acme, id: edge-1}
gateway: {mqtt: "mqtt://127.0.0.1:1883"}
buses:
- {id: bus-1, driver: modbus-tcp, port: PORT}
devices:
- {id: incomer-1, bus: bus-1, unit: 1, profile: eastron-sdm630}
- {id: gone, bus: bus-1, unit: 4, profile: eastron-sdm630}
"""


@pytest.fixture(scope="module")
def profiles() -> dict[str, MeterProfile]:
    return load_profiles(shipped_config_dir())


@pytest.fixture
def meters(profiles: dict[str, MeterProfile]) -> Iterator[SimulatedMeters]:
    grid = {"frequency": 50.0, "voltage_l1": 231.0, "voltage": 230.0}
    plant = {1: "eastron-sdm630", 2: "eastron-sdm72-v2", 3: "acrel-adw300", 5: "tuf-2000m"}
    units = {unit: SimulatedMeter(profiles[name], lambda point: grid.get(point, 1.0)) for unit, name in plant.items()}
    with SimulatedMeters("127.0.0.1", 0, units) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, meters: SimulatedMeters) -> Path:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG.replace("PORT", str(meters.port)), encoding="utf-8")
    return path


@pytest.fixture
def scan() -> Scan:
    def invoke(*options: str) -> Result:
        quick = ("--timeout", "0.5", "--pause", "0")
        return CliRunner(env={"COLUMNS": "200"}).invoke(edge, ["scan", *quick, *options])

    return invoke


def test_a_scan_proposes_devices_that_load(scan: Scan, config: Path) -> None:
    result = scan("--config", str(config), "--units", "1-5")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "devices:"
    assert "# unit 1 on bus-1 is incomer-1 already  # identified as eastron-sdm630" in lines
    assert "# unit 4 on bus-1 is configured as gone, but did not answer" in lines
    assert "- {id: meter-2, bus: bus-1, unit: 2, profile: eastron-sdm72-v2}  # identified as eastron-sdm72-v2" in lines
    [guess] = [line for line in lines if "meter-3" in line]
    assert "a guess" in guess
    assert "acrel-adw300" in guess
    [unknown] = [line for line in lines if "unit 5" in line]
    assert "no known profile fits" in unknown
    assert "Bus bus-1: unit 2 answers." in result.stderr

    found = [line for line in lines if line.startswith("- ")]
    config.write_text(config.read_text() + "\n".join(found) + "\n")
    assert [device.id for device in load_settings(config).devices][2:] == ["meter-2", "meter-3"]


def test_a_bus_can_be_given_without_a_file(scan: Scan, meters: SimulatedMeters) -> None:
    bus = f"{{id: hall, driver: modbus-tcp, port: {meters.port}}}"

    result = scan("--bus", bus, "--units", "2,4")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("devices:\n- {id: meter-2, bus: hall, unit: 2, profile: eastron-sdm72-v2}")


def test_nobody_there_is_said_and_no_failure(scan: Scan, meters: SimulatedMeters) -> None:
    result = scan("--bus", f"{{id: hall, driver: modbus-tcp, port: {meters.port}}}", "--units", "9")

    assert (result.exit_code, result.stdout) == (0, "# nobody answered\n")


def test_a_bus_that_cannot_be_reached_ends_with_1(scan: Scan, tmp_path: Path) -> None:
    result = scan("--bus", f"{{id: hall, driver: modbus-rtu, path: {tmp_path}/ttyUSB0}}")

    assert result.exit_code == 1
    assert "is the adapter plugged in" in result.stderr


WRONG = {
    "no bus": ((), "Give --config FILE, or --bus"),
    "unknown driver": (("--bus", "{id: a, driver: modbus-rut, path: /dev/x}"), "there is no driver modbus-rut"),
    "missing path": (("--bus", "{id: a, driver: modbus-rtu}"), "modbus-rtu needs path"),
    "no mapping": (("--bus", "/dev/ttyUSB0"), "--bus"),
    "no range": (("--bus", "{id: a, driver: modbus-tcp}", "--units", "one"), "'one' is no address or range"),
    "backwards": (("--bus", "{id: a, driver: modbus-tcp}", "--units", "9-3"), "must be in order"),
    "too far": (("--bus", "{id: a, driver: modbus-tcp}", "--units", "1-248"), "within 1-247"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_call_is_refused_in_words(scan: Scan, what: str) -> None:
    options, words = WRONG[what]

    result = scan(*options)

    assert result.exit_code == 2
    assert words in result.stderr


def test_an_unknown_bus_of_the_file_is_a_usage_error(scan: Scan, config: Path) -> None:
    result = scan("--config", str(config), "--bus", "bus-9")

    assert result.exit_code == 2
    assert "known are bus-1" in result.stderr


def test_profiles_of_self_describing_meters_are_written_once(tmp_path: Path) -> None:
    found = SunSpecMeter("sunspec-acme-w3", "id: sunspec-acme-w3\n")
    seen = [
        ScannedUnit(1, True, identified=found.profile, described=found),
        ScannedUnit(2, True),
        ScannedUnit(3, False),
    ]

    assert write_profiles(seen, tmp_path) == [tmp_path / "sunspec-acme-w3.yaml"]
    (tmp_path / "sunspec-acme-w3.yaml").write_text("mended by hand")
    assert write_profiles(seen, tmp_path) == []
    assert (tmp_path / "sunspec-acme-w3.yaml").read_text() == "mended by hand"

    line, *_ = proposal(Bus("bus-1", "modbus-tcp"), seen, {}, ())
    assert "profile: sunspec-acme-w3}  # describes itself by SunSpec" in line
