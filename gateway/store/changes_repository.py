"""The change feed: what the platform follows, in order and without gaps.

What stays true: numbers are 1, 2, 3 … because they are handed out while one writer holds the feed, in the transaction
of the change itself. A reader that has seen number n has seen everything below n, and nothing below n comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, func, select

from gateway.store.database import Bind, reading, take_turns
from gateway.store.schema import changes

ChangeKind = Literal["statement", "rating", "reopening"]
ToldChange = tuple[ChangeKind, str, str, int]  # kind, enterprise, period, version


@dataclass(frozen=True, slots=True)
class Change:
    """This version of this account is there now."""

    seq: int
    kind: ChangeKind
    enterprise: str
    period: str
    version: int
    at_ms: int


class ChangesRepository:
    """Reads the feed; statements and ratings write it themselves."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def after(self, seq: int, limit: int) -> list[Change]:
        """Up to `limit` changes with a number above `seq`, in order."""
        query = select(changes).where(changes.c.seq > seq).order_by(changes.c.seq).limit(limit)
        with reading(self._bind) as connection:
            return [Change(**row._mapping) for row in connection.execute(query)]


def hold_feed(connection: Connection) -> None:
    """Be the only writer of the feed until this transaction ends. Taken before any row is, so nobody deadlocks."""
    take_turns(connection, changes)


def note_changes(
    connection: Connection, kind: ChangeKind, versions: Sequence[tuple[str, str, int]], at_ms: int
) -> None:
    """Append one change per (enterprise, period, version); the caller holds the feed."""
    tell(connection, [(kind, *version) for version in versions], at_ms)


def tell(connection: Connection, told: Sequence[ToldChange], at_ms: int) -> None:
    """Append changes of any kind in this order; the caller holds the feed."""
    if not told:
        return
    last = connection.execute(select(func.coalesce(func.max(changes.c.seq), 0))).scalar_one()
    rows = [
        {"seq": seq, "kind": kind, "enterprise": enterprise, "period": period, "version": version, "at_ms": at_ms}
        for seq, (kind, enterprise, period, version) in enumerate(told, last + 1)
    ]
    connection.execute(changes.insert(), rows)
