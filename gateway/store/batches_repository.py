"""What is remembered of every batch, so that one that comes again gets the same answer.

What stays true: a row is written once, in one transaction with what was set aside of it; a batch that is known already
stays as it was first answered. Of several processes that record a batch at once one writes, and the others are told.
Limits: rows grow with every batch; `forget_before` is for housekeeping. A forgotten batch that comes again is stored
again, which changes nothing: the last of equal readings is the one that is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import RowMapping, bindparam, delete, func, select

from collectors.wire import ReasonCount
from gateway.store.database import Bind, insert, reading, writing
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow
from gateway.store.schema import batches as table
from gateway.store.set_aside_repository import SetAsideRepository

# In one query: SQLite takes 32,766 variables, and a long list is no faster than two shorter ones.
KEYS_PER_QUERY = 500

# psycopg's cursor is gone, and its count with it, before we look.
_COUNTED = {"preserve_rowcount": True}

_REASONS = msgspec.json.Decoder(tuple[ReasonCount, ...])
_OF_ONE_SENDER = select(table).where(
    table.c.enterprise == bindparam("enterprise"),
    table.c.sender == bindparam("sender"),
    table.c.batch_id.in_(bindparam("batch_ids", expanding=True)),
)


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
        by_sender: dict[tuple[str, str], list[str]] = defaultdict(list)
        for enterprise, sender, batch_id in keys:
            by_sender[enterprise, sender].append(batch_id)
        found: dict[BatchKey, BatchRow] = {}
        with reading(self._bind) as connection:
            for (enterprise, sender), ids in by_sender.items():
                for start in range(0, len(ids), KEYS_PER_QUERY):
                    chosen = ids[start : start + KEYS_PER_QUERY]
                    parameters = {"enterprise": enterprise, "sender": sender, "batch_ids": chosen}
                    for row in connection.execute(_OF_ONE_SENDER, parameters):
                        batch = _batch(row._mapping)
                        found[batch.key] = batch
        return found

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> Mapping[BatchKey, BatchRow]:
        """Remember batches and keep what was set aside, in one transaction.

        Gives those of the batches that are known already, as they stand; if there are any, nothing was written. Each
        batch may be named once.
        """
        # In one order for all processes, so that two of them cannot each wait for a row of the other.
        rows = sorted((_row(batch) for batch in batches), key=itemgetter("enterprise", "sender", "batch_id"))
        kept = list(set_aside)
        if not rows and not kept:
            return {}
        overtaken: Mapping[BatchKey, BatchRow] = {}
        while not overtaken and not self._recorded(rows, kept):
            overtaken = self.known([(row["enterprise"], row["sender"], row["batch_id"]) for row in rows])
        return overtaken

    def _recorded(self, rows: list[dict[str, Any]], kept: list[SetAsideRow]) -> bool:
        """Whether all of it was written; otherwise nothing was, because a batch is known already."""
        try:
            with writing(self._bind) as connection:
                # Waits for another process that is writing the same row, then passes over it.
                statement = insert(connection, table).on_conflict_do_nothing()
                if rows and connection.execute(statement, rows, execution_options=_COUNTED).rowcount < len(rows):
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

    def forget_before(self, at_ms: int) -> int:
        """Forget batches received before; gives how many. To be called with a time older than any sender's memory."""
        with writing(self._bind) as connection:
            return connection.execute(delete(table).where(table.c.received_at_ms < at_ms)).rowcount


def _row(batch: BatchRow) -> dict[str, Any]:
    return {
        "enterprise": batch.enterprise,
        "sender": batch.sender,
        "batch_id": batch.batch_id,
        "payload_hash": batch.payload_hash,
        "received_at_ms": batch.received_at_ms,
        "accepted": batch.accepted,
        "set_aside": batch.set_aside,
        "reasons": msgspec.json.encode(batch.reasons).decode(),
        "signature": batch.signature,
        "key_id": batch.key_id,
    }


def _batch(row: RowMapping) -> BatchRow:
    return BatchRow(
        row["enterprise"],
        row["sender"],
        row["batch_id"],
        row["payload_hash"],
        row["received_at_ms"],
        row["accepted"],
        row["set_aside"],
        _REASONS.decode(row["reasons"]),
        row["signature"],
        row["key_id"],
    )
