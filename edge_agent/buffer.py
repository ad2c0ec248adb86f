"""Readings on disk until the gateway confirms them: SQLite, write-ahead log, every commit synced.

What stays true:
- When `append_all` returns, its batches survive a crash of the process and a power cut; only then are they sent.
- A batch's bytes and id are made once and never change, however often it is sent. Bytes that the disk changed are seen
  by their checksum: they are set aside, never sent.
- Batches are sent oldest first (or half of them newest first), and forgotten only on the gateway's receipt. `stored`
  and `duplicate` delete; anything else sets the batch aside with its bytes and the reasons.
- After a restart everything unconfirmed is sent again.
- What is dropped because a limit is reached is counted, for good.

Limits: `max_bytes` of payload and `max_age_ms` since the batch was made (by the wall clock, unless it is in doubt:
`age_limit_holds`). Over a limit, set-aside
batches go first, then the oldest. The newest batch is always kept. The file holds up to about 10 % more than the
payload and does not shrink. One process owns the file; `read_stats` may look at it meanwhile. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from collectors.errors import StoreUnavailable
from collectors.reading import Reading
from collectors.wire import Receipt, new_batch_id
from collectors.wire_readings import encode_readings
from edge_agent.buffer_file import BufferFile, checksum, open_file, read_only, translated
from edge_agent.window import SendWindow

_log = structlog.get_logger(__name__)

FULL_AT = 0.9  # share of `max_bytes`; the rest is for polls that are under way when polling pauses
STRETCH_MS = 86_400_000
DELETING = frozenset({"stored", "duplicate"})
_STATS = """
SELECT (SELECT count(*) FROM batches), (SELECT coalesce(sum(readings), 0) FROM batches),
       (SELECT coalesce(sum(size), 0) FROM batches), (SELECT min(made_ms) FROM batches),
       (SELECT count(*) FROM set_aside), (SELECT coalesce(sum(size), 0) FROM set_aside),
       (SELECT value FROM counters WHERE name = 'dropped_batches'),
       (SELECT value FROM counters WHERE name = 'dropped_readings'),
       (SELECT value FROM counters WHERE name = 'dropped_set_aside'),
       (SELECT value FROM counters WHERE name = 'dropped_first_ms'),
       (SELECT value FROM counters WHERE name = 'dropped_last_ms')
