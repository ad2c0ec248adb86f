"""Scanning simulated meters over real Modbus TCP: who is there, and what they are."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from collectors.modbus.client import ModbusClient, NoConnection
from collectors.modbus.line import TcpLine
from collectors.modbus.plan import ReadBlock
from collectors.modbus.scan import MAX_UNANSWERED, UNITS, ScannedUnit, quick_limits, scan
from collectors.modbus.simulated_meter import Fault, SimulatedMeter, SimulatedMeters
from collectors.profile import MeterProfile, TimingLimits, load_profiles, shipped_config_dir

GRID: dict[str, float | None] = {"frequency": 50.0, "voltage_l1": 231.0, "voltage": 230.0}
QUICK = quick_limits(timeout_s=0.7, pause_s=0.0)


@pytest.fixture(scope="module")
def profiles() -> dict[str, MeterProfile]:
    return load_profiles(shipped_config_dir())


def grid(point: str) -> float | None:
    return GRID.get(point, 1.0)


class CountingClient(ModbusClient):
    """Counts the requests to each unit."""

    def __init__(self, port: int) -> None:
        super().__init__(TcpLine("127.0.0.1", port))
        self.asked: list[tuple[int, ReadBlock]] = []

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        self.asked.append((unit, block))
        return super().read(unit, block, limits)


def seen_of(
    meters: dict[int, SimulatedMeter], profiles: dict[str, MeterProfile], units: range = range(1, 6)
) -> tuple[list[ScannedUnit], CountingClient]:
    with SimulatedMeters("127.0.0.1", 0, meters) as server, closing(CountingClient(server.port)) as client:
        return list(scan(client, units, profiles, QUICK)), client


def test_meters_are_found_between_silent_addresses_and_identified(profiles: dict[str, MeterProfile]) -> None:
    names = {2: "eastron-sdm630", 4: "eastron-sdm230", 5: "carlo-gavazzi-em24-e1"}
    meters = {unit: SimulatedMeter(profiles[name], grid) for unit, name in names.items()}

    seen, client = seen_of(meters, profiles)

    assert [one.unit for one in seen] == [1, 2, 3, 4, 5]
    assert {one.unit: one.identified for one in seen if one.answers} == names
    assert len([unit for unit, _ in client.asked if unit == 1]) == 2  # one probe by each function


@pytest.mark.parametrize(
    "name", ["schneider-iem3000", "acrel-adw300", "janitza-umg96rm-e", "abb-b23", "siemens-pac3200"]
)
def test_a_meter_without_identification_is_proposed_by_its_values(profiles: dict[str, MeterProfile], name: str) -> None:
    (one,), client = seen_of({1: SimulatedMeter(profiles[name], grid)}, profiles, range(1, 2))

    assert one.identified is None
    assert name in one.fits[:3]
    assert len(client.asked) == len(set(client.asked))  # nothing is asked twice
    assert len(client.asked) < 2 + 3 * len(profiles)


def test_a_meter_whose_values_are_no_grid_is_found_and_not_guessed(profiles: dict[str, MeterProfile]) -> None:
    (one,), _ = seen_of({1: SimulatedMeter(profiles["tuf-2000m"], lambda point: 1.0)}, profiles, range(1, 2))

    assert one == ScannedUnit(1, True)


def test_a_refusing_meter_is_there_and_a_dead_one_is_not(profiles: dict[str, MeterProfile]) -> None:
    meter = profiles["abb-b23"]
    meters = {1: SimulatedMeter(meter, grid, Fault.EXCEPTION), 2: SimulatedMeter(meter, grid, Fault.DEAD)}

    refusing, dead = seen_of(meters, profiles, range(1, 3))[0]

    assert refusing == ScannedUnit(1, True)
    assert dead == ScannedUnit(2, False)


def test_two_units_on_one_address_are_told_as_a_disturbance(profiles: dict[str, MeterProfile]) -> None:
    meters = {1: SimulatedMeter(profiles["abb-b23"], grid, Fault.OTHER_UNIT)}

    (one,), _ = seen_of(meters, profiles, range(1, 2))

    assert not one.answers
    assert "came from unit" in one.disturbed


def test_a_meter_that_falls_silent_is_left_alone(profiles: dict[str, MeterProfile]) -> None:
    meter = SimulatedMeter(profiles["abb-b23"], grid)

    class Dying(CountingClient):
        def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
            if len(self.asked) == 1:
                meter.fault = Fault.DEAD
            return super().read(unit, block, limits)

    with SimulatedMeters("127.0.0.1", 0, {1: meter}) as server, closing(Dying(server.port)) as client:
        (one,) = scan(client, [1], profiles, QUICK)

    assert one == ScannedUnit(1, True)
    assert len(client.asked) == 1 + MAX_UNANSWERED


def test_every_probe_is_followed_by_a_pause(profiles: dict[str, MeterProfile]) -> None:
    slept: list[float] = []
    with SimulatedMeters("127.0.0.1", 0, {}) as server:
        client = ModbusClient(TcpLine("127.0.0.1", server.port), sleep=slept.append)
        list(scan(client, range(1, 4), profiles, quick_limits(0.2, 60.0)))
        client.close()

    assert len(slept) == 5  # between six probes
    assert min(slept) > 59


def test_a_line_that_cannot_be_opened_ends_the_scan_at_once(profiles: dict[str, MeterProfile]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with closing(CountingClient(port)) as client, pytest.raises(NoConnection, match="check host, port"):
        list(scan(client, UNITS, profiles, QUICK))
    assert len(client.asked) == 1
