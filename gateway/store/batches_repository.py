"""What is remembered of every batch, so that one that comes again gets the same answer.

What stays true: a row is written once, in one transaction with what was set aside of it; a batch that is known already
stays as it was first answered.
Limits: rows grow with every batch; `forget_before` is for housekeeping. A forgotten batch that comes again is stored
again, which changes nothing: the last of equal readings is the one that is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping, bindparam, delete, select

from collectors.wire import ReasonCount
from gateway.store.database import Bind, insert, reading, writing
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow
from gateway.store.schema import batches as table
from gateway.store.set_aside_repository import SetAsideRepository

# In one query: SQLite takes 32,766 variables, and a long list is no faster than two shorter ones.
KEYS_PER_QUERY = 500

_REASONS = msgspec.json.Decoder(tuple[ReasonCount, ...])
_OF_ONE_SENDER = select(table).where(
    table.c.enterprise == bindparam("enterprise"),
    table.c.sender == bindparam("sender"),
    table.c.batch_id.in_(bindparam("batch_ids", expanding=True)),
)


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

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> None:
        """Remember batches and keep what was set aside, in one transaction."""
        rows = [_row(batch) for batch in batches]
        kept = list(set_aside)
        if not rows and not kept:
            return
        with writing(self._bind) as connection:
            if rows:
                connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
            SetAsideRepository(connection).add(kept)

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
    )
