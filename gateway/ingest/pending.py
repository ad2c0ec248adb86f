"""Messages that are read and not yet committed: bounded, committed in groups, kept while a store is away.

What stays true: a message leaves `Pending` only with its commit, or with the connection it came by (the broker sends an
unacknowledged message again). While a store is unavailable nothing leaves; the pause between two tries doubles from
FIRST_PAUSE_S to LONGEST_PAUSE_S.
Limits: MAX_MESSAGES and MAX_BYTES; `full` says when to stop reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from collectors.errors import StoreUnavailable
from collectors.wire import Receipt
from gateway.ingest.accept import accept_batches
from gateway.ingest.intake import Arrival, Intake
from gateway.ingest.stats import IngestStats
from gateway.ingest.status import keep_statuses

MAX_MESSAGES = 2_000
MAX_BYTES = 16 * 1024 * 1024
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the broker, with the number by which it is acknowledged."""

    mid: int
    qos: int
    kind: str  # readings | telemetry | status
    receipts: bytes  # the topic of the receipt
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Committed:
    message: Message
    receipt: Receipt | None  # None: the message asks for no receipt


class Pending:
    """Used by one thread."""

    def __init__(self, intake: Intake, stats: IngestStats) -> None:
        self._intake = intake
        self._stats = stats
        self._messages: list[Message] = []
        self._bytes = 0
        self._pause_s = 0.0
        self._next_try_s = 0.0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def full(self) -> bool:
        return len(self._messages) >= MAX_MESSAGES or self._bytes >= MAX_BYTES

    def add(self, message: Message) -> None:
        self._messages.append(message)
        self._bytes += len(message.arrival.payload)

    def clear(self) -> None:
        """Forget everything: the connection is gone, the broker will send it again."""
        self._messages = []
        self._bytes = 0
        self._show()

    def wait_s(self, monotonic_s: float) -> float:
        """Seconds until a commit may be tried; 0 = now."""
        return max(0.0, self._next_try_s - monotonic_s)

    def commit(self, now_ms: int, monotonic_s: float) -> list[Committed]:
        """Commit everything; [] if a store is unavailable, then everything stays."""
        self._show()
        readings = [message for message in self._messages if message.kind != "status"]
        statuses = [message for message in self._messages if message.kind == "status"]
        try:
            with self._stats.commit_seconds.time():
                receipts = accept_batches([message.arrival for message in readings], self._intake, now_ms)
                kept = keep_statuses([message.arrival for message in statuses], self._intake, now_ms)
        except StoreUnavailable as error:
            self._put_off(error, monotonic_s)
            return []
        self._pause_s = self._next_try_s = 0.0
        self._stats.answered(receipts)
        self._stats.kept_statuses(*kept)
        self.clear()
        answered = [
            Committed(message, receipt if message.kind == "readings" else None)
            for message, receipt in zip(readings, receipts, strict=True)
        ]
        return answered + [Committed(message, None) for message in statuses]

    def _put_off(self, error: StoreUnavailable, monotonic_s: float) -> None:
        self._pause_s = min(max(FIRST_PAUSE_S, self._pause_s * 2), LONGEST_PAUSE_S)
        self._next_try_s = monotonic_s + self._pause_s
        self._stats.store_waits.inc()
        log.warning(
            "ingest.store_unavailable",
            error=str(error),
            waiting=len(self._messages),
            next=f"trying again in {self._pause_s:g} s; the broker and the agents keep what is not confirmed",
        )

    def _show(self) -> None:
        self._stats.queue_messages.set(len(self._messages))
        self._stats.queue_bytes.set(self._bytes)
