"""The gateway's machine: processes on one disk and one database, killed at any step and started again.

A kill copies the directory as it is at that instant and goes on with the copy; with PostgreSQL, which lives elsewhere,
the process merely ends, and whatever was not committed is gone. Readings are kept by a `QuickStore`, which outlives its
processes, or by the real DuckDB.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from gateway.settings import SHIPPED_CONFIG_DIR
from gateway.store.database import open_database
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore
from gateway.wiring import House
from tests.plant_life.process import SCHEDULERS, Process, simulated_clocks
from tests.plant_life.quick_store import QuickStore
from tests.plant_life.terms import Terms
from tests.plant_life.turns import Turns
from tests.simulation.faults import Fuse, PowerCut, Weathered
from tests.simulation.quick_house import DATABASE

OVERTAKEN_AFTER_MS = 90_000  # longer than a lease lasts

StoreOf = Callable[[TimeSeriesStore], TimeSeriesStore]


class Machine:
    """Where the gateway runs."""

    def __init__(
        self,
        directory: Path,
        rng: random.Random,
        tell: Callable[[str], None],
        terms: Terms,
        store_of: StoreOf,
        postgresql: str,  # address of an empty database; "" = SQLite
    ) -> None:
        self._directories = (directory / f"machine-{number}" for number in count())
        self.place = next(self._directories)
        self._rng = rng
        self._terms = terms
        self._store_of = store_of
        self._quick = None if terms.duckdb else QuickStore()
        self._postgresql = postgresql
        if postgresql:
            open_database(postgresql).dispose()
        self._processes: list[Process] = []
        self._config_dir = SHIPPED_CONFIG_DIR
        self._turns: Turns | None = None
        self._dead = False
        self._clocks = ExitStack()
        self._clocks.enter_context(simulated_clocks())
        self.fuse = Fuse(self._stop_dead, tell)
        self.crashes = 0

    @property
    def database(self) -> Path:
        return self.place / DATABASE

    @property
    def database_url(self) -> str:
        return self._postgresql or f"sqlite:///{self.database}"

    @property
    def house(self) -> House:
        return self._processes[0].house

    def open(self, config_dir: Path | None = None) -> None:
        """A new process on what is on disk, with the knowledge of a directory."""
        self._end_processes()
        self._config_dir = config_dir or self._config_dir
        self._processes = [self._process()]

    def close(self) -> None:
        self._end_processes()
        self._clocks.close()

    def job(self, name: str, scheduler: str, now_ms: int) -> dict[str, Any] | None:
        """One run of a job: what it did; None if the other scheduler leads, or the plug was pulled."""
        with self._restarting():
            return self._processes[0].job(name, scheduler, now_ms)
        return None

    def ask(self, operation: str, now_ms: int, /, **arguments: Any) -> dict[str, Any]:
        """An operation; asked again after a crash. Only what may be asked twice is asked while the fuse is lit."""
        answers: list[dict[str, Any]] = []
        while not answers:
            with self._restarting():
                answers.append(self._processes[0].ask(operation, now_ms, **arguments))
        return answers[0]

    def put(self, columns: Callable[[], ReadingColumns]) -> None:
        """Store readings as ingest does, again after a crash."""
        done = False
        while not done:
            with self._restarting():
                self.house.timeseries.append(columns())
                done = True

    def race(self, jobs: tuple[str, ...], now_ms: int) -> tuple[list[str], int]:
        """Two processes do the jobs side by side: one is paused again and again, and the other takes its lease over.

        Gives what was done, in order, and how often they took turns.
        """
        leader, rival = self._processes[0], self._process()
        self._processes.append(rival)
        self._turns = turns = Turns(self._rng)
        done: list[str] = []

        def work(process: Process, scheduler: str, at_ms: int) -> None:
            for job in jobs:
                result = process.job(job, scheduler, at_ms, rivals=True)
                done.append(f"{job} by {scheduler}: {'nothing' if result is None else result}")

        with ExitStack() as stack:
            stack.enter_context(turns.locks_of_files())
            for process in (leader, rival) if self._postgresql else ():
                stack.enter_context(turns.locks_of_postgresql(process.house.engine, process.waits_for_turn))
            turns.run(
                lambda: work(leader, SCHEDULERS[0], now_ms),
                lambda: work(rival, SCHEDULERS[1], now_ms + OVERTAKEN_AFTER_MS),
            )
        self._turns = None
        self._processes.pop().close()
        return done, turns.switches

    def burn(self, place: str) -> None:
        """A call to the store begins or ends."""
        if all(process.holds_no_transaction() for process in self._processes):
            self._breathe()
        self.fuse.burn(place)

    def _process(self) -> Process:
        settings: dict[str, Any] = {
            "raw_retention_days": self._terms.raw_retention_days,
            "archive_after_days": self._terms.archive_after_days,
        }
        if self._postgresql:
            settings["database_url"] = self._postgresql
        return Process(
            self.place, self._open_timeseries, self._config_dir, settings, self._before_commit, self._breathe
        )

    def _end_processes(self) -> None:
        while self._processes:
            self._processes.pop().close()
        self._dead = False

    @contextmanager
    def _restarting(self) -> Iterator[None]:
        try:
            yield
        except PowerCut:
            self.crashes += 1
            self._end_processes()
            if not self._postgresql:
                shutil.rmtree(self.place)
                self.place = self._image
            self.open()

    def _stop_dead(self) -> None:
        self._dead = True
        if not self._postgresql:
            self._image = next(self._directories)
            shutil.copytree(self.place, self._image)

    def _open_timeseries(self, url: str, *, path: Path, **where: Any) -> Any:
        store: TimeSeriesStore = self._quick or open_timeseries(url, path=path, **where)
        return Weathered(self._store_of(store), self, self._rng, lambda _call: False, lambda: 0.0)

    def _before_commit(self) -> None:
        if self._dead:
            raise PowerCut("a dead process commits nothing")
        self.fuse.burn("before a commit")

    def _breathe(self) -> None:
        if self._turns is not None:
            self._turns.breathe()
