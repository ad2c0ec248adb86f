"""Activity records from business systems: output, purchases, economic figures.

What stays true: the id is made by the sender and never stands for two contents. Sending the same record again is fine
and changes nothing; another content under a known id is a conflict and is not taken. A record is never changed or
deleted: another one supersedes it, and from then on only that one counts. Both stay to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import Row, exists, select, tuple_

from gateway.store.canonical_json import canonical, sha256_of
from gateway.store.database import Bind, insert, reading, writing
from gateway.store.schema import activity_records as table

IDS_PER_QUERY = 500  # SQLite and PostgreSQL both take this many values in one IN

_newer = table.alias("newer")
_SUPERSEDING = (_newer.c.enterprise == table.c.enterprise, _newer.c.supersedes == table.c.record_id)
_SUPERSEDED = exists().where(*_SUPERSEDING)
_WITH_HISTORY = select(
    table, select(_newer.c.record_id).where(*_SUPERSEDING).limit(1).scalar_subquery().label("superseded_by")
)

RecordKind = Literal["source", "product", "economic", "bill", "reading"]
Outcome = Literal["stored", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An amount over local days. Raises ValueError for a period without days."""

    enterprise: str
    record_id: str  # made by the sender
    kind: RecordKind
    subject: str  # source id, product id, output_value | added_value; of a bill or hand reading device.point
    start_day: date  # inclusive
    end_day: date  # exclusive
    amount_u: int  # millionths of unit
    unit: str
    note: str = ""
    supersedes: str = ""  # id of the record that this one corrects
    evidence: str = ""  # SHA-256 of the file that backs it

    def __post_init__(self) -> None:
        if self.start_day >= self.end_day:
            raise ValueError(f"record {self.record_id}: 'to' ({self.end_day}) must be after 'from' ({self.start_day})")

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything but the id."""
        days = self.start_day.isoformat(), self.end_day.isoformat()
        content = [self.kind, self.subject, *days, self.amount_u, self.unit, self.note]
        if self.supersedes or self.evidence:  # records that have neither hash as they did before there were any
            content += [self.supersedes, self.evidence]
        return sha256_of(canonical(content))


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with its history."""

    record: ActivityRecord
    received_at_ms: int
    superseded_by: str  # "" = it counts


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
        """Records that count about a subject and share a day with start_day <= day < end_day, by first day and id."""
        query = (
            select(table)
            .where(
                table.c.enterprise == enterprise,
                table.c.kind == kind,
                table.c.subject == subject,
                table.c.start_day < end_day.isoformat(),
                table.c.end_day > start_day.isoformat(),
                ~_SUPERSEDED,
            )
            .order_by(table.c.start_day, table.c.record_id)
        )
        with reading(self._bind) as connection:
            return [_record(row) for row in connection.execute(query)]

    def of_kinds(
        self, enterprises: Sequence[str], kinds: Sequence[RecordKind], start_day: date, end_day: date
    ) -> list[ActivityRecord]:
        """Records that count, of these kinds, that share a day with start_day <= day < end_day."""
        found: list[ActivityRecord] = []
        with reading(self._bind) as connection:
            for first in range(0, len(enterprises), IDS_PER_QUERY):
                query = select(table).where(
                    table.c.enterprise.in_(enterprises[first : first + IDS_PER_QUERY]),
                    table.c.kind.in_(kinds),
                    table.c.start_day < end_day.isoformat(),
                    table.c.end_day > start_day.isoformat(),
                    ~_SUPERSEDED,
                )
                ordered = query.order_by(table.c.enterprise, table.c.start_day, table.c.record_id)
                found += [_record(row) for row in connection.execute(ordered)]
        return found

    def get(self, enterprise: str, record_ids: Sequence[str]) -> dict[str, StoredRecord]:
        """Those of these records that are there, also superseded ones."""
        found: dict[str, StoredRecord] = {}
        with reading(self._bind) as connection:
            for first in range(0, len(record_ids), IDS_PER_QUERY):
                wanted = record_ids[first : first + IDS_PER_QUERY]
                query = _WITH_HISTORY.where(table.c.enterprise == enterprise, table.c.record_id.in_(wanted))
                found |= {row.record_id: _stored(row) for row in connection.execute(query)}
        return found

    def page(
        self,
        enterprise: str,
        *,
        subject: str | None = None,
        days: tuple[date, date] | None = None,
        after: tuple[str, str] = ("", ""),
        limit: int = 100,
    ) -> list[StoredRecord]:
        """Records by first day and id, superseded ones too; `after` is (first day, id) of the last one seen."""
        query = _WITH_HISTORY.where(
            table.c.enterprise == enterprise, tuple_(table.c.start_day, table.c.record_id) > tuple_(*after)
        )
        if subject is not None:
            query = query.where(table.c.subject == subject)
        if days is not None:
            query = query.where(table.c.start_day < days[1].isoformat(), table.c.end_day > days[0].isoformat())
        with reading(self._bind) as connection:
            rows = connection.execute(query.order_by(table.c.start_day, table.c.record_id).limit(limit))
            return [_stored(row) for row in rows]


def _stored(row: Row[tuple[object, ...]]) -> StoredRecord:
    return StoredRecord(_record(row), row.received_at_ms, row.superseded_by or "")


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
        "supersedes": record.supersedes,
        "evidence": record.evidence,
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
        supersedes=row.supersedes,
        evidence=row.evidence,
    )
