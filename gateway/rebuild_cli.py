"""`tanmai rebuild`: accounts of some days computed again from the raw readings, piece by piece, with a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gateway.asking import asking, err, out
from gateway.control import CallOperation

INTERRUPTED = 130  # as a shell says that Ctrl-C ended a command
SHOWN_LEFT_ALONE = 20  # lines of days that were not touched; --json has all of them


@click.command()
@click.option("--enterprise", help="Only this enterprise; all of them unless given.")
@click.option("--from", "first", required=True, help="The first day, such as 2026-10-01.")
@click.option("--to", "last", required=True, help="The last day that belongs to it.")
@click.option("--restart", is_flag=True, help="Begin anew, even if the same rebuild was stopped half way.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def rebuild(enterprise: str | None, first: str, last: str, restart: bool, as_json: bool) -> None:
    """Compute usage, entries, statements and ratings of some days again, and post only what differs.

    Ctrl-C stops it; the same command goes on where it was.
    """
    wanted = {"enterprise": enterprise, "from": first, "to": last}
    with asking() as call:
        begun = call("rebuild", **wanted, begin=True, anew=restart)
        total = begun["days_total"]
        if 0 < begun["days_done"] < total:
            how_far = f"{begun['days_done']} of {total} days are done"
            err.print(f"going on with the rebuild begun at {begun['begun_at']}: {how_far}", highlight=False)
        done: dict[str, Any] = {"days": total, "entries_posted": 0, "entries_reversed": 0, "left_alone": []}
        waiting: list[str] = []
        try:
            for step in _steps(call, begun, wanted):
                for name in ("entries_posted", "entries_reversed", "left_alone"):
                    done[name] += step[name]
                if step["waiting"] not in ("", *waiting):
                    waiting.append(step["waiting"])
        except KeyboardInterrupt:
            err.print("stopped; the same command goes on where this one was", markup=False)
            sys.exit(INTERRUPTED)
    done["waiting"] = waiting
    _print_json(done) if as_json else _print(done)
    sys.exit(1 if waiting else 0)


def _steps(call: CallOperation, begun: dict[str, Any], wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers of all pieces that are left, while a bar shows how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    step = begun
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=err, transient=True) as bar:
        task = bar.add_task("days rebuilt", total=begun["days_total"], completed=begun["days_done"])
        while not step["finished"]:
            step = call("rebuild", **wanted)
            bar.update(task, completed=step["days_done"])
            yield step


def _print_json(done: dict[str, Any]) -> None:
    click.echo(json.dumps(done, ensure_ascii=False, indent=2))


def _print(done: dict[str, Any]) -> None:
    posted, reversed_ = done["entries_posted"], done["entries_reversed"]
    found = f"{reversed_:,} entries taken back, {posted:,} posted" if posted or reversed_ else "nothing differed"
    out.print(f"{done['days']:,} days computed again: {found}", markup=False, highlight=False)
    for one in done["left_alone"][:SHOWN_LEFT_ALONE]:
        said = f"left as they are: {one['enterprise']} {one['from']} to {one['to']}: {one['why']}"
        out.print(said, style="yellow", markup=False, highlight=False)
    if len(done["left_alone"]) > SHOWN_LEFT_ALONE:
        out.print(f"and {len(done['left_alone']) - SHOWN_LEFT_ALONE} more: see --json", style="yellow", markup=False)
    for why in done["waiting"]:
        err.print(f"not booked yet, tried again at each roll-up: {why}", style="red", markup=False, highlight=False)
