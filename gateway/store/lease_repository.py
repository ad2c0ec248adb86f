"""Leases: of several processes on one database, one at a time does the work.

What stays true: a lease has one holder until it expires or is released; the fence grows with each new holding, so a
holder that was paused and woke up late is recognised: `require` in the transaction of its work refuses it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from collectors.errors import StoreRefused
from gateway.store.database import Bind, insert, writing
from gateway.store.schema import leases as table


class LeaseLost(StoreRefused):
    """Another process holds the lease now: drop this work, it will be done there."""


class LeaseRepository:
    """Leases in their table. `holder` names one run of one process."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def acquire(self, name: str, holder: str, now_ms: int, ttl_ms: int) -> int | None:
        """The fence if the lease is free, expired or the holder's own, which it then keeps for ttl_ms; else None."""
        with writing(self._bind) as connection:
            # A first row that nobody holds, so that there is always one to lock.
            free = {"name": name, "holder": "", "fence": 0, "expires_at_ms": 0}
            connection.execute(insert(connection, table).on_conflict_do_nothing(), free)
            row = connection.execute(select(table).where(table.c.name == name).with_for_update()).one()
            held = row.expires_at_ms > now_ms
            if held and row.holder != holder:
                return None
            fence = int(row.fence) if held else int(row.fence) + 1
            connection.execute(
                update(table)
                .where(table.c.name == name)
                .values(holder=holder, fence=fence, expires_at_ms=now_ms + ttl_ms)
            )
            return fence

    def renew(self, name: str, holder: str, fence: int, now_ms: int, ttl_ms: int) -> bool:
        """Keep the lease for another ttl_ms; False if it is not this holder's any more."""
        own = (table.c.name == name, table.c.holder == holder, table.c.fence == fence, table.c.expires_at_ms > now_ms)
        with writing(self._bind) as connection:
            return connection.execute(update(table).where(*own).values(expires_at_ms=now_ms + ttl_ms)).rowcount == 1

    def release(self, name: str, holder: str) -> None:
        """Give the lease to whoever asks next; nothing happens if it is another's already."""
        own = update(table).where(table.c.name == name, table.c.holder == holder)
        with writing(self._bind) as connection:
            connection.execute(own.values(expires_at_ms=0))

    def require(self, name: str, fence: int) -> None:
        """Raise LeaseLost unless this fence is the newest; in a caller's transaction it stays so until that ends.

        Transactions of one holder do not wait for each other; who wants to take the lease over waits for them.
        """
        with writing(self._bind) as connection:
            query = select(table.c.fence).where(table.c.name == name).with_for_update(read=True)
            if connection.execute(query).scalar_one_or_none() != fence:
                raise LeaseLost(f"the lease {name} has another holder by now; its work is done there")


def guard_of(name: str, fence: int) -> Callable[[Connection], None]:
    """For `database.guarded`: refuses the writes of a holder that another one has followed."""
    return lambda connection: LeaseRepository(connection).require(name, fence)
