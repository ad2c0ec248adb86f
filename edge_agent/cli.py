"""`tanmai edge`: the plant side on the command line.

Exit codes: 0 fine, 1 a check failed (a device does not answer, a buffer that cannot be read), 2 usage or configuration.
Secrets are never printed.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collectors import clock
from collectors.driver import Bus, PolledDevice
from collectors.drivers import open_driver
from collectors.errors import StoreError
from collectors.modbus.plan_memory import PlanMemory
from collectors.reading import Quality, Reading
from edge_agent.buffer import BufferStats, read_stats
from edge_agent.buffer_file import is_in_use
from edge_agent.plan_report import bus_loads, plan_tree, warnings_of
from edge_agent.polling import Poll, poll_safely
from edge_agent.printing import FAILED, counted, friendly, moment
from edge_agent.running import StopMark, run_agent
from edge_agent.scan_cli import scan
from edge_agent.settings import EdgeSettings, connection_of, load_settings
from edge_agent.signing import keygen, seal_of, trusted_keys_of
from edge_agent.workers import agent_devices

_config = click.option(
    "--config",
    "-c",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The agent's YAML file.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def edge() -> None:
    """The agent beside the meters: read, keep, send until confirmed."""


edge.add_command(scan)
edge.add_command(keygen)


@edge.command()
@_config
@click.option("--verbose", "-v", is_flag=True, help="Also log each reading error.")
@friendly
def run(path: Path, verbose: bool) -> None:
    """Read the meters and send what they say until SIGTERM or Ctrl-C."""
    _configure_log(verbose=verbose)
    settings = load_settings(path)
    connection = connection_of(settings)
    stop = StopMark()
    stop.install()
    run_agent(settings, connection, stop, partial(load_settings, path))


@edge.command()
@_config
@friendly
def check(path: Path) -> None:
    """Check the configuration and show how each device will be read, and how busy that keeps each bus.

    Connects to nothing. Reckons with what the agent has learned about the meters so far.
    """
    settings = load_settings(path)
    connection = connection_of(settings)
    console = Console(highlight=False)
    loads = bus_loads(settings, PlanMemory(settings.plans_path), clock.now_ms())
    console.print(plan_tree(loads))
    for warning in warnings_of(loads):
        console.print(f"[red]{escape(warning)}[/red]")
    secret = "with a password" if connection.password else "without a password"
    seal_of(settings)
    signed = "signs" if settings.agent.signing_key_file else "does not sign"
    configured = len(trusted_keys_of(settings))
    console.print(f"Gateway {connection.url} as {connection.username or 'nobody'}, {secret}; {signed} its batches.")
    if configured:
        console.print(f"Takes configurations signed by {counted(configured, 'key')}.")
    console.print(f"{path}: fine.")


@edge.command()
@_config
@_json
@click.option("--device", "names", multiple=True, help="Only this device; may be repeated.")
@friendly
def read(path: Path, as_json: bool, names: tuple[str, ...]) -> None:
    """Read every device once, now, and show the values. Sends nothing."""
    _configure_log(verbose=False)
    settings = load_settings(path)
    unknown = set(names) - {device.id for device in settings.devices}
    if unknown:
        known = ", ".join(device.id for device in settings.devices)
        raise click.UsageError(f"There is no device {', '.join(sorted(unknown))}; known are {known}.")
    polls = _poll_once(settings, names)
    if as_json:
        click.echo(msgspec.json.encode([_poll_document(poll) for poll in polls]))
    else:
        Console().print(_readings_table(settings, polls))
    errors = [error for poll in polls for error in poll.result.errors]
    for error in errors:
        click.echo(str(error), err=True)
    if errors:
        sys.exit(FAILED)


@edge.command()
@_config
@_json
@click.option("--running", is_flag=True, help="End with exit code 1 unless an agent is running.")
@friendly
def status(path: Path, as_json: bool, running: bool) -> None:
    """Show the buffer, and what the agent last said of itself."""
    settings = load_settings(path)
    if not settings.buffer_path.exists():
        click.echo(f"There is no buffer at {settings.buffer_path} yet: the agent has not run.", err=True)
        sys.exit(FAILED)
    stats = read_stats(settings.buffer_path)
    document = _status_document(settings)
    alive = is_in_use(settings.buffer_path)
    if as_json:
        click.echo(msgspec.json.encode({"running": alive, "buffer": stats, "status": document}))
    else:
        console = Console(highlight=False)
        console.print(_buffer_table(settings, stats))
        console.print("An agent is running." if alive else "No agent is running.")
        if document is not None:
            _print_agent(console, document)
    if running and not alive:
        sys.exit(FAILED)


def _buffer_table(settings: EdgeSettings, stats: BufferStats) -> Table:
    table = Table(title="Buffer", show_header=False)
    table.add_row("file", str(settings.buffer_path))
    table.add_row(
        "waiting for confirmation", f"{counted(stats.batches, 'batch')}, {counted(stats.readings, 'reading')}"
    )
    table.add_row("size", f"{stats.payload_bytes / 2**20:.1f} of {settings.buffer_limits.max_bytes / 2**20:.0f} MiB")
    table.add_row("oldest", moment(stats.oldest_ms))
    table.add_row("set aside by the gateway", counted(stats.set_aside_batches, "batch"))
    table.add_row("dropped", f"{counted(stats.dropped_batches, 'batch')}, {counted(stats.dropped_readings, 'reading')}")
    return table


def _print_agent(console: Console, document: dict[str, Any]) -> None:
    table = Table(title=f"What the agent said at {moment(document['at'])}")
    for heading in ("device", "last seen", "polls", "errors", "last error"):
        table.add_column(heading)
    for name, device in document["devices"].items():
        errors = ", ".join(f"{kind} {count}" for kind, count in device["errors"].items()) or "none"
        last_error = escape(device["last_error"])
        table.add_row(name, moment(device["last_seen_at"]), str(device["polls"]), errors, last_error)
    console.print(table)
    for line in _line_and_clock(document):
        console.print(line)
    receipt = document["gateway"]["last_receipt"]
    console.print(f"Last receipt: {moment(receipt['at']) + ', ' + receipt['status'] if receipt else 'none yet'}")
    for problem in document["problems"]:
        console.print(f"[red]Problem:[/red] {escape(problem)}")


def _line_and_clock(document: dict[str, Any]) -> Iterator[str]:
    """How the line, the clock and the buses stand; a status of an older agent says less."""
    gateway, clock_says = document["gateway"], document.get("clock", {})
    if gateway["connected"] and "mqtt_version" in gateway:
        spoken = f"MQTT {gateway['mqtt_version']}, batches as {gateway['form']}"
        yield f"Line: {spoken}, {counted(gateway['on_their_way'], 'batch')} on their way"
    refused = gateway.get("refused_messages", 0)
    if refused:
        yield f"Refused by the broker: {counted(refused, 'message')}"
    if clock_says.get("offset_ms") is not None:
        drift = clock_says["drift_s_per_day"]
        drifting = "" if drift is None else f", drifting {drift:+.1f} s a day"
        offset_s, within_s = clock_says["offset_ms"] / 1000, clock_says["offset_within_ms"] / 1000
        yield f"Clock: {offset_s:+.3f} s (give or take {within_s:.3f}) against the gateway's{drifting}"
    if clock_says.get("last_step"):
        step = clock_says["last_step"]
        last = f"{step['by_ms'] / 1000:+.1f} s at {moment(step['at'])}"
        yield f"The clock was set {counted(clock_says['steps'], 'time')}, last by {last}"
    loads = [f"{escape(name)} {bus['load']:.0%}" for name, bus in document.get("buses", {}).items()]
    if loads:
        yield f"Bus load: {', '.join(loads)}"


def _status_document(settings: EdgeSettings) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = msgspec.json.decode(settings.status_path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{settings.status_path} cannot be read: {error}; the running agent renews it") from error
    return document


def _poll_once(settings: EdgeSettings, names: Sequence[str]) -> list[Poll]:
    """One poll of each wanted device, buses side by side, in the order of the configuration."""
    by_bus: dict[str, list[PolledDevice]] = defaultdict(list)
    for device in agent_devices(settings):
        if not names or device.polled.id in names:
            by_bus[device.bus].append(device.polled)
    buses = [bus for bus in settings.buses if by_bus[bus.id]]
    with ThreadPoolExecutor(max_workers=len(buses)) as pool:
        polls = [poll for polls in pool.map(lambda bus: _poll_bus(bus, by_bus[bus.id]), buses) for poll in polls]
    order = [device.id for device in settings.devices]
    return sorted(polls, key=lambda poll: order.index(poll.device))


def _poll_bus(bus: Bus, devices: list[PolledDevice]) -> list[Poll]:
    driver = open_driver(bus)
    try:
        return [poll_safely(driver, device, clock.now_ms()) for device in devices]
    finally:
        driver.close()


def _poll_document(poll: Poll) -> dict[str, Any]:
    return {
        "device": poll.device,
        "at": poll.started_ms,
        "values": {reading.point: reading.value for reading in poll.result.readings},
        "errors": [{"kind": error.kind, "points": error.points, "reason": str(error)} for error in poll.result.errors],
    }


def _readings_table(settings: EdgeSettings, polls: list[Poll]) -> Table:
    devices = {device.id: device for device in settings.devices}
    table = Table("device", "point", title="Readings")
    table.add_column("value", justify="right")
    for heading in ("unit", "quality", "register"):
        table.add_column(heading)
    for poll in polls:
        readings = {reading.point: reading for reading in poll.result.readings}
        for spec in devices[poll.device].registers:
            reading = readings.get(spec.point)
            register = f"{spec.address} (function {spec.function_code}, {spec.dtype})"
            table.add_row(poll.device, spec.point, _value(reading), spec.unit, _quality(reading), register)
    return table


def _value(reading: Reading | None) -> str:
    if reading is None:
        return "—"
    return "not available" if reading.value is None else f"{reading.value:,.10g}"


def _quality(reading: Reading | None) -> str:
    return "no reading" if reading is None else Quality(reading.quality).name.lower()


def _configure_log(*, verbose: bool) -> None:
    """Log to stderr: for people at a terminal, as JSON lines for a service."""
    readable: list[structlog.types.Processor] = [
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)  # locals may hold secrets
    ]
    machine: list[structlog.types.Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(readable if sys.stderr.isatty() else machine),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("DEBUG" if verbose else "INFO"),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