"""


@dataclass(frozen=True, slots=True)
class BufferLimits:
    max_bytes: int = 512 * 1024 * 1024
    max_age_ms: int = 400 * 86_400_000
    window: int = 32  # batches on their way at once
    resend_after_ms: int = 30_000
    newest_first: bool = False  # half of the window for the newest batches, while the oldest drain


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    seq: int
    batch_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class SetAside:
    """A batch that the gateway would not take, kept with its bytes."""

    batch_id: str
    at_ms: int  # when the receipt came
    status: str
    reasons: tuple[str, ...]
    readings: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class BufferStats:
    batches: int
    readings: int
    payload_bytes: int
    oldest_ms: int | None  # when the oldest batch was made
    set_aside_batches: int
    set_aside_bytes: int
    dropped_batches: int
    dropped_readings: int
    dropped_set_aside: int
    dropped_first_ms: int | None  # when the first and the last batch were made that were dropped in the newest stretch:
    dropped_last_ms: int | None  # drops with less than STRETCH_MS between them; None = nothing was ever dropped


class Buffer:
    """The agent's memory. Open with `open_buffer`."""

    def __init__(self, file: BufferFile, limits: BufferLimits, chance: Callable[[], float] = lambda: 0.0) -> None:
        self._file = file
        self.damaged_batches = 0  # set aside since the buffer was opened, because the disk changed their bytes
        self._connection = file.connection
        self._limits = limits
        self._window = SendWindow(
            limits.window, limits.resend_after_ms, newest_first=limits.newest_first, chance=chance
        )
        self.age_limit_holds = True  # False: the clock is in doubt, so nothing is old by it
        stats = self.stats()
        self._bytes = stats.payload_bytes + stats.set_aside_bytes
        self._none_before_ms: int | None = None  # no batch was made earlier than this; None: to be looked up

    def append(self, readings: Sequence[Reading], now_ms: int) -> str:
        """Keep readings as one batch and give its id; raises StoreUnavailable if the disk does not take them."""
        return self.append_all([readings], now_ms)[0]

    def append_all(self, groups: Sequence[Sequence[Reading]], now_ms: int) -> list[str]:
        """Keep each group of readings as a batch, all in one commit: a sync costs more than a thousand readings.

        Raises StoreUnavailable if the disk does not take them: then none of them is kept.
        """
        if not groups or not all(groups):
            raise ValueError("an empty batch says nothing")
        ids = [new_batch_id(now_ms) for _ in groups]
        payloads = [encode_readings(batch_id, now_ms, group) for batch_id, group in zip(ids, groups, strict=True)]
        with self._transaction():
            total = self._bytes - self._drop_old(now_ms)
            for batch_id, group, payload in zip(ids, groups, payloads, strict=True):
                total += len(payload) - self._make_room(total + len(payload) - self._limits.max_bytes)
                self._connection.execute(
                    "INSERT INTO batches (batch_id, made_ms, readings, size, payload, crc) VALUES (?, ?, ?, ?, ?, ?)",
                    (batch_id, now_ms, len(group), len(payload), payload, checksum(batch_id, payload)),
                )
        self._bytes = total
        if self._none_before_ms is not None:
            self._none_before_ms = min(self._none_before_ms, now_ms)
        return ids

    def next_batches(self, now_ms: int) -> list[OutgoingBatch]:
        """Batches to send now, within the window: oldest first, or some of the newest before them (`newest_first`).

        Call `mark_sent` for each that left.
        """
        select = "SELECT seq FROM batches NOT INDEXED ORDER BY seq"
        with translated():
            with (
                closing(self._connection.execute(select)) as oldest,
                closing(self._connection.execute(f"{select} DESC")) as newest,
            ):
                chosen = self._window.choose((seq for (seq,) in oldest), now_ms, (seq for (seq,) in newest))
            rows = [
                self._connection.execute(
                    "SELECT seq, batch_id, payload, crc FROM batches WHERE seq = ?", (seq,)
                ).fetchone()
                for seq in chosen
            ]
        outgoing = []
        for seq, batch_id, payload, crc in rows:
            if crc is None or checksum(batch_id, payload) == crc:
                outgoing.append(OutgoingBatch(seq, batch_id, payload))
            else:
                self._set_damaged_aside(seq, batch_id, now_ms)
        return outgoing

    def mark_sent(self, batch: OutgoingBatch, now_ms: int) -> None:
        """It is on its way: not due again before the resend time."""
        self._window.sent(batch.seq, now_ms)

    def connection_lost(self) -> None:
        """What was on its way may be lost: all of it is due again."""
        self._window.connection_lost()

    def acknowledge(self, receipts: Iterable[Receipt], now_ms: int) -> int:
        """Forget or set aside what the receipts name; how many batches that were. Unknown ids are passed over."""
        settled: list[int] = []
        freed = 0
        with self._transaction():
            for receipt in receipts:
                self._window.heard()
                row = self._connection.execute(
                    "SELECT seq, size FROM batches WHERE batch_id = ?", (receipt.batch,)
                ).fetchone()
                if row is None:
                    continue
                if receipt.status in DELETING:
                    freed += row[1]
                else:
                    reasons = [f"{reason.reason} × {reason.count}" for reason in receipt.reasons]
                    self._set_aside(row[0], receipt.status, reasons, now_ms)
                self._connection.execute("DELETE FROM batches WHERE seq = ?", (row[0],))
                settled.append(row[0])
        self._bytes -= freed
        for seq in settled:
            self._window.settled(seq)
        return len(settled)

    def set_aside(self, limit: int = 100) -> list[SetAside]:
        """The newest batches that the gateway would not take."""
        with translated():
            rows = self._connection.execute(
                "SELECT batch_id, at_ms, status, reasons, readings, payload FROM set_aside ORDER BY seq DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            SetAside(batch_id, at_ms, status, tuple(msgspec.json.decode(reasons)), readings, payload)
            for batch_id, at_ms, status, reasons, readings, payload in rows
        ]

    def stats(self) -> BufferStats:
        with translated():
            return BufferStats(*self._connection.execute(_STATS).fetchone())

    @property
    def damaged_file(self) -> Path | None:
        """Where a damaged predecessor was put when the buffer was opened; None if it was sound."""
        return self._file.damaged

    @property
    def saved_batches(self) -> int:
        """How many batches of a damaged predecessor could be read and are kept."""
        return self._file.saved

    @property
    def is_nearly_full(self) -> bool:
        """Whether what comes next may push out batches that are not confirmed: FULL_AT of the bytes are theirs."""
        nearly = self._limits.max_bytes * FULL_AT
        return self._bytes >= nearly and self.stats().payload_bytes >= nearly

    @property
    def on_their_way(self) -> int:
        return len(self._window)

    def seconds_until_due(self, now_ms: int) -> float | None:
        """Time until a batch that was sent must be sent again; None if none is on its way."""
        return self._window.seconds_until_due(now_ms)

    def close(self) -> None:
        """Close the file; nothing is lost by not calling it."""
        self._file.close()

    def _set_damaged_aside(self, seq: int, batch_id: str, now_ms: int) -> None:
        """Without room on the disk it stays where it is until there is some: it is not sent from there either."""
        try:
            with self._transaction():
                self._set_aside(seq, "damaged", ["the disk changed its bytes"], now_ms)
                self._connection.execute("DELETE FROM batches WHERE seq = ?", (seq,))
        except StoreUnavailable:
            return
        self._window.settled(seq)
        self.damaged_batches += 1
        _log.error("batch_damaged", batch=batch_id, next="it is set aside; the disk should be replaced")

    def _set_aside(self, seq: int, status: str, reasons: list[str], now_ms: int) -> None:
        self._connection.execute(
            "INSERT INTO set_aside (batch_id, made_ms, at_ms, status, reasons, readings, size, payload)"
            " SELECT batch_id, made_ms, ?, ?, ?, readings, size, payload FROM batches WHERE seq = ?",
            (now_ms, status, msgspec.json.encode(reasons).decode(), seq),
        )

    def _drop_old(self, now_ms: int) -> int:
        """Drop what is past the age limit; the payload bytes freed."""
        if not self.age_limit_holds:
            return 0
        oldest_ms = now_ms - self._limits.max_age_ms
        if self._none_before_ms is None:
            self._none_before_ms = self._oldest_made_ms(now_ms)
        if self._none_before_ms >= oldest_ms:
            return 0
        self._none_before_ms = None
        aside = self._delete_set_aside("made_ms < ?", oldest_ms)
        return aside + self._delete_batches("made_ms < ?", oldest_ms)

    def _oldest_made_ms(self, now_ms: int) -> int:
        """Asked once, and again after something was dropped for its age: asking at every commit costs a fifth of it."""
        (oldest_ms,) = self._connection.execute(
            "SELECT min(made_ms) FROM (SELECT min(made_ms) AS made_ms FROM batches"
            " UNION ALL SELECT min(made_ms) FROM set_aside)"
        ).fetchone()
        return now_ms if oldest_ms is None else min(oldest_ms, now_ms)

    def _make_room(self, over: int) -> int:
        """Drop the oldest until `over` bytes are freed or nothing is left; the payload bytes freed."""
        freed = 0
        for table, delete in (("set_aside", self._delete_set_aside), ("batches", self._delete_batches)):
            while freed < over:
                row = self._connection.execute(f"SELECT seq FROM {table} NOT INDEXED ORDER BY seq LIMIT 1").fetchone()
                if row is None:
                    break
                freed += delete("seq = ?", row[0])
        return freed

    def _delete_batches(self, condition: str, value: int) -> int:
        rows = self._connection.execute(
            f"DELETE FROM batches WHERE {condition} RETURNING seq, readings, size, made_ms", (value,)
        ).fetchall()
        for seq, *_ in rows:
            self._window.settled(seq)
        self._count("dropped_batches", len(rows))
        self._count("dropped_readings", sum(readings for _, readings, _, _ in rows))
        if rows:
            self._note_stretch(min(made_ms for *_, made_ms in rows), max(made_ms for *_, made_ms in rows))
        return sum(size for _, _, size, _ in rows)

    def _note_stretch(self, first_ms: int, last_ms: int) -> None:
        """Which time the dropped batches are of: the gateway keeps it, and shows it beside what it computed."""
        # Not out of `stats`, which counts all that waits: a full buffer drops something at nearly every commit.
        query = "SELECT name, value FROM counters WHERE name IN ('dropped_first_ms', 'dropped_last_ms')"
        old = dict(self._connection.execute(query).fetchall())
        if old and abs(first_ms - old["dropped_last_ms"]) <= STRETCH_MS:
            first_ms, last_ms = min(first_ms, old["dropped_first_ms"]), max(last_ms, old["dropped_last_ms"])
        self._connection.executemany(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (("dropped_first_ms", first_ms), ("dropped_last_ms", last_ms)),
        )

    def _delete_set_aside(self, condition: str, value: int) -> int:
        rows = self._connection.execute(f"DELETE FROM set_aside WHERE {condition} RETURNING size", (value,)).fetchall()
        self._count("dropped_set_aside", len(rows))
        return sum(size for (size,) in rows)

    def _count(self, name: str, by: int) -> None:
        if by:
            self._connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (by, name))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def open_buffer(path: Path, limits: BufferLimits, now_ms: int, chance: Callable[[], float] = lambda: 0.0) -> Buffer:
    """Open or begin the buffer; raises ConfigurationError if the place cannot be written or is not ours.

    `chance` (out of [0, 1)) keeps the agents of a park from sending again in step.
    """
    return Buffer(open_file(path, now_ms), limits, chance)


def read_stats(path: Path) -> BufferStats:
    """Look at a buffer that another process may be using; raises StoreError."""
    with translated(), closing(read_only(path)) as connection:
        return BufferStats(*connection.execute(_STATS).fetchone())
