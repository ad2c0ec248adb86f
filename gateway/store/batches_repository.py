"""What is remembered of every batch, so that one that comes again gets the same answer.

What stays true: a row is written once, in one transaction with what was set aside of it; a batch that is known already
stays as it was first answered. Of several processes that record a batch at once one writes, and the others are told.
Limits: rows grow with every batch; `forget_before` is for housekeeping. A forgotten batch that comes again is stored
again, which changes nothing: the last of equal readings is the one that is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, CursorResult, delete, func, select

from collectors.wire import ReasonCount
from gateway.store.database import Bind, reading, writing
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow
from gateway.store.schema import batches as table
from gateway.store.set_aside_repository import SetAsideRepository

# Rows of one statement, the most first: SQLite takes 32,766 variables, PostgreSQL 65,535. Few sizes, because the driver
# keeps statements that it has seen, each with its program and its values: as many as there are sizes. Powers of two,
# because each statement costs as much as three rows.
STATEMENT_ROWS = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)

_REASONS = msgspec.json.Decoder(tuple[ReasonCount, ...])
_ENCODER = msgspec.json.Encoder()

# A thousand rows pass here in each commit. SQLAlchemy builds a dictionary and runs the statement once for each: 20 µs a
# row in SQLite, against 5 for a statement of many rows that goes to the driver as it stands.
_COLUMNS = (
    "enterprise", "sender", "batch_id", "payload_hash", "received_at_ms", "accepted", "set_aside", "reasons",
    "signature", "key_id",
)  # fmt: skip
_INSERT = f"INSERT INTO {table.name} ({', '.join(_COLUMNS)}) VALUES {{rows}} ON CONFLICT DO NOTHING"
# Not `(enterprise, sender, batch_id) IN (VALUES …)`, for which SQLite walks through the whole table.
_KNOWN = f"""
WITH wanted (in_enterprise, of_sender, with_id) AS (VALUES {{rows}})
SELECT {", ".join(_COLUMNS)} FROM wanted CROSS JOIN {table.name}
WHERE enterprise = in_enterprise AND sender = of_sender AND batch_id = with_id
"""
_MARKERS = {"sqlite": "?", "postgresql": "%s"}  # of the drivers

_Row = tuple[str, str, str, str, int, int, int, str, str, str]
_Tuple = TypeVar("_Tuple", bound=tuple[Any, ...])


class _Overtaken(Exception):
    """Leaves the transaction without a trace."""


@dataclass(frozen=True, slots=True)
class SignatureCount:
    """So many batches with the same verdict under the same key."""

    signature: str  # "" = from before signatures were looked at
    key_id: str
    batches: int
    newest_ms: int


class BatchesRepository:
    """Batches by enterprise, sender and id."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def known(self, keys: Sequence[BatchKey]) -> Mapping[BatchKey, BatchRow]:
        """Those of the batches that were seen before."""
        found: dict[BatchKey, BatchRow] = {}
        with reading(self._bind) as connection:
            for some in _portions(keys):
                for row in _of_many(connection, _KNOWN, some):
                    batch = _batch(row)
                    found[batch.key] = batch
        return found

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> Mapping[BatchKey, BatchRow]:
        """Remember batches and keep what was set aside, in one transaction.

        Gives those of the batches that are known already, as they stand; if there are any, nothing was written. Each
        batch may be named once.
        """
        # In one order for all processes, so that two of them cannot each wait for a row of the other.
        rows = sorted(_row(batch) for batch in batches)
        kept = list(set_aside)
        if not rows and not kept:
            return {}
        overtaken: Mapping[BatchKey, BatchRow] = {}
        while not overtaken and not self._recorded(rows, kept):
            overtaken = self.known([row[:3] for row in rows])
        return overtaken

    def _recorded(self, rows: list[_Row], kept: list[SetAsideRow]) -> bool:
        """Whether all of it was written; otherwise nothing was, because a batch is known already."""
        try:
            with writing(self._bind) as connection:
                # Waits for another process that is writing the same row, then passes over it.
                for some in _portions(rows):
                    if _of_many(connection, _INSERT, some).rowcount < len(some):
                        raise _Overtaken
                SetAsideRepository(connection).add(kept)
        except _Overtaken:
            return False
        return True

    def signatures(self, enterprise: str, sender: str, newest: int) -> list[SignatureCount]:
        """What a sender's newest batches carried, by verdict and key; newest by their ids, which begin with a time."""
        columns = (table.c.signature, table.c.key_id, table.c.received_at_ms)
        own = select(*columns).where(table.c.enterprise == enterprise, table.c.sender == sender)
        some = own.order_by(table.c.batch_id.desc()).limit(newest).subquery()
        last = func.max(some.c.received_at_ms)
        query = select(some.c.signature, some.c.key_id, func.count().label("batches"), last.label("last"))
        with reading(self._bind) as connection:
            rows = connection.execute(query.group_by(some.c.signature, some.c.key_id).order_by(last.desc())).all()
        return [SignatureCount(row.signature, row.key_id, int(row.batches), int(row.last)) for row in rows]

    def signatures_made(self, enterprise: str, sender: str, first_id: str, end_id: str) -> list[SignatureCount]:
        """What batches with first_id <= id < end_id carried, by verdict and key."""
        return self._signatures(enterprise, sender, (table.c.batch_id >= first_id) & (table.c.batch_id < end_id))

    def signatures_come(self, enterprise: str, sender: str, start_ms: int, end_ms: int) -> list[SignatureCount]:
        """What batches carried that came in start_ms <= at < end_ms: for senders whose ids hold no time."""
        at_ms = table.c.received_at_ms
        return self._signatures(enterprise, sender, (at_ms >= start_ms) & (at_ms < end_ms))

    def _signatures(self, enterprise: str, sender: str, among: ColumnElement[bool]) -> list[SignatureCount]:
        by, last = (table.c.signature, table.c.key_id), func.max(table.c.received_at_ms).label("last")
        query = select(*by, func.count().label("batches"), last).group_by(*by).order_by(*by)
        own = query.where(table.c.enterprise == enterprise, table.c.sender == sender, among)
        with reading(self._bind) as connection:
            rows = connection.execute(own).all()
        return [SignatureCount(row.signature, row.key_id, int(row.batches), int(row.last)) for row in rows]

    def forget_before(self, at_ms: int) -> int:
        """Forget batches received before; gives how many. To be called with a time older than any sender's memory."""
        with writing(self._bind) as connection:
            return connection.execute(delete(table).where(table.c.received_at_ms < at_ms)).rowcount


