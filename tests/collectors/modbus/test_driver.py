"""Polling whole devices from simulated meters over real Modbus TCP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.driver import Bus, PolledDevice
from collectors.drivers import open_driver
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import encode
from collectors.modbus.driver import MAX_UNANSWERED, ModbusDriver
from collectors.modbus.line import Line, TcpLine
from collectors.modbus.plan import ReadBlock, transmission_s
from collectors.modbus.plan_memory import PlanMemory
from collectors.modbus.simulated_meter import Fault, SimulatedMeter, SimulatedMeters
from collectors.profile import MeterProfile, TimingLimits, load_profile, read_profile, shipped_config_dir
from collectors.reading import Quality, Reading

NOW_MS = 1_760_000_000_000

# Two islands of registers, too far apart for one request, and a gap inside the first.
PROFILE = read_profile("""
id: test-meter
maker: Test
model: Meter
source: {document: made for this test}
timing: {timeout_s: 0.2, retries: 0, max_registers: 20, latency_s: 0.05}
defaults: {dtype: uint16}
registers:
- {quantity: voltage_l1, address: 0, unit: V}
- {quantity: voltage_l2, address: 1, unit: V}
- {quantity: voltage_l3, address: 9, unit: V, not_available: [0xFFFF]}
- {quantity: current_l1, address: 100, unit: A}
- {quantity: current_l2, address: 101, unit: A}
- {quantity: energy_import, address: 200, unit: kWh, dtype: bcd16}
""")
VALUES: dict[str, float | None] = {
    "voltage_l1": 231,
    "voltage_l2": 232,
    "voltage_l3": 233,
    "current_l1": 11,
    "current_l2": 12,
    "energy_import": 4321,
}


class CountingClient(ModbusClient):
    """Notes every block that is asked for."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.asked: list[tuple[int, int]] = []

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        self.asked.append((block.address, block.count))
        return super().read(unit, block, limits)


@contextmanager
def bus_with(meter: SimulatedMeter, **others: SimulatedMeter) -> Iterator[tuple[ModbusDriver, CountingClient]]:
    units = {1: meter, **{int(name.removeprefix("unit")): other for name, other in others.items()}}
    with SimulatedMeters("127.0.0.1", 0, units) as server:
        client = CountingClient(TcpLine("127.0.0.1", server.port))
        driver = ModbusDriver(client)
        try:
            yield driver, client
        finally:
            driver.close()


def device(profile: MeterProfile = PROFILE, unit: int = 1, points: tuple[str, ...] | None = None) -> PolledDevice:
    return PolledDevice(f"meter-{unit}", unit, profile, points or profile.points)


def values_of(result: Any) -> dict[str, float | None]:
    return {reading.point: reading.value for reading in result.readings}


def test_a_poll_reads_every_wanted_point_at_one_instant() -> None:
    with bus_with(SimulatedMeter(PROFILE, VALUES.__getitem__)) as (driver, client):
        result = driver.poll(device(), NOW_MS)

    assert values_of(result) == VALUES
    assert {reading.at_ms for reading in result.readings} == {NOW_MS}
    assert result.errors == ()
    assert client.asked == [(0, 10), (100, 2), (200, 1)]


def test_only_wanted_points_are_asked_for() -> None:
    with bus_with(SimulatedMeter(PROFILE, VALUES.__getitem__)) as (driver, client):
        result = driver.poll(device(points=("current_l2", "voltage_l2")), NOW_MS)

    assert values_of(result) == {"voltage_l2": 232, "current_l2": 12}
    assert client.asked == [(1, 1), (101, 1)]


def test_not_available_is_a_reading_without_value() -> None:
    with bus_with(SimulatedMeter(PROFILE, {**VALUES, "voltage_l3": None}.__getitem__)) as (driver, _):
        result = driver.poll(device(points=("voltage_l3",)), NOW_MS)

    assert result.readings == (Reading("meter-1", "voltage_l3", NOW_MS, None, Quality.BAD),)


def test_a_failing_block_costs_only_its_own_points() -> None:
    def broken(point: str) -> float | None:
        if point == "current_l1":
            raise ValueError("sensor broken")  # the server answers exception 4
        return VALUES[point]

    with bus_with(SimulatedMeter(PROFILE, broken)) as (driver, _):
        result = driver.poll(device(), NOW_MS)

    assert values_of(result).keys() == {"voltage_l1", "voltage_l2", "voltage_l3", "energy_import"}
    (error,) = result.errors
    assert (error.kind, error.points) == ("exception", ("current_l1", "current_l2"))
    assert "meter-1: current_l1, current_l2: unit 1" in str(error)


