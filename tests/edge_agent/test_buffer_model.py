"""The buffer against a naive model: appends, sends, receipts, restarts, kills, full disks, clock jumps in any order."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from collectors.errors import StoreUnavailable
from collectors.reading import Reading
from collectors.wire import Receipt
from collectors.wire_readings import encode_readings
from edge_agent.buffer import BufferLimits, open_buffer

LIMITS = BufferLimits(max_bytes=4000, max_age_ms=3_600_000, window=3, resend_after_ms=30_000)


@dataclass
class Kept:
    """What the model knows of a batch."""

    batch_id: str
    made_ms: int
    readings: int
    size: int
    sent_ms: int | None = None


class BufferAgainstModel(RuleBasedStateMachine):
    """The model is a list; it forgets nothing it should keep."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # what a simulated kill leaves is the same there, and a sync is quick
        self.directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.path = self.directory / "buffer.sqlite"
        self.now_ms = 1_760_000_000_000
        self.waiting: list[Kept] = []
        self.aside: list[Kept] = []
        self.payloads: dict[str, bytes] = {}
        self.dropped_readings = 0
        self.dropped_set_aside = 0

    @initialize()
    def open(self) -> None:
        self.buffer = open_buffer(self.path, LIMITS, self.now_ms)

    @rule(counts=st.lists(st.integers(1, 30), min_size=1, max_size=3))
    def append(self, counts: list[int]) -> None:
        ids = self.buffer.append_all([self._readings(count) for count in counts], self.now_ms)
        self._drop(lambda kept: kept.made_ms < self.now_ms - LIMITS.max_age_ms)
        for batch_id, count in zip(ids, counts, strict=True):
            size = len(encode_readings(batch_id, self.now_ms, self._readings(count)))
            while self._total() + size > LIMITS.max_bytes and (self.aside or self.waiting):
                oldest = self.aside[0] if self.aside else self.waiting[0]
                self._drop(lambda kept, oldest=oldest: kept is oldest)
            self.waiting.append(Kept(batch_id, self.now_ms, count, size))

    @rule()
    def append_on_a_full_disk(self) -> None:
        connection = self.buffer._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        before = self.buffer.stats()
        with pytest.raises(StoreUnavailable, match="full"):
            self.buffer.append(self._readings(1000), self.now_ms)
        assert self.buffer.stats() == before
        connection.execute(f"PRAGMA max_page_count = {2**30}")

    @rule()
    def send(self) -> None:
        batches = self.buffer.next_batches(self.now_ms)
        ids = [batch.batch_id for batch in batches]
        known = {kept.batch_id: kept for kept in self.waiting}
        assert len(ids) == len(set(ids)) <= LIMITS.window
        for batch in batches:
            kept = known[batch.batch_id]  # nothing that was confirmed, set aside or dropped goes out again
            assert self.payloads.setdefault(batch.batch_id, batch.payload) == batch.payload
            self.buffer.mark_sent(batch, self.now_ms)
            kept.sent_ms = self.now_ms
        never_sent = [kept.batch_id for kept in self.waiting if kept.sent_ms is None]
        order = [batch_id for batch_id in ids if batch_id in never_sent]
        assert order == never_sent[: len(order)]  # oldest first
        assert self.buffer.on_their_way <= LIMITS.window
        allowed = self.buffer._window.allowed
        assert 1 <= allowed <= LIMITS.window
        assert self.buffer.on_their_way >= min(len(self.waiting), allowed)  # room is never left while a batch waits

    @rule(data=st.data(), status=st.sampled_from(["stored", "duplicate", "conflict", "rejected"]))
    def receive(self, data: Any, status: Any) -> None:
        names = [kept.batch_id for kept in self.waiting] + ["01UNKNOWN"]
        chosen = data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
        self.buffer.acknowledge([Receipt(name, status) for name in chosen], self.now_ms)
        known = {kept.batch_id: kept for kept in self.waiting}
        for kept in [known[name] for name in chosen if name in known]:
            self.waiting.remove(kept)
            if status in ("conflict", "rejected"):
                self.aside.append(kept)

    @rule(by_ms=st.sampled_from([1, 1_000, 30_000, 400_000, 2_000_000, -1_000, -100_000]))
    def time_passes_or_jumps(self, by_ms: int) -> None:
        self.now_ms += by_ms

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        if killed:  # what is on disk at this instant goes on in another place
            image = Path(tempfile.mkdtemp(dir=self.directory)) / self.path.name
            for suffix in ("", "-wal"):
                if Path(f"{self.path}{suffix}").exists():
                    shutil.copy(f"{self.path}{suffix}", f"{image}{suffix}")
            self.path = image
        self.buffer.close()
        self.open()
        assert self.buffer.damaged_file is None
        for kept in self.waiting:
            kept.sent_ms = None
        assert [batch.batch_id for batch in self.buffer.next_batches(self.now_ms)] == [
            kept.batch_id for kept in self.waiting[: LIMITS.window]
        ]

    @rule()
    def lose_connection(self) -> None:
        self.buffer.connection_lost()
        assert self.buffer.on_their_way == 0

    @invariant()
    def agrees(self) -> None:
        stats = self.buffer.stats()
        assert stats.batches == len(self.waiting)
        assert stats.readings == sum(kept.readings for kept in self.waiting)
        assert stats.payload_bytes + stats.set_aside_bytes == self._total()
        assert [aside.batch_id for aside in self.buffer.set_aside()] == [kept.batch_id for kept in self.aside[::-1]]
        assert (stats.dropped_readings, stats.dropped_set_aside) == (self.dropped_readings, self.dropped_set_aside)

    def teardown(self) -> None:
        self.buffer.close()
        shutil.rmtree(self.directory)

    def _readings(self, count: int) -> list[Reading]:
        return [Reading("m", "power", self.now_ms + index, index / 7) for index in range(count)]

    def _total(self) -> int:
        return sum(kept.size for kept in self.waiting + self.aside)

    def _drop(self, doomed: Any) -> None:
        self.dropped_readings += sum(kept.readings for kept in self.waiting if doomed(kept))
        self.dropped_set_aside += sum(1 for kept in self.aside if doomed(kept))
        self.waiting = [kept for kept in self.waiting if not doomed(kept)]
        self.aside = [kept for kept in self.aside if not doomed(kept)]


TestBufferAgainstModel = BufferAgainstModel.TestCase
TestBufferAgainstModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
