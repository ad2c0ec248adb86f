"""A slave of the npm package modbus-serial, which shares no code with ours, is polled over TCP and a serial line."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.driver import Bus, PolledDevice
from collectors.drivers import open_driver
from collectors.errors import ExceptionReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import encode
from collectors.modbus.line import SerialLine
from collectors.modbus.plan import ReadBlock
from collectors.profile import MeterProfile, TimingLimits, load_profile, shipped_config_dir

NOW_MS = 1_760_000_000_000
FOLDER = Path(__file__).parent / "node_slave"
VALUES = {  # holding and input registers, words in either order, whole numbers and floats
    "eastron-sdm630": {"voltage_l1": 230.5, "power": -12.25, "energy_import": 12345.0},
    "schneider-iem3000": {"energy_import": 987654.0, "power": 41.5},
    "tuf-2000m": {"water_flow": 3.25, "water_volume": 70_000.0},
}
Registers = dict[str, dict[int, int]]
StartSlave = Callable[[dict[str, Any], dict[int, Registers]], None]


@pytest.fixture
def node_slave() -> Iterator[StartSlave]:
    """A function that starts a slave at a place, with the registers of its units, and returns when it answers."""
    assert (FOLDER / "node_modules").is_dir(), "fetch the slave with: make .stamps/node_slave"
    started: list[subprocess.Popen[str]] = []

    def start(place: dict[str, Any], units: dict[int, Registers]) -> None:
        command = ["node", str(FOLDER / "slave.mjs"), json.dumps(place), json.dumps(units)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "the slave is not ready after 60 s"
        assert process.stdout.readline() == "ready\n"

    yield start
    for process in started:
        process.communicate(timeout=30)  # closes its input, which ends it


def profile_of(name: str) -> MeterProfile:
    return load_profile(shipped_config_dir() / "meter_profiles" / f"{name}.yaml")


def registers_of(meter: MeterProfile, values: dict[str, float]) -> Registers:
    """The words that a meter with these values holds; its other registers are not there."""
    tables: Registers = {"holding": {}, "input": {}}
    for point, value in values.items():
        spec = meter.by_point[point]
        table = tables["holding" if spec.function_code == 3 else "input"]
        table.update({spec.address + offset: word for offset, word in enumerate(encode(value, spec))})
    return tables


def shown(result: Any) -> dict[str, float]:
    return {reading.point: reading.value for reading in result.readings}


@pytest.mark.real("node")
def test_meters_behind_one_tcp_address_give_their_own_values(
    node_slave: StartSlave, free_port: Callable[[], int]
) -> None:
    port = free_port()
    meters = {unit: profile_of(name) for unit, name in enumerate(VALUES, 1)}
    node_slave({"tcp": port}, {unit: registers_of(meter, VALUES[meter.id]) for unit, meter in meters.items()})
    absent = replace(meters[1], timing=replace(meters[1].timing, timeout_s=1, retries=0))

    with closing(open_driver(Bus("bus", "modbus-tcp", "127.0.0.1", port))) as driver:
        for unit, meter in meters.items():
            result = driver.poll(PolledDevice(meter.id, unit, meter, tuple(VALUES[meter.id])), NOW_MS)
            assert (result.errors, shown(result)) == ((), VALUES[meter.id])
        nobody = driver.poll(PolledDevice("nobody", 99, absent, ("power",)), NOW_MS)
        assert [error.kind for error in nobody.errors] == ["unreachable"]


@pytest.mark.real("node", "socat")
def test_a_meter_on_a_serial_line_gives_its_values_though_registers_between_them_are_refused(
    node_slave: StartSlave, socat: Any, tmp_path: Path
) -> None:
    near, far, meter = tmp_path / "near", tmp_path / "far", profile_of("eastron-sdm630")
    socat(f"pty,raw,echo=0,link={near}", f"pty,raw,echo=0,link={far}", near, far)
    values = VALUES[meter.id]
    node_slave({"path": str(far), "baud": 9600, "unit": 17}, {17: registers_of(meter, values)})

    with closing(open_driver(Bus("bus", "modbus-rtu", path=str(near), baud=9600))) as driver:
        result = driver.poll(PolledDevice("meter", 17, meter, tuple(values)), NOW_MS)
    assert (result.errors, shown(result)) == ((), values)

    limits = TimingLimits(timeout_s=10, max_registers=125, retries=0)
    with closing(ModbusClient(SerialLine(str(near), baud=9600))) as client, pytest.raises(ExceptionReply) as caught:
        client.read(17, ReadBlock(4, 9000, 1, ()), limits)
    assert caught.value.code == 2