def test_words_that_mean_nothing_cost_only_their_own_point() -> None:
    binary = read_profile(
        "id: binary\nmaker: T\nmodel: T\nsource: {document: x}\ntiming: {timeout_s: 1, max_registers: 20}\n"
        "registers:\n- {quantity: energy_import, address: 200, unit: kWh, dtype: uint16}\n"
        "- {quantity: energy_export, address: 201, unit: kWh, dtype: uint16}\n"
    )
    decimal = replace(binary, registers=(replace(binary.registers[0], dtype="bcd16"), binary.registers[1]))

    with bus_with(SimulatedMeter(binary, lambda point: 0xABC)) as (driver, _):
        result = driver.poll(device(decimal), NOW_MS)

    assert values_of(result) == {"energy_export": 0xABC}
    (error,) = result.errors
    assert (error.kind, error.points) == ("wrong_reply", ("energy_import",))


def test_a_meter_that_refuses_gaps_is_asked_in_parts_from_then_on() -> None:
    with bus_with(SimulatedMeter(PROFILE, VALUES.__getitem__, answers_gaps=False)) as (driver, client):
        first = driver.poll(device(), NOW_MS)
        client.asked.clear()
        second = driver.poll(device(), NOW_MS + 1000)

    assert values_of(first) == values_of(second) == VALUES
    assert first.errors == second.errors == ()
    assert client.asked == [(0, 2), (9, 1), (100, 2), (200, 1)]


def test_a_restart_does_not_ask_again_for_what_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    with SimulatedMeters(
        "127.0.0.1", 0, {1: SimulatedMeter(PROFILE, VALUES.__getitem__, answers_gaps=False)}
    ) as server:
        for asked_first in ([(0, 10), (0, 2), (9, 1)], [(0, 2), (9, 1)]):
            client = CountingClient(TcpLine("127.0.0.1", server.port))
            result = ModbusDriver(client, PlanMemory(path)).poll(device(), NOW_MS)
            client.close()
            assert values_of(result) == VALUES
            assert client.asked == [*asked_first, (100, 2), (200, 1)]


def test_what_one_choice_of_points_taught_holds_for_another() -> None:
    memory = PlanMemory()
    with SimulatedMeters(
        "127.0.0.1", 0, {1: SimulatedMeter(PROFILE, VALUES.__getitem__, answers_gaps=False)}
    ) as server:
        client = CountingClient(TcpLine("127.0.0.1", server.port))
        driver = ModbusDriver(client, memory)
        driver.poll(device(points=("voltage_l1", "voltage_l3")), NOW_MS)
        client.asked.clear()
        driver.poll(device(points=("voltage_l2", "voltage_l3")), NOW_MS)
        driver.close()

    assert client.asked == [(1, 1), (9, 1)]


class SlowClient:
    """A meter that answers everything with zeros, each after a given time."""

    def __init__(self, latency_s: float) -> None:
        self.line = TcpLine("192.0.2.1")
        self.latency_s = latency_s
        self.answered_in_s = 0.0
        self.asked: list[tuple[int, int]] = []

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        self.asked.append((block.address, block.count))
        self.answered_in_s = self.latency_s + transmission_s(block.count, limits)
        return [0] * block.count


@pytest.mark.parametrize(
    ("latency_s", "plan"),
    [
        (0.5, [(0, 102), (200, 1)]),  # a slow meter: reading over 90 registers is cheaper than asking again
        (0.06, [(0, 10), (100, 2), (200, 1)]),  # as the profile says
        (-0.01, [(0, 10), (100, 2), (200, 1)]),  # faster than the line: nothing is learned from that
    ],
)
def test_the_plan_follows_the_latency_that_was_measured(
    tmp_path: Path, latency_s: float, plan: list[tuple[int, int]]
) -> None:
    roomy = replace(PROFILE, timing=replace(PROFILE.timing, max_registers=125))
    slow: Any = SlowClient(latency_s)
    driver = ModbusDriver(slow, PlanMemory(tmp_path / "plans.json"))
    for _ in range(10):
        driver.poll(device(roomy), NOW_MS)
    slow.asked.clear()
    driver.poll(device(roomy), NOW_MS)
    assert slow.asked == plan

    slow.asked.clear()
    ModbusDriver(slow, PlanMemory(tmp_path / "plans.json")).poll(device(roomy), NOW_MS)
    assert slow.asked == plan


def test_a_register_this_issue_of_the_meter_lacks_does_not_cost_its_neighbours() -> None:
    older = replace(PROFILE, registers=tuple(spec for spec in PROFILE.registers if spec.point != "current_l2"))

    with bus_with(SimulatedMeter(older, VALUES.__getitem__, answers_gaps=False)) as (driver, _):
        result = driver.poll(device(), NOW_MS)

    assert values_of(result) == {point: value for point, value in VALUES.items() if point != "current_l2"}
    (error,) = result.errors
    assert (error.kind, error.points) == ("exception", ("current_l2",))


