"""The agent's control flow, all of it, in `EdgeAgent.step`.

What stays true:
- A step never waits: polls run in the workers of `polling`, the network in `publisher`. Given the same clock, polls and
  receipts, the same things happen in the same order.
- Readings are on disk (`Buffer.append`) before anything of them is sent.
- A disk that does not take readings stops neither polling nor sending; what waits in memory is bounded, and what is
  thrown away then is counted.
- Nothing is read while the clock is plainly wrong (before EARLIEST_MS): such readings could never be booked. What is
  read while it is in doubt (`clock_guard`) is marked uncertain, and the buffer's age limit waits.
- A full buffer drops its oldest batches, or polling pauses (`pause_when_full`) until the gateway confirms. Either is
  said in the log and in the status.

Limits: readings younger than `max_age_s` are in memory only, and lost by a SIGKILL or a power cut; `stop` keeps them.
While the disk refuses, at most MAX_WAITING readings wait in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from collectors.driver import ERROR_KINDS, PolledDevice
from collectors.errors import StoreUnavailable
from collectors.reading import Quality, Reading
from collectors.wire import Receipt
from edge_agent.buffer import Buffer, BufferStats
from edge_agent.clock_guard import ClockGuard
from edge_agent.health import Health, LineState, encode_status, offline
from edge_agent.polling import Polling
from edge_agent.publisher import Publisher
from edge_agent.schedule import Schedule, Task

EARLIEST_MS = 1_735_689_600_000  # 2025-01-01: a clock before this has not been set
MAX_WAITING = 50_000
MAX_COMMIT = 20  # batches in one commit of the buffer, when so many are due at once
STATUS_EVERY_MS = 30_000
DISK_RETRY_MS = 5_000
LONGEST_WAIT_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AgentDevice:
    """A device in the agent's care."""

    polled: PolledDevice
    bus: str
    every_ms: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """When readings become a batch: at so many, or when the oldest has waited so long."""

    max_readings: int = 1000
    max_age_ms: int = 1000


