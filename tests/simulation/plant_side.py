"""The plant's side of the world: the real agent with the real buffer, killed and started again on what was on disk.

A kill copies the buffer's files as they are at that instant and goes on with the copy, so that nothing a dying process
would still tidy up can help. A bad page is other bytes in the file. A full disk is SQLite's own: the file may not grow
beyond its present size.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

from collectors.driver import Driver, PolledDevice
from collectors.profile import MeterProfile
from collectors.reading import Reading
from collectors.wire import decode_batch
from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
from edge_agent.buffer import Buffer, BufferLimits
from edge_agent.buffer_file import BufferFile, checksum, open_file
from edge_agent.polling import Poll, poll_safely
from tests.simulation.faults import Fuse, PowerCut, Weather, within
from tests.simulation.line import Broker, Line

Key = tuple[str, str, int]  # device, point, stamp
BUSES = {"incomer": "bus-a", "tenant": "bus-a", "gas": "bus-b", "pulses": "bus-c"}
POINTS = {
    "incomer": ("energy_import", "power"),
    "tenant": ("energy_import",),
    "gas": ("volume",),
    "pulses": ("pulse_energy",),
}
FOREVER_PAGES = 2**30
PAGE_BYTES = 4096


class Disk:
    """The buffer's connection. The plug can be pulled on either side of a commit."""

    def __init__(self, connection: sqlite3.Connection, fuse: Fuse) -> None:
        self._connection = connection
        self._fuse = fuse

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return self._connection.execute(sql, parameters)
        self._fuse.burn("before the buffer's commit")
        cursor = self._connection.execute(sql)
        self._fuse.burn("after the buffer's commit")
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


class WatchedBuffer(Buffer):
    """Tells what was appended; what a kill kept it from telling is read from the file afterwards."""

    kept: dict[str, list[Key]]

    def append_all(self, groups: Sequence[Sequence[Reading]], now_ms: int) -> list[str]:
        ids = super().append_all(groups, now_ms)
        for batch_id, group in zip(ids, groups, strict=True):
            self.kept[batch_id] = [(one.device, one.point, one.at_ms) for one in group if one.value is not None]
        return ids


class SlowPolling:
    """The agent's `Polling`: some polls end in a later step. `given` are the readings that the agent has taken."""

    def __init__(self, driver: Driver, rng: random.Random, weather: Callable[[], Weather]) -> None:
        self._driver = driver
        self._rng = rng
        self._weather = weather
        self._running: dict[str, tuple[int, Poll]] = {}  # bus -> (steps left, poll)
        self.given: list[Key] = []

    def free_buses(self) -> Collection[str]:
        return set(BUSES.values()) - self._running.keys()

    def start(self, bus: str, device: PolledDevice, now_ms: int) -> None:
        steps = self._rng.randint(1, 4) if self._rng.random() < self._weather().slow_poll else 0
        self._running[bus] = steps, poll_safely(self._driver, device, now_ms)

    def take_finished(self) -> list[Poll]:
        ended = [poll for steps, poll in self._running.values() if steps == 0]
        self._running = {bus: (steps - 1, poll) for bus, (steps, poll) in self._running.items() if steps}
        for poll in ended:
            self.given += [(one.device, one.point, one.at_ms) for one in poll.result.readings if one.value is not None]
        return ended


