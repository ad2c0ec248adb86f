"""Claims: of several processes that share the roll-up, each works on the enterprises that it has claimed.

What stays true:
- An enterprise is one holder's until the claim expires or is given back. Each taking, a takeover too, makes its fence
  one higher, so a holder that was paused is recognised: its guard refuses every transaction that it begins later.
- Who takes claims waits for nobody (SKIP LOCKED): he gets what is free, and nothing of what another is taking or of
  what a holder's transaction is under way for.
- A holder's transactions, its renewals and its giving back do not wait for each other: the guard holds the rows'
  keys (KEY SHARE), and of these only a taker asks for more.

Limit: expiry goes by the clocks of the processes. Clocks that are off make a takeover early or late, never unsafe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Select, exists, or_, select, tuple_, union, update

from gateway.store.database import Bind, insert, reading, writing
from gateway.store.lease_repository import LeaseLost
from gateway.store.schema import dirty_days, dirty_hours, due_sums, points
from gateway.store.upkeep_schema import rollup_claims as table

IDS_PER_STATEMENT = 500  # well under what SQLite and PostgreSQL take in one IN


class ClaimLost(LeaseLost):
    """Another process has taken enterprises over: drop this work, it is done there."""

    def __init__(self, enterprises: Sequence[str]) -> None:
        super().__init__(f"{', '.join(enterprises)}: claimed by another process by now; their accounts are made there")
        self.enterprises = enterprises


@dataclass(frozen=True, slots=True)
class Taken:
    """What one taking got."""

    fences: Mapping[str, int]  # enterprise -> the fence of this holding
    taken_over: int  # of them from holders that had not given them back


class ClaimsRepository:
    """Claims in their table. `holder` names one process, for people; what counts is the fence."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def due(self, before: date) -> list[str]:
        """Enterprises that have dirty hours, marked days before a day, or quarters or years to be summed; in order."""
        of_points = dirty_hours.join(points, points.c.point_id == dirty_hours.c.point_id)
        every = union(
            select(points.c.enterprise).select_from(of_points),
            select(dirty_days.c.enterprise).where(dirty_days.c.day < before.isoformat()),
            select(due_sums.c.enterprise),
        )
        with reading(self._bind) as connection:
            return sorted(connection.execute(every).scalars())

    def make_rows(self, enterprises: Iterable[str]) -> None:
        """Let these be claimed: each that has no row gets one, free."""
        with writing(self._bind) as connection:
            _add(connection, enterprises)

    def take_due(self, among: Sequence[str], limit: int, before: date, holder: str, now_ms: int, ttl_ms: int) -> Taken:
        """Take up to `limit` of these that are free and still have anything due, the first ones."""
        name = table.c.enterprise
        of_points = dirty_hours.join(points, points.c.point_id == dirty_hours.c.point_id)
        ended = dirty_days.c.day < before.isoformat()
        due = or_(
            exists(select(dirty_days.c.day).where(dirty_days.c.enterprise == name, ended)),
            exists(select(points.c.point_id).select_from(of_points).where(points.c.enterprise == name)),
            exists(select(due_sums.c.period).where(due_sums.c.enterprise == name)),
        )
        with writing(self._bind) as connection:
            query = select(table).where(name.in_(among[:IDS_PER_STATEMENT]), due).limit(limit)
            return _take(connection, query, holder, now_ms, ttl_ms)

    def take(self, enterprises: Collection[str], limit: int, holder: str, now_ms: int, ttl_ms: int) -> Taken:
        """Take up to `limit` of these that are free, whether anything is due or not."""
        wanted = sorted(enterprises)[:IDS_PER_STATEMENT]
        with writing(self._bind) as connection:
            _add(connection, wanted)
            query = select(table).where(table.c.enterprise.in_(wanted)).limit(limit)
            return _take(connection, query, holder, now_ms, ttl_ms)

    def renew(self, fences: Mapping[str, int], expires_at_ms: int) -> None:
        """Keep what is still held, also what has expired and nobody took."""
        self._set(fences, expires_at_ms)

    def give_back(self, fences: Mapping[str, int]) -> None:
        """Let whoever comes next have what is still held."""
        self._set(fences, 0)

    def require(self, fences: Mapping[str, int]) -> None:
        """Raise ClaimLost unless all of these are held; in a caller's transaction they stay so until that ends."""
        query = select(table.c.enterprise, table.c.fence).where(table.c.enterprise.in_(sorted(fences)))
        with writing(self._bind) as connection:
            rows = connection.execute(query.with_for_update(read=True, key_share=True)).all()
        stand = {row.enterprise: row.fence for row in rows}
        lost = sorted(name for name, fence in fences.items() if stand.get(name) != fence)
        if lost:
            raise ClaimLost(lost)

    def held(self, now_ms: int) -> dict[str, str]:
        """Enterprise -> holder, of the claims that have not expired."""
        with reading(self._bind) as connection:
            rows = connection.execute(select(table).where(table.c.expires_at_ms > now_ms))
            return {row.enterprise: row.holder for row in rows}

    def _set(self, fences: Mapping[str, int], expires_at_ms: int) -> None:
        held = tuple_(table.c.enterprise, table.c.fence).in_(sorted(fences.items()))
        with writing(self._bind) as connection:
            connection.execute(update(table).where(held).values(expires_at_ms=expires_at_ms))


def guard_of(fences: Mapping[str, int]) -> Callable[[Connection], None]:
    """For `database.guarded`: refuses the writes of a holder from whom any of these was taken."""
    return lambda connection: ClaimsRepository(connection).require(fences)


def _add(connection: Connection, enterprises: Iterable[str]) -> None:
    rows = [{"enterprise": name, "holder": "", "fence": 0, "expires_at_ms": 0} for name in sorted(enterprises)]
    if rows:
        connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)


def _take(connection: Connection, query: Select[tuple[object, ...]], holder: str, now_ms: int, ttl_ms: int) -> Taken:
    free = query.where(table.c.expires_at_ms <= now_ms).order_by(table.c.enterprise)
    rows = connection.execute(free.with_for_update(skip_locked=True)).all()
    fences = {row.enterprise: row.fence + 1 for row in rows}
    taken = update(table).where(table.c.enterprise.in_(sorted(fences)))
    values = {"holder": holder, "fence": table.c.fence + 1, "expires_at_ms": now_ms + ttl_ms}
    if fences:
        connection.execute(taken.values(values))
    return Taken(fences, sum(row.expires_at_ms > 0 for row in rows))
