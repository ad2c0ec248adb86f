"""The gateway's side of the world: the real intake, stores and roll-up in a directory, killed and started again.

A kill copies the whole data directory as it is at that instant and goes on with the copy. A full disk is real for the
relational database, whose file may not grow beyond its present size, and played for the time series, which then refuse
to be written.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from collectors.errors import StoreUnavailable
from collectors.wire import Receipt, encode_receipt, stamped
from gateway.ingest.intake import Arrival
from gateway.ingest.pending import Message, Pending
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import TimeSeriesStore
from tests.simulation.faults import Fuse, PowerCut, Weather, Weathered, within
from tests.simulation.line import Broker, Letter
from tests.simulation.plain_store import PlainStore
from tests.simulation.quick_house import open_house

ENTERPRISE = "91350505M00000019R"

WRITES = frozenset({"append", "put_usage", "clear_dirty"})  # of the time series
FOREVER_PAGES = 2**30

StoreOf = Callable[[TimeSeriesStore], TimeSeriesStore]


class GatewaySide:
    """One gateway's machine."""

    def __init__(
        self,
        directory: Path,
        rng: random.Random,
        weather: Callable[[], Weather],
        broker: Broker,
        registry: str,
        tell: Callable[[str], None],
        store_of: StoreOf = lambda store: store,
        *,
        with_duckdb: bool,
    ) -> None:
        self._directories = (directory / f"gateway-{number}" for number in count())
        self._place = next(self._directories)
        self._rng = rng
        self._weather = weather
        self._broker = broker
        self._registry = registry
        self._tell = tell
        self._store_of = store_of
        self._with_duckdb = with_duckdb
        self._true_ms = 0
        self._open = False
        self._was_full = False
        self.fuse = Fuse(self._take_image, tell)
        self.receipts: list[tuple[str, Receipt]] = []  # (sender, receipt) in the order given

    def open(self) -> None:
        """A new process on what is on disk."""
        house = open_house(self._place, self._open_timeseries)
        self.house, self._open = house, True
        if not house.registry().enterprises:
            house.operations.call("registry_apply", text=self._registry, file="registry.yaml")
        self._letters: list[Letter] = []  # what `_pending` holds
        batches, statuses = self._weathered(house.intake.batches), self._weathered(house.intake.statuses)
        self._pending = Pending(replace(house.intake, batches=batches, statuses=statuses), house.ingest_stats)
        event.listen(house.engine, "commit", self._before_relational_commit)
        event.listen(house.engine, "checkout", self._limit_database)

    def step(self, true_ms: int) -> None:
        """Read what came, commit, answer. A power cut ends the process; the broker gives most letters again."""
        self._true_ms = true_ms
        now_ms = true_ms + self._weather().gateway_clock_offset_ms(true_ms)
        try:
            for letter in self._broker.due(self._broker.to_gateway, true_ms):
                self._letters.append(letter)
                arrival = Arrival(ENTERPRISE, letter.sender, letter.payload)
                self._pending.add(Message(len(self._letters), 1, letter.kind, b"", arrival))
            if self._pending and self._pending.wait_s(true_ms / 1000) == 0:
                self._commit(now_ms)
        except PowerCut:
            again = [letter for letter in self._letters if self._rng.random() < 0.8]
            self._start_on_image()
            self._broker.to_gateway += again

    def roll_up(self, true_ms: int) -> dict[str, dict[str, Any]] | None:
        """What the roll-up did; None if a store was away or the plug was pulled."""
        self._true_ms = true_ms
        try:
            return self.house.pipeline.run(true_ms + self._weather().gateway_clock_offset_ms(true_ms))
        except StoreUnavailable as error:
            self._tell(f"roll-up given up: {error}")
        except PowerCut:
            self._start_on_image()
        return None

    def close(self) -> None:
        """Give back files, if there are any."""
        if self._open:
            self._open = False
            self.house.close()

    def _commit(self, now_ms: int) -> None:
        committed = self._pending.commit(now_ms, self._true_ms / 1000)
        if committed:
            self._letters = []
            self.fuse.burn("before receipts are sent")
        for one in committed:
            if one.receipt is None:
                continue
            self.receipts.append((one.message.arrival.sender, one.receipt))
            sender = one.message.arrival.sender
            payload = encode_receipt(stamped(one.receipt, now_ms))
            self._broker.take(self._broker.to_plant[sender], sender, "receipts", payload, self._true_ms)

    def _open_timeseries(self, url: str, *, path: Path, **where: Any) -> Any:
        store: TimeSeriesStore = (
            open_timeseries(url, path=path, **where) if self._with_duckdb else PlainStore(path.with_suffix(".journal"))
        )
        return self._weathered(self._store_of(store))

    def _weathered(self, store: object) -> Any:
        return Weathered(store, self.fuse, self._rng, self._away, lambda: self._weather().store_flaky)

    def _before_relational_commit(self, _connection: Connection) -> None:
        self.fuse.burn("before a relational commit")
        if self._rng.random() < self._weather().store_flaky / 4:
            raise StoreUnavailable("the database does not take a commit (simulated)")

    def _limit_database(self, connection: sqlite3.Connection, *_: Any) -> None:
        """SQLite itself refuses to grow while the disk is full."""
        full = self._full()
        if full or self._was_full:
            pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else FOREVER_PAGES
            connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
            self._was_full = True

    def _full(self) -> bool:
        return within(self._true_ms, self._weather().gateway_full)

    def _away(self, call: str) -> bool:
        return within(self._true_ms, self._weather().store_away) or (call in WRITES and self._full())

    def _take_image(self) -> None:
        self._image = next(self._directories)
        shutil.copytree(self._place, self._image)

    def _start_on_image(self) -> None:
        self.close()
        shutil.rmtree(self._place)
        self._place = self._image
        self.open()
