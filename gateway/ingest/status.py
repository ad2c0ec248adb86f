"""Agents' status messages: kept as they are, the newest per agent.

A status is not a reading: one that cannot be kept (no JSON object, too large, of an agent that is not registered) is
counted and logged, not set aside.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from gateway.ingest.directory import Directory
from gateway.ingest.intake import Arrival, Intake
from gateway.store.ingest_rows import StatusRow

MAX_STATUS_BYTES = 256 * 1024

log = structlog.get_logger(__name__)


class _Status(msgspec.Struct):
    """What the gateway itself needs of a status; the other keys are for people."""

    online: bool = True


_DECODER = msgspec.json.Decoder(_Status)


def keep_statuses(arrivals: Sequence[Arrival], intake: Intake, now_ms: int) -> tuple[int, int]:
    """Keep what can be kept; gives (kept, dropped). Raises StoreUnavailable: then try all of them again."""
    directory = intake.directory()
    rows = [row for arrival in arrivals if (row := _row(arrival, directory, now_ms)) is not None]
    if rows:
        intake.statuses.put(rows)
    return len(rows), len(arrivals) - len(rows)


def _row(arrival: Arrival, directory: Directory, now_ms: int) -> StatusRow | None:
    problem = ""
    if not directory.has_agent(arrival.enterprise, arrival.sender):
        problem = "the agent is not registered"
    elif len(arrival.payload) > MAX_STATUS_BYTES:
        problem = f"larger than {MAX_STATUS_BYTES} bytes"
    else:
        try:
            online = _DECODER.decode(arrival.payload).online
            document = arrival.payload.decode().replace("\x00", "")
            return StatusRow(arrival.enterprise, arrival.sender, now_ms, online, document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            problem = f"not a status document: {error}"
    log.warning("ingest.status_dropped", enterprise=arrival.enterprise, agent=arrival.sender, reason=problem)
    return None
