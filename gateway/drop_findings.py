"""The finding `agent.readings_dropped`: an agent's buffer was full, or a batch too old, and readings were given up.

Agents count what they drop, for good, and say of which time the newest stretch of it is. Here each stretch becomes a
finding of its enterprise, dated to its beginning, so that it stands beside what was computed for that time.

What stays true: one finding per agent and stretch, which grows while the stretch does. The same status again, or one
that two gateways hear, changes nothing. A status that only says that the agent is away tells nothing of drops.

Limits: of an agent without the stretch in its status (older than these keys) the time is when it was heard. Stretches
that begin and end while the gateway hears nothing of the agent are counted in the newest one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog
from sqlalchemy import Engine

from collectors.clock import from_ms
from collectors.errors import StoreError
from gateway.carbon.model import Finding
from gateway.registry.model import Registry
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ingest_rows import StatusRow

NAME = "agent.readings_dropped"

log = structlog.get_logger(__name__)


class _Buffer(msgspec.Struct):
    dropped_readings: int = 0
    dropped_first_ms: int | None = None
    dropped_last_ms: int | None = None


class _Status(msgspec.Struct):
    buffer: _Buffer = msgspec.field(default_factory=_Buffer)


_DECODER = msgspec.json.Decoder(_Status)


@dataclass
class WatchedStatuses:
    """Keeps statuses, and findings of what they say was dropped. Safe to share between threads."""

    engine: Engine
    registry: Callable[[], Registry]
    _told: dict[tuple[str, str], int] = field(default_factory=dict)  # agent -> readings dropped as told last

    def put(self, rows: Sequence[StatusRow]) -> None:
        """Replace what was known of these agents."""
        AgentStatusRepository(self.engine).put(rows)
        for row in rows:
            dropped = _dropped(row)
            if dropped.dropped_readings and dropped.dropped_readings != self._told.get((row.enterprise, row.agent)):
                self._keep(row, dropped)

    def _keep(self, row: StatusRow, dropped: _Buffer) -> None:
        try:
            if row.enterprise in self.registry().enterprises:
                _keep(FindingsRepository(self.engine), row, dropped)
            self._told[row.enterprise, row.agent] = dropped.dropped_readings
        except StoreError as error:  # said again with the next status
            log.warning("ingest.finding_not_kept", enterprise=row.enterprise, agent=row.agent, error=str(error))


def _dropped(row: StatusRow) -> _Buffer:
    """What a status says of drops; nothing where it says it in another form: only people read the rest of it."""
    try:
        return _DECODER.decode(row.document).buffer
    except msgspec.MsgspecError:
        return _Buffer()


def _keep(findings: FindingsRepository, row: StatusRow, dropped: _Buffer) -> None:
    first_ms = row.received_at_ms if dropped.dropped_first_ms is None else dropped.dropped_first_ms
    last_ms = first_ms if dropped.dropped_last_ms is None else max(dropped.dropped_last_ms, first_ms)
    own = findings.page(row.enterprise, 1_000, prefixes=(NAME,))
    told = [one.finding for one in own if one.finding.subject == row.agent]
    newest = max(told, key=lambda one: one.at_ms, default=None)
    total = dropped.dropped_readings
    before = 0
    if newest is not None:
        same = newest.at_ms == first_ms
        before = newest.values["total"] - newest.values["readings"] if same else newest.values["total"]
        if total < newest.values["total"]:
            before = 0  # a buffer that was begun anew counts from nothing
        elif total == newest.values["total"]:
            return
    found = _finding(row, first_ms, last_ms, total - before, total)
    span = first_ms, first_ms + 1
    findings.replace(row.enterprise, row.agent, *span, [found], row.received_at_ms, prefixes=(NAME,))


def _finding(row: StatusRow, first_ms: int, last_ms: int, readings: int, total: int) -> Finding:
    first, last = (f"{from_ms(at_ms):%Y-%m-%d %H:%M} UTC" for at_ms in (first_ms, last_ms))
    return Finding(
        NAME,
        row.enterprise,
        row.agent,
        first_ms,
        "warning",
        {"readings": readings, "total": total, "first_ms": first_ms, "last_ms": last_ms},
        f"采集端 {row.agent} 的缓冲达到上限，丢弃了 {readings} 条读数（{first} 至 {last}）；"
        "计数器的用量仍按前后读数计入，并标为估算。",
        f"Agent {row.agent} dropped {readings} readings of {first} to {last} when its buffer reached its limits. What "
        "counters counted meanwhile is booked, as estimated.",
    )