class PlantSide:
    """One agent's machine."""

    def __init__(
        self,
        directory: Path,
        rng: random.Random,
        weather: Callable[[], Weather],
        broker: Broker,
        driver: Driver,
        profile: MeterProfile,
        tell: Callable[[str], None],
        poll_ms: int,
        buffer_kind: type[WatchedBuffer] = WatchedBuffer,
    ) -> None:
        self._directories = (directory / f"plant-{number}" for number in count())
        self._place = next(self._directories)
        self._rng = rng
        self._weather = weather
        self._broker = broker
        self._driver = driver
        self._profile = profile
        self._tell = tell
        self._buffer_kind = buffer_kind
        self._every_ms = {device: rng.choice((poll_ms, 2 * poll_ms, 4 * poll_ms)) for device in BUSES}
        self._grouping = Grouping(rng.choice((3, 20, 1000)), rng.choice((0, 2 * poll_ms, 8 * poll_ms)))
        max_bytes = rng.choice((12_000, 400_000)) if rng.random() < 0.3 else 2**29
        resend_ms = rng.choice((30_000, 6 * poll_ms))
        self._limits = BufferLimits(
            max_bytes=max_bytes,
            window=rng.choice((2, 8, 32)),
            resend_after_ms=resend_ms,
            newest_first=resend_ms == 30_000,
        )
        self.fuse = Fuse(self._take_image, tell)
        self.kept: dict[str, list[Key]] = {}  # batch -> its readings: what the agent has vouched for
        self.lost_in_memory: list[Key] = []  # taken by an agent that was killed before its disk had them
        self._file: BufferFile | None = None
        self.dropped_readings = 0  # what the buffers counted, at the end
        self._page_is_bad = False
        self.on_bad_pages: set[Key] = set()  # in batches that a bad page of the disk took with it

    def open(self, now_ms: int, *, polling: bool = True) -> None:
        """A new process on what is on disk; without polling it only delivers."""
        file = self._file = open_file(self._place / "buffer.sqlite", now_ms)
        assert file.damaged is None or self._page_is_bad, f"the buffer was damaged by a kill: {file.damaged}"
        self._page_is_bad = False
        self._connection = file.connection
        disk = cast(sqlite3.Connection, Disk(file.connection, self.fuse))
        self.buffer = self._buffer_kind(BufferFile(disk, file.lock), self._limits)
        self.buffer.kept = self.kept
        self._learn_kept()
        self.line = Line(self._broker, "edge-1", self.fuse, self._rng)
        self.line.refusing = self._weather().lost / 4
        self.polling = SlowPolling(self._driver, self._rng, self._weather)
        devices = [
            AgentDevice(PolledDevice(name, 1, self._profile, POINTS[name]), BUSES[name], self._every_ms[name])
            for name in (BUSES if polling else ())
        ]
        self.agent = EdgeAgent(devices, self.polling, self.buffer, self.line, self._grouping, now_ms)

    def step(self, true_ms: int) -> None:
        """One step of the agent, on its own clock. A power cut ends the process; the next one starts at once."""
        weather = self._weather()
        now_ms = true_ms + weather.clock_offset_ms(true_ms)
        self.line.set_connected(not within(true_ms, weather.line_down), true_ms)
        self._fill_disk(within(true_ms, weather.disk_full))
        try:
            self.agent.step(now_ms, true_ms)
        except PowerCut:
            self._start_on_image(now_ms)

    def stop_and_start(self, true_ms: int, *, polling: bool = True) -> None:
        """A restart in good order: unless the disk is full, nothing that was taken may be missing from it."""
        now_ms = true_ms + self._weather().clock_offset_ms(true_ms)
        full = within(true_ms, self._weather().disk_full)
        self._tell("agent stopped in good order" + (" on a full disk" if full else ""))
        self.agent.stop(now_ms)
        missing = self._not_kept()
        assert full or not missing, f"{len(missing)} readings were taken and not kept by an agent that stopped in order"
        self.lost_in_memory += missing
        self.buffer.close()
        self.open(now_ms, polling=polling)

    def spoil_a_page(self, true_ms: int) -> None:
        """The machine fails, and its disk gives back something else than was written in one place."""
        self._learn_kept()
        waiting = self._batches()
        self.dropped_readings += self.buffer.stats().dropped_readings
        path = self._place / "buffer.sqlite"
        self.abandon()
        content = bytearray(path.read_bytes())
        at = self._rng.randrange(PAGE_BYTES, len(content))
        length = self._rng.choice((1, 16, PAGE_BYTES))
        content[at : at + length] = self._rng.randbytes(len(content[at : at + length]))
        path.write_bytes(content)
        self._page_is_bad = True
        given = self.polling.given
        self.open(true_ms + self._weather().clock_offset_ms(true_ms))
        damaged = self.buffer.damaged_file is not None
        self._tell(
            f"bytes {at} to {at + length} of the buffer are spoiled" + (", which is seen at once" if damaged else "")
        )
        if not damaged:
            self.dropped_readings -= self.buffer.stats().dropped_readings  # it goes on counting
        sound = set(self._batches())
        for batch_id in waiting:
            if batch_id not in sound:
                self.on_bad_pages.update(self.kept[batch_id])
        kept = {key for keys in self.kept.values() for key in keys}
        self.lost_in_memory += [key for key in given if key not in kept]

    def _batches(self) -> list[str]:
        """Ids of the batches in the file whose bytes are as they were."""
        rows = self._connection.execute("SELECT batch_id, payload, crc FROM batches").fetchall()
        return [batch_id for batch_id, payload, crc in rows if checksum(batch_id, payload) == crc]

    def close(self) -> None:
        self.dropped_readings += self.buffer.stats().dropped_readings
        self.lost_in_memory += self._not_kept()
        self.buffer.close()

    def abandon(self) -> None:
        """Give back files, if there are any; nothing happens the second time."""
        if self._file is not None:
            self._file.connection.close()
            self._file.lock.close()

    def _not_kept(self) -> list[Key]:
        kept = {key for keys in self.kept.values() for key in keys}
        return [key for key in self.polling.given if key not in kept]

    def _start_on_image(self, now_ms: int) -> None:
        self.abandon()
        given = self.polling.given
        shutil.rmtree(self._place)
        self._place = self._image
        self.open(now_ms)
        kept = {key for keys in self.kept.values() for key in keys}
        self.lost_in_memory += [key for key in given if key not in kept]

    def _take_image(self) -> None:
        self._image = next(self._directories)
        self._image.mkdir()
        for name in ("buffer.sqlite", "buffer.sqlite-wal"):
            if (self._place / name).exists():
                shutil.copy(self._place / name, self._image / name)

    def _learn_kept(self) -> None:
        for batch_id, payload, crc in self._connection.execute("SELECT batch_id, payload, crc FROM batches").fetchall():
            if batch_id not in self.kept and checksum(batch_id, payload) == crc:
                self.kept[batch_id] = keys_of(payload)

    def _fill_disk(self, full: bool) -> None:
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0] if full else FOREVER_PAGES
        self._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


def keys_of(payload: bytes) -> list[Key]:
    """The readings in a batch's bytes, without those that are not available."""
    return [
        (block.device, point, int(at_ms))
        for block in decode_batch(payload).blocks
        for at_ms, row in zip(block.at_ms, block.values, strict=True)
        for point, value in zip(block.points, row, strict=True)
        if value == value
    ]
