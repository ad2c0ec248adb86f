"""`tanmai edge scan` on the command line: progress and finds on stderr, the proposed devices section on stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from collectors.driver import Bus
from collectors.errors import ConfigurationError
from collectors.modbus.client import NoConnection
from collectors.modbus.scan import UNITS, ScannedUnit
from collectors.profile import load_profiles, shipped_config_dir
from edge_agent.printing import FAILED, counted, friendly
from edge_agent.scanning import Pace, proposal, scan_bus, write_profiles
from edge_agent.settings import EdgeSettings, load_settings, read_bus

_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?\Z")


@click.command()
@click.option("--config", "-c", "path", type=click.Path(path_type=Path, dir_okay=False), help="The agent's YAML file.")
@click.option("--bus", "bus_text", help="With --config: the id of one bus. Without: a bus as it stands in the file.")
@click.option("--units", "units_text", default="1-247", show_default=True, help="Addresses to try, such as 1-32,100.")
@click.option("--timeout", default=0.3, show_default=True, type=click.FloatRange(0.02, 10), help="Seconds for a reply.")
@click.option("--pause", default=0.05, show_default=True, type=click.FloatRange(0, 10), help="Seconds after a request.")
@click.option(
    "--write-profiles",
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write the profiles of meters that describe themselves (SunSpec) into this directory.",
)
@friendly
def scan(
    path: Path | None, bus_text: str | None, units_text: str, timeout: float, pause: float, directory: Path | None
) -> None:
    """Find the meters on a bus and propose a devices section. Only reads; stop the agent first on a serial port."""
    settings = load_settings(path) if path is not None else None
    buses = _buses(settings, bus_text)
    profiles = settings.profiles if settings is not None else load_profiles(shipped_config_dir())
    units = _units(units_text)
    lines: list[str] = []
    unreachable = 0
    for bus in buses:
        seen: list[ScannedUnit] = []
        try:
            _watch(scan_bus(bus, units, profiles, Pace(timeout, pause)), bus, len(units), seen)
        except NoConnection as error:
            click.echo(str(error), err=True)
            unreachable += 1
        except KeyboardInterrupt:
            click.echo(f"Stopped after {counted(len(seen), 'address')} of bus {bus.id}.", err=True)
        lines += _proposal(settings, bus, seen)
        for written in write_profiles(seen, directory) if directory is not None else ():
            click.echo(f"Wrote {written}.", err=True)
    click.echo("\n".join(["devices:", *lines]) if lines else "# nobody answered")
    if unreachable:
        sys.exit(FAILED)


def _buses(settings: EdgeSettings | None, text: str | None) -> list[Bus]:
    if settings is None:
        if text is None:
            example = "'{id: bus-1, driver: modbus-rtu, path: /dev/ttyUSB0}'"
            raise click.UsageError(f"Give --config FILE, or --bus {example}.")
        return [read_bus(text)]
    buses = [bus for bus in settings.buses if text in (None, bus.id)]
    if not buses:
        raise click.UsageError(f"There is no bus {text}; known are {', '.join(bus.id for bus in settings.buses)}.")
    return buses


def _units(text: str) -> list[int]:
    """`1-32,100` -> the addresses, ascending and once each."""
    units: set[int] = set()
    for part in text.split(","):
        found = _RANGE.match(part.strip())
        if found is None:
            raise ConfigurationError(f"--units: {part.strip()!r} is no address or range, such as 1-32,100")
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last or first not in UNITS or last not in UNITS:
            raise ConfigurationError(f"--units: {part.strip()} must be in order and within {UNITS[0]}-{UNITS[-1]}")
        units.update(range(first, last + 1))
    return sorted(units)


def _watch(scanned: Iterable[ScannedUnit], bus: Bus, total: int, seen: list[ScannedUnit]) -> None:
    """Fill `seen`, one by one and with progress: what was found before an interruption is kept."""
    console = Console(stderr=True, highlight=False)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Bus {bus.id}", total=total)
        for one in scanned:
            if one.answers:
                console.print(f"Bus {bus.id}: unit {one.unit} answers.")
            progress.advance(task)
            seen.append(one)


def _proposal(settings: EdgeSettings | None, bus: Bus, seen: list[ScannedUnit]) -> list[str]:
    if settings is None:
        return proposal(bus, seen, {}, ())
    own = {device.section.unit: device.id for device in settings.devices if device.section.bus == bus.id}
    return proposal(bus, seen, own, {device.id for device in settings.devices})
