"""Messages that are read and not yet committed: bounded, committed in groups, kept while a store is away.

What stays true: a message leaves `Pending` only with its commit, or with the connection it came by (the broker sends an
unacknowledged message again), or because its sender is over its quota (docs/decisions/0016-over-quota-is-held-off.md).
While a store is unavailable nothing leaves; the pause between two tries doubles from FIRST_PAUSE_S to LONGEST_PAUSE_S.
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
from gateway.store.ingest_rows import SetAsideRow

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
        readings, held_off = self._parted([one for one in self._messages if one.kind != "status"], now_ms, monotonic_s)
        statuses = [message for message in self._messages if message.kind == "status"]
        try:
            with self._stats.commit_seconds.time():
                receipts = accept_batches([message.arrival for message in readings], self._intake, now_ms)
                kept = keep_statuses([message.arrival for message in statuses], self._intake, now_ms)
                self._keep_aside([message.arrival for message in held_off if message.kind == "telemetry"], now_ms)
        except StoreUnavailable as error:
            self._put_off(error, monotonic_s)
            return []
        self._pause_s = self._next_try_s = 0.0
        self._charge(readings, receipts, monotonic_s)
        self._stats.held_off.labels("mqtt").inc(len(held_off))
        self._stats.answered(receipts)
        self._stats.kept_statuses(*kept)
        self.clear()
        answered = [
            Committed(message, receipt if message.kind == "readings" else None)
            for message, receipt in zip(readings, receipts, strict=True)
        ]
        return answered + [Committed(message, None) for message in (*held_off, *statuses)]

    def _parted(self, readings: list[Message], now_ms: int, monotonic_s: float) -> tuple[list[Message], list[Message]]:
        """Messages that pass, and those over a quota: a batch without receipt comes again, later and later."""
        quotas = self._intake.quotas
        if not quotas.are_set:
            return readings, []
        passing: list[Message] = []
        held_off: list[Message] = []
        for message in readings:
            sender = message.arrival.enterprise, message.arrival.sender
            if quotas.wait_s(*sender, monotonic_s) == 0:
                passing.append(message)
            else:
                held_off.append(message)
                quotas.exceeded(*sender, now_ms)
        return passing, held_off

    def _keep_aside(self, telemetry: list[Arrival], now_ms: int) -> None:
        """A device of simple telemetry waits for no receipt and would not send again."""
        detail = "more than the sender's quota: `tanmai ingest set-aside replay --reason over_quota` takes it in"
        rows = [
            SetAsideRow(now_ms, one.enterprise, one.sender, "", "over_quota", detail, 1, one.payload)
            for one in telemetry
        ]
        if rows:
            self._intake.batches.record([], rows)

    def _charge(self, readings: list[Message], receipts: list[Receipt], monotonic_s: float) -> None:
        if not self._intake.quotas.are_set:
            return
        for message, receipt in zip(readings, receipts, strict=True):
            arrival, brought = message.arrival, receipt.accepted + receipt.set_aside
            size = len(arrival.payload)
            self._intake.quotas.charge(arrival.enterprise, arrival.sender, brought, size, monotonic_s)

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