def _portions(rows: Sequence[_Tuple]) -> Iterator[Sequence[_Tuple]]:
    """All rows in order, each time as many as the largest statement that they fill."""
    start = 0
    for size in STATEMENT_ROWS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _of_many(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> CursorResult[Any]:
    """Run a statement with {rows} in it for equally long rows."""
    marker = _MARKERS[connection.dialect.name]
    one = f"({', '.join([marker] * len(rows[0]))})"
    values = tuple(itertools.chain.from_iterable(rows))
    return connection.exec_driver_sql(statement.format(rows=", ".join([one] * len(rows))), values)


def _row(batch: BatchRow) -> _Row:
    reasons = _ENCODER.encode(batch.reasons).decode() if batch.reasons else "[]"
    return (
        *batch.key, batch.payload_hash, batch.received_at_ms, batch.accepted, batch.set_aside, reasons,
        batch.signature, batch.key_id,
    )  # fmt: skip


def _batch(row: Sequence[Any]) -> BatchRow:
    """From the values of _COLUMNS."""
    enterprise, sender, batch_id, payload_hash, received_at_ms, accepted, set_aside, reasons, *signed = row
    counts = received_at_ms, accepted, set_aside, _REASONS.decode(reasons)
    return BatchRow(enterprise, sender, batch_id, payload_hash, *counts, *signed)
