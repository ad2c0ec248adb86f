"""What could not be stored, kept with its bytes and the reason: countable, listable, replayable.

What stays true: rows are added in the transaction of their batch; whatever bytes and names a sender makes up, a row can
be written (text is cut to its column and freed of characters that a database refuses).
Limits: `trim` keeps the newest rows within MAX_ROWS and MAX_BYTES of payload, and what was over a quota goes first: who
sends too much pushes nobody else's out. `forget_before` drops what is older than the setting; both are for housekeeping
and say how many went.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, String, case, delete, func, select
from sqlalchemy import insert as plain_insert

from gateway.store.database import Bind, reading, writing
from gateway.store.ingest_rows import SetAsideRow
from gateway.store.schema import set_aside as table

MAX_ROWS = 200_000
MAX_BYTES = 256 * 1024 * 1024
MAX_DETAIL = 2_000


@dataclass(frozen=True, slots=True)
class SetAsideEntry:
    """A row as listed; the payload is fetched by itself."""

    id: int
    received_at_ms: int
    enterprise: str
    sender: str
    batch_id: str
    reason: str
    detail: str
    count: int
    payload_bytes: int


class SetAsideRepository:
    """The set-aside list."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, rows: Iterable[SetAsideRow]) -> None:
        values = [_row(row) for row in rows]
        if values:
            with writing(self._bind) as connection:
                connection.execute(plain_insert(table), values)

    def counts(self, enterprise: str | None = None) -> dict[str, int]:
        """Readings set aside, by reason."""
        query = select(table.c.reason, func.sum(table.c["count"])).group_by(table.c.reason)
        if enterprise is not None:
            query = query.where(table.c.enterprise == enterprise)
        with reading(self._bind) as connection:
            return {reason: int(count) for reason, count in connection.execute(query)}

    def page(
        self, *, enterprise: str | None = None, reason: str | None = None, after: int = 0, limit: int = 100
    ) -> list[SetAsideEntry]:
        """Rows in the order of their coming, `after` an id."""
        columns = [table.c[name] for name in _LISTED]
        query = select(*columns, func.length(table.c.payload)).where(table.c.id > after).order_by(table.c.id)
        if enterprise is not None:
            query = query.where(table.c.enterprise == enterprise)
        if reason is not None:
            query = query.where(table.c.reason == reason)
        with reading(self._bind) as connection:
            return [SetAsideEntry(*tuple(row)) for row in connection.execute(query.limit(limit))]

    def get(self, entry_id: int) -> SetAsideRow | None:
        """A row with its bytes."""
        with reading(self._bind) as connection:
            row = connection.execute(select(table).where(table.c.id == entry_id)).mappings().first()
        return None if row is None else _entry(row)

    def remove(self, ids: Sequence[int]) -> int:
        """Forget rows, once they were sent again or judged worthless; gives how many."""
        with writing(self._bind) as connection:
            return connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount

    def forget_before(self, at_ms: int) -> dict[tuple[str, str], int]:
        """Drop rows that came before; gives the readings dropped by (enterprise, reason), to be logged and shown."""
        old = table.c.received_at_ms < at_ms
        counted = select(table.c.enterprise, table.c.reason, func.sum(table.c["count"])).where(old)
        with writing(self._bind) as connection:
            dropped = connection.execute(counted.group_by(table.c.enterprise, table.c.reason)).all()
            connection.execute(delete(table).where(old))
        return {(enterprise, reason): int(count) for enterprise, reason, count in dropped}

    def trim(self, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> int:
        """Drop the oldest rows over the limits; gives how many, so that it can be counted and shown."""
        order = case((table.c.reason == "over_quota", 1), else_=0), table.c.id.desc()
        size = func.sum(func.length(table.c.payload)).over(order_by=order)
        place = func.row_number().over(order_by=order)
        ranked = select(table.c.id, size.label("size"), place.label("place")).subquery()
        over = select(ranked.c.id).where((ranked.c.size > max_bytes) | (ranked.c.place > max_rows))
        with writing(self._bind) as connection:
            return connection.execute(delete(table).where(table.c.id.in_(over))).rowcount


_LISTED = ("id", "received_at_ms", "enterprise", "sender", "batch_id", "reason", "detail", "count")


def _row(row: SetAsideRow) -> dict[str, Any]:
    return {
        "received_at_ms": row.received_at_ms,
        "enterprise": _text(row.enterprise, "enterprise"),
        "sender": _text(row.sender, "sender"),
        "batch_id": _text(row.batch_id, "batch_id"),
        "reason": row.reason,
        "detail": _text(row.detail, "detail"),
        "count": row.count,
        "payload": row.payload,
    }


def _entry(row: RowMapping) -> SetAsideRow:
    return SetAsideRow(
        row["received_at_ms"],
        row["enterprise"],
        row["sender"],
        row["batch_id"],
        row["reason"],
        row["detail"],
        row["count"],
        bytes(row["payload"]),
    )


def _text(text: str, column: str) -> str:
    """Text as its column takes it: PostgreSQL refuses NUL and over-long text, and nobody takes half of a character."""
    kind = table.c[column].type
    longest = kind.length if isinstance(kind, String) and kind.length else MAX_DETAIL
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:longest]