KINDS = {
    Fault.DEAD: "unreachable",
    Fault.EXCEPTION: "exception",
    Fault.SHORT_REPLY: "wrong_reply",
    Fault.OTHER_UNIT: "wrong_reply",
    Fault.WRONG_TRANSACTION: "wrong_reply",
}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
def test_a_fault_is_counted_by_kind_while_the_neighbour_goes_on_and_the_meter_can_recover(fault: Fault) -> None:
    meter = SimulatedMeter(PROFILE, VALUES.__getitem__, fault)
    with bus_with(meter, unit2=SimulatedMeter(PROFILE, VALUES.__getitem__)) as (driver, _):
        faulty = driver.poll(device(points=("voltage_l1",)), NOW_MS)
        neighbour = driver.poll(device(unit=2), NOW_MS)
        meter.fault = Fault.NONE
        recovered = driver.poll(device(points=("voltage_l1",)), NOW_MS)

    assert [error.kind for error in faulty.errors] == [KINDS[fault]]
    assert faulty.readings == ()
    assert values_of(neighbour) == VALUES
    assert values_of(recovered) == {"voltage_l1": 231}


def test_a_dead_meter_is_given_up_after_a_few_blocks_and_every_point_is_accounted_for() -> None:
    with bus_with(SimulatedMeter(PROFILE, VALUES.__getitem__, Fault.DEAD)) as (driver, client):
        started = time.monotonic()
        result = driver.poll(device(), NOW_MS)
        duration_s = time.monotonic() - started

    assert len(client.asked) == MAX_UNANSWERED
    assert duration_s < (MAX_UNANSWERED + 1) * PROFILE.timing.timeout_s + 0.5
    assert sorted(point for error in result.errors for point in error.points) == sorted(PROFILE.points)
    assert "not asked" in str(result.errors[-1])


def test_a_unit_that_is_not_there_counts_as_silence() -> None:
    with bus_with(SimulatedMeter(PROFILE, VALUES.__getitem__)) as (driver, client):
        result = driver.poll(device(unit=9), NOW_MS)

    assert len(client.asked) == MAX_UNANSWERED
    assert [error.kind for error in result.errors] == ["exception", "exception", "unreachable"]


def test_a_server_that_hangs_up_counts_as_unreachable(raw_server: Callable[[Callable[[bytes], None]], Any]) -> None:
    driver = open_driver(Bus("bus-1", "modbus-tcp", "127.0.0.1", raw_server(lambda request: None).port))

    result = driver.poll(device(points=("voltage_l1",)), NOW_MS)
    driver.close()

    assert [error.kind for error in result.errors] == ["unreachable"]


def test_the_connection_is_opened_again_after_the_server_was_away() -> None:
    meter = SimulatedMeter(PROFILE, VALUES.__getitem__)
    server = SimulatedMeters("127.0.0.1", 0, {1: meter}).start()
    driver = open_driver(Bus("bus-1", "modbus-tcp", "127.0.0.1", server.port))
    before = driver.poll(device(), NOW_MS)
    server.stop()
    away = driver.poll(device(), NOW_MS)
    with SimulatedMeters("127.0.0.1", server.port, {1: meter}):
        after = driver.poll(device(), NOW_MS)
        driver.close()

    assert values_of(before) == values_of(after) == VALUES
    assert {error.kind for error in away.errors} == {"unreachable"}
    assert away.readings == ()


@pytest.mark.real("libmodbus")
def test_a_tcp_server_of_libmodbus_gives_each_unit_its_own_values_around_one_that_is_dead(
    libmodbus_server: Callable[..., Any], free_port: Callable[[], int]
) -> None:
    port, units, dead = free_port(), (1, 2, 247), 3
    meter = load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")
    hasty = replace(meter, timing=replace(meter.timing, timeout_s=1, retries=0))
    server = libmodbus_server(port, *units)
    for unit in units:
        for point in ("power", "energy_import"):
            spec = meter.by_point[point]
            table = server.units[unit].contents
            for offset, word in enumerate(encode(unit + 0.5, spec)):
                (table.registers if spec.function_code == 3 else table.inputs)[spec.address + offset] = word

    with closing(open_driver(Bus("bus", "modbus-tcp", "127.0.0.1", port))) as driver:
        for unit in (1, dead, 2, dead, 247, 1):
            result = driver.poll(PolledDevice(f"meter-{unit}", unit, hasty, ("power", "energy_import")), NOW_MS)
            values = [reading.value for reading in result.readings]
            assert values == ([] if unit == dead else [unit + 0.5] * 2)
            assert {error.kind for error in result.errors} == ({"unreachable"} if unit == dead else set())
