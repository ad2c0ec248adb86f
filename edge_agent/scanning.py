"""`tanmai edge scan`: units found on buses, and the devices section that would read them.

What stays true: the proposal is text for a person to look at; nothing is configured by a scan. What is certain and what
is guessed is said beside each line. Units that the configuration has already are named as such and not proposed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from collectors.driver import Bus
from collectors.drivers import line_of
from collectors.modbus.client import ModbusClient
from collectors.modbus.scan import ScannedUnit, quick_limits, scan
from collectors.profile import MeterProfile

MAX_NAMED = 4  # profiles named as possible beside the first


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a bus is scanned."""

    timeout_s: float
    pause_s: float


def scan_bus(bus: Bus, units: Iterable[int], profiles: Mapping[str, MeterProfile], pace: Pace) -> Iterator[ScannedUnit]:
    """Each unit as it was seen; raises NoConnection if the bus cannot be reached, ConfigurationError for its driver."""
    with closing(ModbusClient(line_of(bus))) as client:
        yield from scan(client, units, profiles, quick_limits(pace.timeout_s, pace.pause_s))


def proposal(bus: Bus, seen: Iterable[ScannedUnit], configured: Mapping[int, str], taken: Collection[str]) -> list[str]:
    """The lines of a devices section. `configured` = unit -> device id on this bus; `taken` = ids not to use again."""
    lines: list[str] = []
    for unit in seen:
        if unit.unit in configured and unit.answers:
            lines.append(f"# unit {unit.unit} on {bus.id} is {configured[unit.unit]} already{_what(unit)}")
        elif unit.unit in configured:
            lines.append(f"# unit {unit.unit} on {bus.id} is configured as {configured[unit.unit]}, but did not answer")
        elif unit.disturbed:
            lines.append(f"# unit {unit.unit} on {bus.id}: something came back that is no answer: {unit.disturbed}")
        elif unit.answers:
            lines.append(_device_line(bus, unit, taken))
    return lines


def write_profiles(seen: Iterable[ScannedUnit], directory: Path) -> list[Path]:
    """The profiles of meters that described themselves, as files; one that is there already is left as it is."""
    written = []
    for unit in seen:
        if unit.described is None:
            continue
        path = directory / f"{unit.described.profile}.yaml"
        if not path.exists():
            path.write_text(unit.described.text, encoding="utf-8")
            written.append(path)
    return written


def _device_line(bus: Bus, unit: ScannedUnit, taken: Collection[str]) -> str:
    profile = unit.identified or (unit.fits[0] if unit.fits else None)
    if profile is None:
        return (
            f"# unit {unit.unit} on {bus.id} answers, but no known profile fits; "
            f"docs/adding-a-meter.md shows how to write one"
        )
    name = f"meter-{unit.unit}" if f"meter-{unit.unit}" not in taken else f"meter-{bus.id}-{unit.unit}"
    return f"- {{id: {name}, bus: {bus.id}, unit: {unit.unit}, profile: {profile}}}{_what(unit)}"


def _what(unit: ScannedUnit) -> str:
    """How sure the product is, as a comment."""
    if unit.described is not None:
        return f"  # describes itself by SunSpec; its profile is for a file {unit.identified}.yaml in profiles_dir"
    if unit.identified:
        return f"  # identified as {unit.identified}"
    if not unit.fits:
        return ""
    others = unit.fits[1 : 1 + MAX_NAMED]
    also = f"; so could {', '.join(others)}" if others else ""
    return f"  # a guess: its values could be those of {unit.fits[0]}{also}. Compare a reading with the display"
