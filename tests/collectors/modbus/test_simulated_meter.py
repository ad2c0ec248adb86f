"""Simulated meters: real Modbus TCP, live values, clean ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from itertools import count

import pytest

from collectors.driver import PolledDevice
from collectors.errors import ConfigurationError, ExceptionReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import quantise
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.line import TcpLine
from collectors.modbus.plan import ReadBlock
from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import MeterProfile, load_profiles, shipped_config_dir
from collectors.quantities import QUANTITIES


@pytest.fixture(scope="module")
def profiles() -> dict[str, MeterProfile]:
    return load_profiles(shipped_config_dir())


def test_every_shipped_profile_reads_back_what_its_simulated_meter_shows(profiles: dict[str, MeterProfile]) -> None:
    values = {name: 0.5 + place / 7 for place, name in enumerate(QUANTITIES)}
    units = dict(enumerate(profiles.values(), start=1))

    with SimulatedMeters(
        "127.0.0.1", 0, {u: SimulatedMeter(p, values.__getitem__) for u, p in units.items()}
    ) as server:
        driver = ModbusDriver(ModbusClient(TcpLine("127.0.0.1", server.port)))
        for unit, profile in units.items():
            result = driver.poll(PolledDevice(profile.id, unit, profile, profile.points), 0)
            shown = {spec.point: quantise(values[spec.point], spec) for spec in profile.registers}
            assert result.errors == ()
            assert {reading.point: reading.value for reading in result.readings} == shown, profile.id
        driver.close()


def test_values_are_asked_for_at_the_moment_of_the_request(profiles: dict[str, MeterProfile]) -> None:
    ticks = count(100)
    profile = profiles["eastron-sdm120"]

    with SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(profile, lambda point: next(ticks))}) as server:
        driver = ModbusDriver(ModbusClient(TcpLine("127.0.0.1", server.port)))
        device = PolledDevice("m", 1, profile, ("energy_import",))
        seen = [driver.poll(device, 0).readings[0].value for _ in range(3)]
        driver.close()

    assert seen == [100, 101, 102]


@pytest.mark.parametrize(
    ("answers_gaps", "block", "code"),
    [
        (True, ReadBlock(4, 32, 38, ()), None),
        (False, ReadBlock(4, 32, 38, ()), 2),
        (True, ReadBlock(4, 79, 2, ()), 2),
        (True, ReadBlock(4, 4000, 2, ()), 2),
        (True, ReadBlock(3, 0, 2, ()), 2),
    ],
)
def test_an_address_that_does_not_exist_is_refused_with_exception_2(
    profiles: dict[str, MeterProfile], answers_gaps: bool, block: ReadBlock, code: int | None
) -> None:
    profile = profiles["eastron-sdm120"]
    meter = SimulatedMeter(profile, lambda point: 1.0, answers_gaps=answers_gaps)

    with SimulatedMeters("127.0.0.1", 0, {1: meter}) as server:
        client = ModbusClient(TcpLine("127.0.0.1", server.port))
        if code is None:
            assert client.read(1, block, profile.timing) == [0] * block.count
        else:
            with pytest.raises(ExceptionReply) as caught:
                client.read(1, block, profile.timing)
            assert caught.value.code == code
        client.close()


def test_writing_is_refused(profiles: dict[str, MeterProfile]) -> None:
    meter = SimulatedMeter(profiles["abb-b23"], lambda point: 1.0)

    with (
        SimulatedMeters("127.0.0.1", 0, {1: meter}) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
    ):
        connection.sendall(bytes.fromhex("000100000006 01 06 5000 0001"))
        assert connection.recv(100).hex() == "000100000003018601"


def test_stopping_frees_the_port_and_ends_the_thread(profiles: dict[str, MeterProfile]) -> None:
    server = SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(profiles["abb-b23"], lambda point: 1.0)}).start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        server.stop()
        connection.settimeout(5)
        with contextlib.suppress(ConnectionResetError):  # not yet accepted: the kernel hangs up
            assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))

    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-meters"]
    server.stop()  # again is harmless


def test_a_port_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            SimulatedMeters("127.0.0.1", port, {}).start()
