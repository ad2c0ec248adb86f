"""What the park's business systems report: production output, output value and purchases, for periods that have ended.

A plan may send a paper along: a short text that says it is invented, kept as evidence like any file.

What stays true: a record's id follows from its subject and first day, so sending it again changes nothing; a period is
reported once it has ended in local time, never before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.demo.client import GatewayClient
from gateway.demo.plant import DAY_MS, Plant, local, midnight_ms, monday_ms
from gateway.demo.scenario import RecordPlan

RECORDS_PER_REQUEST = 200
# Where the periods of a plan begin, and how long they are.
_PERIODS = {"day": (midnight_ms, DAY_MS), "week": (monday_ms, 7 * DAY_MS)}


@dataclass(frozen=True, slots=True)
class Due:
    """A record to send, and the end of its period."""

    plan: RecordPlan
    document: dict[str, Any]
    end_ms: int
    paper: bytes = b""  # its evidence; empty = it has none


def due_records(plant: Plant, from_ms: Callable[[RecordPlan], int], now_ms: int) -> list[Due]:
    """Records of all periods that begin at or after `from_ms` and have ended by now."""
    return [due for plan in plant.scenario.records for due in _of_plan(plant, plan, from_ms(plan), now_ms)]


def _of_plan(plant: Plant, plan: RecordPlan, from_ms: int, now_ms: int) -> Iterator[Due]:
    period_start_ms, length_ms = _PERIODS[plan.each]
    start_ms = period_start_ms(from_ms)
    if start_ms < from_ms:
        start_ms += length_ms
    while start_ms + length_ms <= now_ms:
        end_ms = start_ms + length_ms
        first_day = local(start_ms).date().isoformat()
        document = {
            "id": f"{plan.id}-{first_day}",
            **plan.subject,
            "from": first_day,
            "to": local(end_ms).date().isoformat(),
            "amount": plant.amount_of(plan, start_ms, end_ms),
            "unit": plan.unit,
            "note": f"示范：{plan.how.zh} / demo: {plan.how.en}",
        }
        paper = _paper(plan, document)
        if paper:
            document["evidence"] = hashlib.sha256(paper).hexdigest()
        yield Due(plan, document, end_ms, paper)
        start_ms = end_ms


def send_records(client: GatewayClient, token: str, due: list[Due], confirmed: Callable[[Due], None]) -> None:
    """Send records enterprise by enterprise, oldest first, and report each that is stored."""
    by_enterprise: dict[str, list[Due]] = {}
    for one in sorted(due, key=lambda one: one.end_ms):
        by_enterprise.setdefault(one.plan.enterprise, []).append(one)
    for enterprise, own in by_enterprise.items():
        for first in range(0, len(own), RECORDS_PER_REQUEST):
            part = own[first : first + RECORDS_PER_REQUEST]
            for one in part:
                _send_paper(client, token, one)
            body = json.dumps([one.document for one in part], ensure_ascii=False).encode()
            client.post(f"/api/v1/enterprises/{enterprise}/activity-records", token, body)
            for one in part:
                confirmed(one)


def _paper(plan: RecordPlan, document: dict[str, Any]) -> bytes:
    """The same record always has the same paper."""
    if plan.paper is None:
        return b""
    return (
        f"示范{plan.paper.zh}(虚构) / demo {plan.paper.en} (invented)\n"
        f"{plan.enterprise} {document['id']}\n"
        f"{document['from']} – {document['to']}: {document['amount']} {document['unit']}\n"
    ).encode()


def _send_paper(client: GatewayClient, token: str, due: Due) -> None:
    if due.paper and due.plan.paper is not None:
        name = quote(f"{due.plan.paper.en} {due.document['id']}.txt")
        path = f"/api/v1/enterprises/{due.plan.enterprise}/evidence/{due.document['evidence']}?name={name}"
        client.post(path, token, due.paper, "text/plain")