class EdgeAgent:
    """Polls, keeps, sends, until the gateway confirms. Call `step` again after the seconds it gives, or earlier."""

    def __init__(
        self,
        devices: Sequence[AgentDevice],
        polling: Polling,
        buffer: Buffer,
        publisher: Publisher,
        grouping: Grouping,
        now_ms: int,
        *,
        guard: ClockGuard | None = None,
        pause_when_full: bool = False,
    ) -> None:
        self._devices = {device.polled.id: device for device in devices}
        self._polling = polling
        self._buffer = buffer
        self._publisher = publisher
        self._grouping = grouping
        self._schedule = Schedule(Task(device.polled.id, device.bus, device.every_ms) for device in devices)
        self._health = Health({device.polled.id: device.bus for device in devices}, now_ms)
        self._guard = guard or ClockGuard(now_ms)
        self._in_doubt = False  # as we last said it
        self._unheard: list[Receipt] = []  # what the clock guard has yet to hear
        self._started_in_doubt: set[str] = set()  # devices whose poll began while the clock was in doubt
        self._pause_when_full = pause_when_full
        self._paused = False
        self._dropped_before: int | None = None  # readings, as the buffer counted them at our start
        self._dropped = 0  # since then
        self._waiting: list[Reading] = []
        self._waiting_since_ms = 0
        self._disk_problem = ""
        self._disk_retry_ms = 0
        self._connections = 0  # as the publisher counted them when we last looked
        self._line_problem = publisher.problem
        self._status_due_ms = 0
        self._held = False
        self.config_status: dict[str, Any] = {}  # what the status says of configurations from afar
        self.status = b""  # the newest status document
        self.farewell = offline("failed")  # the last one, after `stop`

    def step(self, now_ms: int, steady_ms: int | None = None) -> float:
        """Do everything that is due; the seconds until the next step is.

        `steady_ms` is a clock that never steps; without it steps of the wall clock are not noticed.
        """
        if steady_ms is not None:
            self._watch_clock(now_ms, steady_ms)
        self._unheard.clear()
        self._pause_or_go_on()
        self._poll(now_ms)
        self._collect(now_ms)
        self._keep(now_ms, at_once=False)
        self._settle(now_ms)
        self._send(now_ms)
        self._report(now_ms)
        # What a receipt says of the clock is as exact as its time: it is judged at once, with a new one.
        return 0.0 if self._unheard and steady_ms is not None else self._seconds_until_due(now_ms)

    def hold(self) -> None:
        """Start no more polls until `reconfigure`; everything else goes on."""
        self._held = True

    @property
    def idle(self) -> bool:
        """Whether no poll is running."""
        free = self._polling.free_buses()
        return all(device.bus in free for device in self._devices.values())

    @property
    def health(self) -> Health:
        return self._health

    def reconfigure(self, devices: Sequence[AgentDevice], polling: Polling, grouping: Grouping, now_ms: int) -> None:
        """Ask these devices from now on. What the old ones gave until now is kept; the line and the buffer stay."""
        self._collect(now_ms)
        self._devices = {device.polled.id: device for device in devices}
        self._polling = polling
        self._grouping = grouping
        self._schedule = Schedule(Task(device.polled.id, device.bus, device.every_ms) for device in devices)
        self._health.reconfigured({device.polled.id: device.bus for device in devices}, now_ms)
        self._held = False
        self.renew_status()

    def renew_status(self) -> None:
        """Publish the status with the next step."""
        self._status_due_ms = 0

    def stop(self, now_ms: int) -> None:
        """Pick up what came back, put it on disk and write the farewell; after this, no more steps."""
        self._collect(now_ms)
        self._keep(now_ms, at_once=True)
        self._settle(now_ms)
        self.farewell = encode_status(self._document(now_ms) | {"online": False, "reason": "stopped"})

    def _watch_clock(self, now_ms: int, steady_ms: int) -> None:
        step_ms = self._guard.look(now_ms, steady_ms)
        for receipt in self._unheard:
            self._guard.heard(receipt, now_ms)
        if step_ms:
            _log.warning("clock_was_set", by_s=step_ms / 1000)
            self.renew_status()
        doubt = self._guard.doubt
        if doubt and not self._in_doubt:
            _log.warning("clock_in_doubt", reason=doubt, next="readings are marked uncertain; see to the time service")
        elif self._in_doubt and not doubt:
            _log.info("clock_believed_again")
        if bool(doubt) != self._in_doubt:
            self._in_doubt = bool(doubt)
            self.renew_status()

    def _pause_or_go_on(self) -> None:
        full = self._pause_when_full and self._buffer.is_nearly_full
        if full and not self._paused:
            _log.error("buffer_full_polling_pauses", next="see why nothing is confirmed; then it goes on by itself")
        elif self._paused and not full:
            _log.info("polling_goes_on")
        self._paused = full

    def _poll(self, now_ms: int) -> None:
        if self._held or self._paused or now_ms < EARLIEST_MS:
            return
        for name in self._schedule.start(now_ms, self._polling.free_buses()):
            device = self._devices[name]
            if self._guard.doubt:
                self._started_in_doubt.add(name)
            self._polling.start(device.bus, device.polled, now_ms)

    def _collect(self, now_ms: int) -> None:
        for poll in self._polling.take_finished():
            result = poll.result
            self._schedule.finished(poll.device, now_ms, answered=bool(result.readings) or not result.errors)
            self._health.polled(poll, now_ms)
            for error in result.errors:
                if error.error.__cause__ is not None and error.kind not in ERROR_KINDS.values():
                    _log.error("driver_defect", reason=str(error), exc_info=error.error.__cause__)
                else:
                    _log.debug("poll_error", device=poll.device, kind=error.kind, reason=str(error))
            if not self._waiting:
                self._waiting_since_ms = now_ms
            in_doubt = poll.device in self._started_in_doubt or self._guard.doubt
            self._started_in_doubt.discard(poll.device)
            self._waiting.extend(map(_uncertain, result.readings) if in_doubt else result.readings)

    def _keep(self, now_ms: int, *, at_once: bool) -> None:
        """Waiting readings -> batches on disk, as far as they are due."""
        if self._disk_problem and not at_once and 0 <= self._disk_retry_ms - now_ms <= DISK_RETRY_MS:
            self._throw_away_surplus()
            return
        old = not 0 <= now_ms - self._waiting_since_ms < self._grouping.max_age_ms
        most = self._grouping.max_readings
        self._buffer.age_limit_holds = not self._guard.doubt
        try:
            while len(self._waiting) >= most or (self._waiting and (old or at_once)):
                due = len(self._waiting) if old or at_once else len(self._waiting) // most * most
                due = min(due, most * MAX_COMMIT)
                self._buffer.append_all([self._waiting[at : at + most] for at in range(0, due, most)], now_ms)
                del self._waiting[:due]
            self._disk_problem = ""
        except StoreUnavailable as error:
            if not self._disk_problem:
                _log.error("disk_refuses", reason=str(error), next="free some space; readings wait in memory meanwhile")
            self._disk_problem = str(error)
            self._disk_retry_ms = now_ms + DISK_RETRY_MS
            self._throw_away_surplus()

    def _throw_away_surplus(self) -> None:
        surplus = len(self._waiting) - MAX_WAITING
        if surplus > 0:
            del self._waiting[:surplus]
            self._health.lost(surplus)

    def _settle(self, now_ms: int) -> None:
        """Receipts -> the buffer may forget."""
        receipts = self._publisher.take_receipts()
        if not receipts:
            return
        for receipt in receipts:
            self._health.received(receipt, now_ms)
            if receipt.status in ("conflict", "rejected"):
                reasons = ", ".join(reason.reason for reason in receipt.reasons)
                _log.warning("batch_set_aside", batch=receipt.batch, status=receipt.status, reasons=reasons)
        # A receipt may have come after `now_ms`, while this step wrote to disk. The next step's time is surely later.
        self._unheard += receipts
        try:
            self._buffer.acknowledge(receipts, now_ms)
        except StoreUnavailable as error:  # the batches are still there, are sent again and confirmed again
            _log.error("receipts_not_kept", reason=str(error), next="the batches are sent again")

    def _send(self, now_ms: int) -> None:
        """What is due goes out, as far as the line takes it."""
        self._watch_line(now_ms)
        if not self._publisher.connected:
            return
        for batch in self._buffer.next_batches(now_ms):
            if not self._publisher.send(batch.payload):
                break
            self._buffer.mark_sent(batch, now_ms)
            self._guard.sent(batch.batch_id, now_ms)

    def _watch_line(self, now_ms: int) -> None:
        """Say when the line comes or goes; after a new connection everything unconfirmed may be sent again."""
        if self._publisher.connections != self._connections:
            self._connections = self._publisher.connections
            self._buffer.connection_lost()
            self._status_due_ms = now_ms
            _log.info("connected", waiting_batches=self._buffer.stats().batches)
        problem = self._publisher.problem
        if problem and problem != self._line_problem:
            _log.warning("no_connection", reason=problem, next="trying again; readings are kept on disk meanwhile")
        self._line_problem = problem

    def _report(self, now_ms: int) -> None:
        """Renew the status document, and publish it if the line takes it."""
        if 0 < self._status_due_ms - now_ms <= STATUS_EVERY_MS:
            return
        self._status_due_ms = now_ms + STATUS_EVERY_MS
        self.status = encode_status(self._document(now_ms))
        self._publisher.send_status(self.status)

    def _document(self, now_ms: int) -> dict[str, Any]:
        stats = self._buffer.stats()
        self._watch_drops(stats)
        details = self._publisher.details
        line = LineState(
            self._publisher.connected,
            self._publisher.problem,
            self._buffer.on_their_way,
            self._publisher.dropped_receipts,
            details.mqtt_version,
            details.form,
            details.refused_messages,
            details.oversized_batches,
        )
        clock, problems = self._guard.document(), self._problems(now_ms)
        document = self._health.document(now_ms, stats, line, clock, problems, paused=self._paused)
        return document | {"config": self.config_status} if self.config_status else document

    def _watch_drops(self, stats: BufferStats) -> None:
        if self._dropped_before is None:
            self._dropped_before = stats.dropped_readings
        dropped = stats.dropped_readings - self._dropped_before
        if dropped > self._dropped:
            _log.error("buffer_dropped", readings=dropped - self._dropped, next="see why nothing is confirmed")
        self._dropped = dropped

    def _problems(self, now_ms: int) -> list[str]:
        problems = []
        if now_ms < EARLIEST_MS:
            problems.append("the clock is not set: nothing is read until it is; start a time service such as chrony")
        if self._guard.doubt:
            problems.append(f"the clock is in doubt: {self._guard.doubt}; readings are marked uncertain; check both")
        if self._paused:
            problems.append("the buffer is full: nothing is read until the gateway confirms what is in it")
        if self._dropped:
            problems.append(f"the buffer's limits made it drop {self._dropped} readings, oldest first, since the start")
        if self._disk_problem:
            problems.append(self._disk_problem)
        if self._publisher.problem:
            problems.append(self._publisher.problem)
        if self._publisher.details.warning:
            problems.append(self._publisher.details.warning)
        if self._buffer.damaged_file is not None:
            saved = f"{self._buffer.saved_batches} batches were saved from it"
            problems.append(f"the buffer was damaged and set aside as {self._buffer.damaged_file}; {saved}")
        if self._buffer.damaged_batches:
            problems.append(f"the disk changed {self._buffer.damaged_batches} batches, which are set aside: replace it")
        return problems

    def _seconds_until_due(self, now_ms: int) -> float:
        waits = [LONGEST_WAIT_S, (self._status_due_ms - now_ms) / 1000]
        if now_ms >= EARLIEST_MS and not (self._paused or self._held):
            waits.append(self._schedule.seconds_until_due(now_ms, self._polling.free_buses()))
        if self._waiting:
            keep_ms = self._disk_retry_ms if self._disk_problem else self._waiting_since_ms + self._grouping.max_age_ms
            waits.append((keep_ms - now_ms) / 1000)
        resend_s = self._buffer.seconds_until_due(now_ms)
        if resend_s is not None and self._publisher.connected:
            waits.append(resend_s)
        return max(0.0, min(waits))


def _uncertain(reading: Reading) -> Reading:
    """Its value may be right, but its time is not sure; what is bad stays bad."""
    return reading if reading.quality else replace(reading, quality=Quality.UNCERTAIN)
