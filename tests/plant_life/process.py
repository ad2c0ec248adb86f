"""One process of the gateway: the real house, asked and run as its command line and its scheduler do.

The clock is the world's: whatever of the house asks for the time is told that of the thread it runs in. `breathe` is
called wherever a process holds no transaction; so somebody else can have a turn there, or pull the plug.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from gateway.scheduler.jobs import JOBS, JobContext
from gateway.store.lease_repository import LeaseLost
from gateway.wiring import House
from tests.simulation.quick_house import open_house

# Every module of the house that asks for the time in what a world does.
CLOCKS = (
    "gateway.scheduler.runner", "gateway.operations", "gateway.ledger_operations", "gateway.record_operations",
    "gateway.rebuild_operations", "gateway.webhooks.operations",
)  # fmt: skip
SCHEDULERS = ("one", "two")
JOB_OF = {job.name: job for job in JOBS}

_TIME = threading.local()


class Process:
    """A house on what is in a directory."""

    def __init__(
        self,
        place: Path,
        open_timeseries: Callable[..., Any],
        config_dir: Path,
        settings: dict[str, Any],
        before_commit: Callable[[], None],
        breathe: Callable[[], None],
    ) -> None:
        self.house: House = open_house(place, open_timeseries, config_dir, **settings)
        self._breathe = breathe
        self._held: set[int] = set()  # connections that are in a transaction
        runner = self.house.runner()
        webhooks = replace(runner.context.webhooks, chance=lambda: 0.0)
        runner = replace(runner, context=replace(runner.context, webhooks=webhooks))
        self._runners = {name: replace(runner, holder=name) for name in SCHEDULERS}
        engine = self.house.engine
        event.listen(engine, "commit", lambda _connection: before_commit())
        event.listen(engine, "checkout", lambda connection, *_: self._held.add(id(connection)))
        event.listen(engine, "checkin", lambda connection, _: self._let_go(connection))

    def job(self, name: str, scheduler: str, now_ms: int, *, rivals: bool = False) -> dict[str, Any] | None:
        """One run of a job by one of the schedulers: what it did; None if the other one leads.

        A job that fails is a failure of the world; only among `rivals` one may lose its lease half way.
        """
        results: list[dict[str, Any]] = []
        failures: list[Exception] = []

        def run(context: JobContext, at_ms: int) -> dict[str, Any]:
            try:
                results.append(JOB_OF[name].run(context, at_ms))
            except Exception as failure:
                if rivals and isinstance(failure, LeaseLost):
                    results.append({"overtaken": str(failure)})
                else:
                    failures.append(failure)
                raise
            return results[-1]

        _TIME.now_ms = now_ms
        self._runners[scheduler].run(replace(JOB_OF[name], run=run))
        if failures:
            raise AssertionError(f"the job {name} failed: {failures[0]!r}") from failures[0]
        return results[0] if results else None

    def ask(self, operation: str, now_ms: int, /, **arguments: Any) -> dict[str, Any]:
        _TIME.now_ms = now_ms
        return self.house.operations.call(operation, **arguments)

    def holds_no_transaction(self) -> bool:
        return not self._held

    def waits_for_turn(self, connection: object) -> None:
        """This connection holds nothing but the lock that processes take turns by."""
        self._held.discard(id(connection))

    def close(self) -> None:
        self.house.close()

    def _let_go(self, connection: object) -> None:
        self._held.discard(id(connection))
        if not self._held:
            self._breathe()


@contextmanager
def simulated_clocks() -> Iterator[None]:
    """Within it every module of the house is told the time of its thread."""
    with ExitStack() as stack:
        for module in CLOCKS:
            stack.enter_context(patch(f"{module}.now_ms", lambda: _TIME.now_ms))
        yield
