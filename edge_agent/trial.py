"""Whether a configuration on trial works: pure judgement over what answered before and what answers now.

Each bus of the new configuration is asked for a sign of life from its witnesses: the devices on it that answered
before. Where none of its devices did but the bus itself was alive, all of its devices are witnesses; where nothing can
be compared at all (every device and bus has a new name), all devices together are. One answer clears a bus; it fails
when each of its witnesses was asked CYCLES times in vain. What was dead before has no say: a configuration is not to
blame for it. So a configuration that nothing was alive before stands as soon as it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CYCLES = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking a device since the trial began."""

    polls: int
    answers: int


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Devices of which one at least must answer."""

    place: str  # for the sentence that says why
    devices: frozenset[str]


def witnesses(
    bus_of: Mapping[str, str], alive_devices: Iterable[str], alive_buses: Iterable[str]
) -> tuple[Witnesses, ...]:
    """Who must answer under a configuration with these devices (device -> bus), by what was alive before it."""
    devices_before, buses_before = frozenset(alive_devices), frozenset(alive_buses)
    groups = []
    for bus in dict.fromkeys(bus_of.values()):
        on_it = frozenset(device for device, its_bus in bus_of.items() if its_bus == bus)
        known = on_it & devices_before
        if known or bus in buses_before:
            groups.append(Witnesses(f"bus {bus}", known or on_it))
    if not groups and devices_before:
        groups.append(Witnesses("any bus", frozenset(bus_of)))
    return tuple(groups)


def judged(groups: Iterable[Witnesses], asked: Mapping[str, Asked]) -> tuple[bool | None, str]:
    """(True, ""): it works. (False, why): it does not. (None, ""): not known yet."""
    waiting = False
    for group in groups:
        of_group = [asked.get(device, Asked(0, 0)) for device in group.devices]
        if any(one.answers for one in of_group):
            continue
        if all(one.polls >= CYCLES for one in of_group):
            names = ", ".join(sorted(group.devices))
            return False, f"nothing answers on {group.place} any more: {names} were asked {CYCLES} times each"
        waiting = True
    return (None, "") if waiting else (True, "")
