"""Messages that are read and not yet committed: bounded, committed in groups, kept while a store is away.

A group leaves `Pending` to be stored, perhaps by another thread, while the next one gathers; then it is finished, or
put back because a store was away. `commit` does all of that in one go.

What stays true: a message leaves only with its commit, or with the connection it came by (the broker sends an
unacknowledged message again), or because its sender is over its quota (docs/decisions/0016-over-quota-is-held-off.md).
While a store is unavailable nothing leaves; the pause between two tries doubles from FIRST_PAUSE_S to LONGEST_PAUSE_S.
Limits: MAX_MESSAGES and MAX_BYTES gather; `full` says when to stop reading. One more group may be under way.
"""

from __future__ import annotations

import msgspec
import structlog

from collectors.errors import StoreUnavailable
from collectors.wire import Receipt
from gateway.ingest.accept import accept_batches
from gateway.ingest.intake import Arrival, Intake
from gateway.ingest.quotas import Held
from gateway.ingest.stats import IngestStats
from gateway.ingest.status import keep_statuses
from gateway.store.ingest_rows import SetAsideRow

MAX_MESSAGES = 2_000
MAX_BYTES = 16 * 1024 * 1024
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message of the broker, with the number by which it is acknowledged."""

    mid: int
    qos: int
    kind: str  # readings | telemetry | status
    receipts: bytes  # the topic of the receipt
    arrival: Arrival


class Committed(msgspec.Struct, frozen=True, gc=False):
    message: Message
    receipt: Receipt | None  # None: the message asks for no receipt


class Group(msgspec.Struct, frozen=True):
    """Messages that are stored together."""

    now_ms: int
    readings: list[Message]
    statuses: list[Message]
    held_off: list[tuple[Message, Held]]  # over a quota
    size: int  # bytes

    def __len__(self) -> int:
        return len(self.readings) + len(self.statuses) + len(self.held_off)


class Stored(msgspec.Struct, frozen=True):
    """What came of a group."""

    receipts: list[Receipt]  # of its readings, in order
    statuses: tuple[int, int]  # kept, dropped


class Pending:
    """Used by one thread, except `store`, which any thread may call."""

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
        self._show(0, 0)

    def wait_s(self, monotonic_s: float) -> float:
        """Seconds until a commit may be tried; 0 = now."""
        return max(0.0, self._next_try_s - monotonic_s)

    def commit(self, now_ms: int, monotonic_s: float) -> list[Committed]:
        """Commit everything; [] if a store is unavailable, then everything stays."""
        try:
            group = self.take(now_ms, monotonic_s)
        except StoreUnavailable as error:
            self.put_off(error, monotonic_s)
            return []
        try:
            stored = self.store(group)
        except StoreUnavailable as error:
            self.put_back(group, error, monotonic_s)
            return []
        return self.finish(group, stored, monotonic_s)

    def take(self, now_ms: int, monotonic_s: float) -> Group:
        """Everything that waits, as a group; what comes from now on goes into the next one. Raises StoreUnavailable."""
        self._show(len(self._messages), self._bytes)
        readings = [message for message in self._messages if message.kind != "status"]
        statuses = [message for message in self._messages if message.kind == "status"]
        passing, held_off = self._parted(readings, now_ms, monotonic_s)
        group = Group(now_ms, passing, statuses, held_off, self._bytes)
        self._messages, self._bytes = [], 0
        return group

    def store(self, group: Group) -> Stored:
        """Durable on return. Raises StoreUnavailable: then nothing of the group is answered."""
        with self._stats.commit_seconds.time():
            receipts = accept_batches([message.arrival for message in group.readings], self._intake, group.now_ms)
            kept = keep_statuses([message.arrival for message in group.statuses], self._intake, group.now_ms)
            telemetry = [message.arrival for message, _ in group.held_off if message.kind == "telemetry"]
            self._keep_aside(telemetry, group.now_ms)
        return Stored(receipts, kept)

    def finish(self, group: Group, stored: Stored, monotonic_s: float) -> list[Committed]:
        """Count what was stored; gives what is to be acknowledged and receipted."""
        self._pause_s = self._next_try_s = 0.0
        self._charge(group.readings, stored.receipts, monotonic_s)
        for _, held in group.held_off:
            self._stats.held_off.labels("mqtt", held.quota).inc()
        self._stats.answered(stored.receipts)
        self._stats.kept_statuses(*stored.statuses)
        self._show(len(self._messages), self._bytes)
        answered = [
            Committed(message, receipt if message.kind == "readings" else None)
            for message, receipt in zip(group.readings, stored.receipts, strict=True)
        ]
        unanswered = [*(message for message, _ in group.held_off), *group.statuses]
        return answered + [Committed(message, None) for message in unanswered]

    def put_back(self, group: Group, error: StoreUnavailable, monotonic_s: float) -> None:
        """Wait with it, and with all that came since, until a store may be there again."""
        self._messages[:0] = [*group.readings, *(message for message, _ in group.held_off), *group.statuses]
        self._bytes += group.size
        self.put_off(error, monotonic_s)

    def put_off(self, error: StoreUnavailable, monotonic_s: float) -> None:
        """Try nothing for a while, each time for a longer one."""
        self._pause_s = min(max(FIRST_PAUSE_S, self._pause_s * 2), LONGEST_PAUSE_S)
        self._next_try_s = monotonic_s + self._pause_s
        self._stats.store_waits.inc()
        log.warning(
            "ingest.store_unavailable",
            error=str(error),
            waiting=len(self._messages),
            next=f"trying again in {self._pause_s:g} s; the broker and the agents keep what is not confirmed",
        )

    def _parted(
        self, readings: list[Message], now_ms: int, monotonic_s: float
    ) -> tuple[list[Message], list[tuple[Message, Held]]]:
        """Messages that pass, and those over a quota: a batch without receipt comes again, later and later."""
        quotas = self._intake.quotas
        quotas.follow(self._intake.registry())
        if not quotas.are_set:
            return readings, []
        passing: list[Message] = []
        held_off: list[tuple[Message, Held]] = []
        for message in readings:
            sender = message.arrival.enterprise, message.arrival.sender
            held = quotas.held(*sender, monotonic_s)
            if held is None:
                passing.append(message)
            else:
                held_off.append((message, held))
                quotas.exceeded(*sender, held, now_ms)
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

    def _show(self, messages: int, size: int) -> None:
        self._stats.queue_messages.set(messages)
        self._stats.queue_bytes.set(size)
