"""How a configuration will be read: requests, seconds per cycle and share of each bus. Pure but for the rich tree.

A cycle is one reading of every device on the bus. The share of a bus is the time its devices need, each by its own
period; from BUSY on there is little room for retries, above 1 the asked periods cannot be kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.tree import Tree

from collectors.driver import Bus, PolledDevice
from collectors.drivers import line_of
from collectors.modbus.driver import planning_limits
from collectors.modbus.plan import ReadBlock, cycle_s, plan_reads
from collectors.modbus.plan_memory import Learned, PlanMemory
from edge_agent.printing import counted
from edge_agent.settings import ConfiguredDevice, EdgeSettings

BUSY = 0.8


@dataclass(frozen=True, slots=True)
class DeviceLoad:
    """One device: its requests, and how long they keep the bus."""

    device: ConfiguredDevice
    blocks: tuple[ReadBlock, ...]
    seconds: float
    learned: Learned

    @property
    def share(self) -> float:
        return self.seconds / self.device.section.every_s


@dataclass(frozen=True, slots=True)
class BusLoad:
    """One bus and all its devices."""

    bus: Bus
    devices: tuple[DeviceLoad, ...]

    @property
    def requests(self) -> int:
        return sum(len(load.blocks) for load in self.devices)

    @property
    def cycle_s(self) -> float:
        return math.fsum(load.seconds for load in self.devices)

    @property
    def share(self) -> float:
        return math.fsum(load.share for load in self.devices)


def bus_loads(settings: EdgeSettings, memory: PlanMemory, now_ms: int) -> list[BusLoad]:
    """The plan of every bus, with what was learned about its meters."""
    return [
        BusLoad(
            bus,
            tuple(
                _device_load(device, bus, memory, now_ms) for device in settings.devices if device.section.bus == bus.id
            ),
        )
        for bus in settings.buses
    ]


def _device_load(device: ConfiguredDevice, bus: Bus, memory: PlanMemory, now_ms: int) -> DeviceLoad:
    points = tuple(spec.point for spec in device.registers)
    learned = memory.of(PolledDevice(device.id, device.section.unit, device.profile, points), now_ms)
    limits = planning_limits(device.profile.timing, line_of(bus), learned)
    blocks = plan_reads(device.registers, limits, learned.cuts)
    return DeviceLoad(device, blocks, cycle_s(blocks, limits), learned)


def warnings_of(loads: Sequence[BusLoad]) -> list[str]:
    """What cannot be met, or only just, and what to do."""
    warnings = []
    for load in loads:
        too_long = [one for one in load.devices if one.share > 1]
        for one in too_long:
            section = one.device.section
            warnings.append(
                f"Too much: {section.id} needs {one.seconds:.2f} s for one reading, but is asked every "
                f"{section.every_s:g} s. Read fewer points, or set every_s to at least {math.ceil(one.seconds)}."
            )
        if load.share > 1 and not too_long:
            warnings.append(
                f"Too much: the devices of bus {load.bus.id} together ask for {load.share:.0%} of its time. Multiply "
                f"every_s by {load.share / BUSY:.1f}, read fewer points, raise the baud, or use a second bus."
            )
        elif BUSY < load.share <= 1:
            warnings.append(
                f"Nearly too much: bus {load.bus.id} is busy {load.share:.0%} of the time, which leaves little for "
                f"retries when a meter is silent."
            )
    return warnings


def plan_tree(loads: Sequence[BusLoad]) -> Tree:
    """Bus, device, request, points."""
    tree = Tree("What is read")
    for load in loads:
        bus = load.bus
        cycle = f"{counted(load.requests, 'request')} and {load.cycle_s:.2f} s a cycle"
        text = f"Bus {bus.id} ({bus.driver}, {escape(str(line_of(bus)))}): {counted(len(load.devices), 'device')}"
        branch = tree.add(f"{text}, {cycle}, busy about {load.share:.1%} of the time.")
        for one in load.devices:
            section = one.device.section
            title = f"{section.id}: unit {section.unit}, {one.device.profile.id}, every {section.every_s:g} s"
            requests = branch.add(f"{title}, {counted(len(one.blocks), 'request')} in {one.seconds:.2f} s{_known(one)}")
            for block in one.blocks:
                requests.add(f"{block}: {', '.join(spec.point for spec in block.specs)}")
    return tree


def _known(load: DeviceLoad) -> str:
    """What the agent has learned about the meter, in words."""
    parts = []
    if load.learned.cuts:
        parts.append(f"{counted(len(load.learned.cuts), 'range')} refused by the meter")
    if load.learned.latency_s is not None:
        parts.append(f"answers after {load.learned.latency_s * 1000:.0f} ms")
    return f" (learned: {', '.join(parts)})" if parts else ""
