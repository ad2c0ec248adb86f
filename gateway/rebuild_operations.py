"""`rebuild`: one piece of a rebuild per call, so that whoever asks can show how far it is, stop, and go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from collectors.clock import now_ms
from gateway.accounts.documents import instant
from gateway.carbon.calendar import FIRST_YEAR
from gateway.control import OperationFailed
from gateway.ledger_operations import registered
from gateway.scheduler.rebuild import Rebuilder, RebuildStep
from gateway.store.rebuilds_repository import Asked

if TYPE_CHECKING:
    from gateway.wiring import House

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


def rebuild(house: House, arguments: Arguments) -> Answer:
    """Do the next piece of the rebuild that is asked for; with `begin` only find out how far it is.

    `anew` (with `begin`) forgets how far the same one had come.
    """
    asked = _asked(house, arguments)
    names = [asked.scope] if asked.scope else sorted(house.registry().enterprises)
    rebuilder, now = Rebuilder(house.engine, house.timeseries, house.pipeline), now_ms()
    early = rebuilder.not_ended(names, asked.last_day, now)
    if early is not None:
        raise OperationFailed(f"{asked.last_day} has not ended yet for {early}: rebuild days that are over")
    begun = rebuilder.begin(asked, names, now, anew=bool(arguments.get("begin") and arguments.get("anew")))
    if arguments.get("begin") or begun.is_finished:
        return _answer(begun)
    return _answer(rebuilder.step(asked, now))


def _asked(house: House, arguments: Arguments) -> Asked:
    scope = registered(house, arguments) if arguments.get("enterprise") else ""
    first, last = _day(arguments, "from"), _day(arguments, "to")
    if last < first:
        raise OperationFailed(f"--from {first} lies after --to {last}: write the earlier day first")
    return Asked(scope, first, last)


def _day(arguments: Arguments, name: str) -> date:
    text = str(arguments.get(name) or "")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise OperationFailed(f"--{name} {text!r} is no day: write it as 2026-10-05") from error
    if day.year < FIRST_YEAR:
        raise OperationFailed(f"--{name} {text}: nothing was metered before {FIRST_YEAR}")
    return day


def _answer(step: RebuildStep) -> Answer:
    return {
        "days_done": step.days_done,
        "days_total": step.days_total,
        "begun_at": instant(step.begun_at_ms),
        "finished": step.is_finished,
        "entries_posted": step.entries_posted,
        "entries_reversed": step.entries_reversed,
        "left_alone": [
            {"enterprise": one.enterprise, "from": str(one.first_day), "to": str(one.last_day), "why": one.why}
            for one in step.left_alone
        ],
        "waiting": step.waiting,
    }
