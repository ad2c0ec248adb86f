"""`tanmai demo`: the demo park in one process tree, until Ctrl-C.

Exit codes: 0 stopped by the user, 1 a part of it failed, 2 usage or configuration.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collectors.clock import monotonic_s
from collectors.errors import ConfigurationError, TanmaiError
from collectors.profile import shipped_config_dir
from gateway.demo.client import Stopped
from gateway.demo.filling import Filling
from gateway.demo.park import DemoOptions, DemoPark, opened
from gateway.demo.scenario import load_scenario

# History that takes longer than this goes on in the background while the park is open already.
HISTORY_GRACE_S = 60.0

out = Console(soft_wrap=True)


@click.command()
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Of pages and API; 0 = any."
)
@click.option(
    "--data-dir",
    default="./var",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything is kept. The same directory again continues the same park.",
)
@click.option(
    "--days", default=60, show_default=True, type=click.IntRange(1, 400), help="Days of history, at the first start."
)
def demo(port: int, data_dir: Path, days: int) -> None:
    """Run a demo park: simulated meters, agents, broker, gateway and pages, on recorded figures of real plants."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    options = DemoOptions(port, data_dir.absolute(), days, shipped_config_dir())
    try:
        scenario = load_scenario(options.config_dir)
        out.print(f"starting the demo park in {options.data_dir} …", markup=False)
        with opened(options, scenario, stop) as park:
            _run(park)
        if park.forced:
            out.print(f"had to be ended by force: {', '.join(park.forced)}", markup=False)
    except Stopped:
        pass  # while it was starting
    except ConfigurationError:
        raise
    except TanmaiError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False)
        sys.exit(1)
    out.print("stopped; the same command continues where this one was", markup=False)


def _run(park: DemoPark) -> None:
    """Fill, say that it is ready, and watch until stopped."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    ) as bar:
        task = bar.add_task("history of the meters, in days of one plant", total=None)
        filling = Filling(park, lambda total: bar.update(task, total=total), lambda: bar.advance(task))
        filling.start()
        filled = _wait(park, filling, HISTORY_GRACE_S)
    if park.stop.is_set():
        return
    park.write_ready()
    _announce(park)
    if not filled:
        out.print("the rest of the history goes on in the background", markup=False)
        filled = _wait(park, filling, None)
    if filled and filling.readings:
        out.print(f"history: {filling.readings:,} readings and {filling.records} records are in", markup=False)
    park.watch()


def _wait(park: DemoPark, filling: Filling, patience_s: float | None) -> bool:
    """Until everything is in (True), the patience ends or the demo is stopped (False)."""
    until_s = None if patience_s is None else monotonic_s() + patience_s
    while not park.stop.is_set() and (until_s is None or monotonic_s() < until_s):
        park.check_children()
        if filling.wait(0.2):
            return True
    return False


def _announce(park: DemoPark) -> None:
    """A token for each role, the ready line, and how to log in."""
    roles = [("admin", "admin", ""), ("park operator, Quanzhou", "park", "quanzhou-demo")]
    roles += [("finance platform", "platform", "demo-platform")]
    roles += [(f"enterprise {site.enterprise}", "enterprise", site.enterprise) for site in park.scenario.sites]
    roles += [(f"agent {site.name}", "device", site.name) for site in park.scenario.sites]
    width = max(len(who) for who, _, _ in roles)
    lines = [f"{who:<{width}}  {park.token(role, subject)}" for who, role, subject in roles]
    # As they are: a token that a narrow terminal cuts or colours is no token.
    click.echo("\n".join(["", f"{'who':<{width}}  token", *lines, ""]))
    out.print(f"ready: {park.url}", style="bold green", markup=False)
    click.echo(f"the park's page:      {park.url}/login#token={park.token('park', 'quanzhou-demo')}")
    click.echo(f"everything, as admin: {park.url}/login#token={park.token('admin')}")
    click.echo("Ctrl-C stops it")
