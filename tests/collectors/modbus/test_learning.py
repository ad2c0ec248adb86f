"""What a meter refuses is learned from its refusals alone: no value is lost, and nothing refused is asked for twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from collectors.driver import PolledDevice
from collectors.errors import ExceptionReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.line import SerialLine
from collectors.modbus.plan import ReadBlock
from collectors.modbus.plan_memory import PlanMemory
from collectors.profile import RegisterSpec, TimingLimits, load_profile, shipped_config_dir

NOW_MS = 1_760_000_000_000
SHIPPED = load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")


class Meter:
    """A client whose meter refuses every range that touches a register it does not have, or is too long for it."""

    def __init__(self, missing: set[int], longest: int) -> None:
        self.line = SerialLine("/dev/ttyUSB0")
        self.answered_in_s = 0.1
        self.refused: list[ReadBlock] = []
        self._missing = missing
        self._longest = longest

    def read(self, unit: int, block: ReadBlock, limits: TimingLimits) -> list[int]:
        if self._missing.intersection(range(block.address, block.address + block.count)):
            self.refused.append(block)
            raise ExceptionReply(f"unit {unit}, {block}", 2)
        if block.count > self._longest:
            self.refused.append(block)
            raise ExceptionReply(f"unit {unit}, {block}", 3)
        return [7] * block.count


def spec(address: int) -> RegisterSpec:
    name = f"r{address}"
    return RegisterSpec(name, name, address, 3, "uint16", "big", Decimal(1), Decimal(0), (), "", None)


@given(
    wanted=st.sets(st.integers(0, 60), min_size=1, max_size=15),
    missing=st.sets(st.integers(0, 60), max_size=15),
    longest=st.integers(1, 60),
)
def test_refusals_cost_only_what_the_meter_does_not_have_and_are_remembered(
    wanted: set[int], missing: set[int], longest: int
) -> None:
    profile = replace(SHIPPED, registers=tuple(spec(address) for address in sorted(wanted)))
    device = PolledDevice("meter", 1, profile, tuple(spec.point for spec in profile.registers))
    memory = PlanMemory()
    there, lacking = wanted - missing, wanted & missing

    meter = Meter(missing, longest)
    driver = ModbusDriver(cast(ModbusClient, meter), memory)
    for _ in range(2):  # the second poll, and one after a restart, ask only for what is given or asked for alone
        result = driver.poll(device, NOW_MS)
        assert {reading.point for reading in result.readings} == {f"r{address}" for address in there}
        assert sorted(point for error in result.errors for point in error.points) == sorted(
            f"r{address}" for address in lacking
        )
        learned_by = len(meter.refused)
    again = Meter(missing, longest)
    ModbusDriver(cast(ModbusClient, again), memory).poll(device, NOW_MS)

    assert [block.count for block in again.refused] == [1] * len(lacking)
    assert learned_by <= 2 * len(wanted) + 2 * len(lacking)
