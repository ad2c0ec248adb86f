"""Activity records from business systems: output, purchases, economic figures.

What stays true: the id is made by the sender and never stands for two contents. Sending the same record again is fine
and changes nothing; another content under a known id is a conflict and is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import Row, select

from gateway.store.canonical_json import canonical, sha256_of
from gateway.store.database import Bind, insert, reading, writing
from gateway.store.schema import activity_records as table

RecordKind = Literal["source", "product", "economic"]
Outcome = Literal["stored", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An amount over local days. Raises ValueError for a period without days."""

    enterprise: str
    record_id: str  # made by the sender
    kind: RecordKind
    subject: str  # source id, product id, or output_value | added_value
    start_day: date  # inclusive
    end_day: date  # exclusive
    amount_u: int  # millionths of unit
    unit: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.start_day >= self.end_day:
            raise ValueError(f"record {self.record_id}: 'to' ({self.end_day}) must be after 'from' ({self.start_day})")

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything but the id."""
        days = self.start_day.isoformat(), self.end_day.isoformat()
        return sha256_of(canonical([self.kind, self.subject, *days, self.amount_u, self.unit, self.note]))


class RecordsRepository:
    """Records in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, records: Sequence[ActivityRecord], now_ms: int) -> list[Outcome]:
        """Store what is new; one outcome per record, in order. All in one transaction."""
        with writing(self._bind) as connection:
            outcomes: list[Outcome] = []
            for record in records:
                adding = insert(connection, table).values(_row(record, now_ms)).on_conflict_do_nothing()
                if connection.execute(adding.returning(table.c.record_id)).first() is not None:
                    outcomes.append("stored")
                    continue
                stands = connection.execute(
                    select(table.c.content_hash).where(
                        table.c.enterprise == record.enterprise, table.c.record_id == record.record_id
                    )
                ).scalar_one()
                outcomes.append("duplicate" if stands == record.content_hash else "conflict")
            return outcomes

    def overlapping(
        self, enterprise: str, subject: str, start_day: date, end_day: date, kind: RecordKind = "source"
    ) -> list[ActivityRecord]:
        """Records about a subject that share a day with start_day <= day < end_day, by first day and id."""
        query = (
            select(table)
            .where(
                table.c.enterprise == enterprise,
                table.c.kind == kind,
                table.c.subject == subject,
                table.c.start_day < end_day.isoformat(),
                table.c.end_day > start_day.isoformat(),
            )
            .order_by(table.c.start_day, table.c.record_id)
        )
        with reading(self._bind) as connection:
            return [_record(row) for row in connection.execute(query)]


def _row(record: ActivityRecord, now_ms: int) -> dict[str, object]:
    return {
        "enterprise": record.enterprise,
        "record_id": record.record_id,
        "kind": record.kind,
        "subject": record.subject,
        "start_day": record.start_day.isoformat(),
        "end_day": record.end_day.isoformat(),
        "amount_u": record.amount_u,
        "unit": record.unit,
        "content_hash": record.content_hash,
        "received_at_ms": now_ms,
        "note": record.note,
    }


def _record(row: Row[tuple[object, ...]]) -> ActivityRecord:
    return ActivityRecord(
        enterprise=row.enterprise,
        record_id=row.record_id,
        kind=row.kind,
        subject=row.subject,
        start_day=date.fromisoformat(row.start_day),
        end_day=date.fromisoformat(row.end_day),
        amount_u=row.amount_u,
        unit=row.unit,
        note=row.note,
    )
