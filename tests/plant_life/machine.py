"""The gateway's machine: the real house, its jobs run as the scheduler runs them, killed at any step and started again.

A kill copies the directory as it is at that instant and goes on with the copy. The clock is the world's: whatever of
the house asks for the time is told it. Readings are kept by a `QuickStore`, or by the real DuckDB.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from gateway.scheduler.jobs import JOBS, JobContext
from gateway.settings import SHIPPED_CONFIG_DIR
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore
from tests.plant_life.quick_store import QuickStore
from tests.simulation.faults import Fuse, PowerCut, Weathered
from tests.simulation.quick_house import DATABASE, open_house

# Every module of the house that asks for the time in what a world does.
CLOCKS = ("gateway.scheduler.runner", "gateway.operations", "gateway.ledger_operations", "gateway.record_operations")
SCHEDULERS = ("one", "two")
JOB_OF = {job.name: job for job in JOBS}

StoreOf = Callable[[TimeSeriesStore], TimeSeriesStore]


class Machine:
    """One gateway."""

    def __init__(
        self, directory: Path, rng: random.Random, tell: Callable[[str], None], store_of: StoreOf, *, with_duckdb: bool
    ) -> None:
        self._directories = (directory / f"machine-{number}" for number in count())
        self.place = next(self._directories)
        self._rng = rng
        self._store_of = store_of
        self._quick = None if with_duckdb else QuickStore()
        self._open = False
        self._config_dir = SHIPPED_CONFIG_DIR
        self.fuse = Fuse(self._take_image, tell)
        self.crashes = 0

    @property
    def database(self) -> Path:
        return self.place / DATABASE

    def open(self, config_dir: Path | None = None) -> None:
        """A new process on what is on disk, with the knowledge of a directory."""
        self.close()
        self._config_dir = config_dir or self._config_dir
        self.house = open_house(self.place, self._open_timeseries, self._config_dir)
        self._open = True
        runner = self.house.runner()
        self._runners = {name: replace(runner, holder=name) for name in SCHEDULERS}
        event.listen(self.house.engine, "commit", self._before_commit)

    def close(self) -> None:
        if self._open:
            self._open = False
            self.house.close()

    def job(self, name: str, scheduler: str, now_ms: int) -> dict[str, Any] | None:
        """One run of a job by one of the schedulers: what it did; None if the other one leads, or the plug was pulled.

        A job that fails is a failure of the world.
        """
        results: list[dict[str, Any]] = []
        failures: list[Exception] = []

        def run(context: JobContext, at_ms: int) -> dict[str, Any]:
            try:
                results.append(JOB_OF[name].run(context, at_ms))
            except Exception as failure:
                failures.append(failure)
                raise
            return results[-1]

        with self._told(now_ms), self._restarting():
            self._runners[scheduler].run(replace(JOB_OF[name], run=run))
        if failures:
            raise AssertionError(f"the job {name} failed: {failures[0]!r}") from failures[0]
        return results[0] if results else None

    def ask(self, operation: str, now_ms: int, /, **arguments: Any) -> dict[str, Any]:
        """An operation; asked again after a crash. Only what may be asked twice is asked while the fuse is lit."""
        answers: list[dict[str, Any]] = []
        while not answers:
            with self._told(now_ms), self._restarting():
                answers.append(self.house.operations.call(operation, **arguments))
        return answers[0]

    def put(self, columns: Callable[[], ReadingColumns]) -> None:
        """Store readings as ingest does, again after a crash."""
        done = False
        while not done:
            with self._restarting():
                self.house.timeseries.append(columns())
                done = True

    @contextmanager
    def _told(self, now_ms: int) -> Iterator[None]:
        with ExitStack() as stack:
            for module in CLOCKS:
                stack.enter_context(patch(f"{module}.now_ms", lambda: now_ms))
            yield

    @contextmanager
    def _restarting(self) -> Iterator[None]:
        try:
            yield
        except PowerCut:
            self.crashes += 1
            self.close()
            shutil.rmtree(self.place)
            self.place = self._image
            self.open()

    def _take_image(self) -> None:
        self._image = next(self._directories)
        shutil.copytree(self.place, self._image)

    def _open_timeseries(self, url: str, *, path: Path, **where: Any) -> Any:
        store: TimeSeriesStore = self._quick or open_timeseries(url, path=path, **where)
        return Weathered(self._store_of(store), self.fuse, self._rng, lambda _call: False, lambda: 0.0)

    def _before_commit(self, _connection: Connection) -> None:
        self.fuse.burn("before a commit")
