"""Statements of months, quarters and years and their ratings, version by version.

What stays true:
- Of a period's versions at most the newest is open. An open version follows the ledger in place; a closed one never
  changes, and what is corrected later stands in the next version, which names its predecessor.
- Writing the same body again changes nothing. Every real change appends to the feed in the same transaction.
- Whoever writes a month's version or rating marks, in the same transaction, the quarter and year to be summed anew.
- Bodies are text as their maker spelled them (canonical JSON); the hash is SHA-256 over exactly that text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, select, update

from collectors.errors import StoreRefused
from gateway.store.canonical_json import sha256_of
from gateway.store.changes_repository import ToldChange, hold_feed, note_changes, tell
from gateway.store.database import Bind, reading, upsert, writing
from gateway.store.due_sums_repository import DueSumsRepository
from gateway.store.schema import ratings, statements

IDS_PER_QUERY = 500  # well under what SQLite and PostgreSQL take in one IN

_table = statements.c
_newer = statements.alias("newer").c
_HAS_NEWER = exists().where(
    _newer.enterprise == _table.enterprise, _newer.period == _table.period, _newer.version > _table.version
)
_IS_MONTH = and_(func.length(_table.period) == len("2026-10"), _table.period.not_like("%Q%"))

Status = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """One version of the statement of a month, quarter or year."""

    enterprise: str
    period: str  # 2026-10, 2026-Q4, 2026
    version: int  # 1, 2, 3 …
    status: Status
    body: str  # canonical JSON
    hash: str  # SHA-256 hex over body
    signature: str  # of a closed one; "" while open
    predecessor: int | None  # the version that this one corrects
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class StoredRating:
    """The rating of one version of a statement."""

    enterprise: str
    period: str
    version: int
    colour: str
    body: str
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Written:
    """What is new of one enterprise's period."""

    statement: StoredStatement | None = None  # open, or closed with its signature
    rating: StoredRating | None = None

    def told(self) -> Iterator[ToldChange]:
        """What the feed says of it: a version that is closed at once was open first."""
        if self.statement is not None:
            yield "statement", *self._version(self.statement)
        if self.rating is not None:
            yield "rating", *self._version(self.rating)
        if self.statement is not None and self.statement.status == "closed":
            yield "statement", *self._version(self.statement)

    @staticmethod
    def _version(row: StoredStatement | StoredRating) -> tuple[str, str, int]:
        return row.enterprise, row.period, row.version


class StatementsRepository:
    """Statements and ratings in and out of their tables."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def freeze(self, enterprise: str, period: str, version: int, body: str, signature: str, now_ms: int) -> None:
        """Close the open version with its final body and the signature over it; StoreRefused if it is not open."""
        with writing(self._bind) as connection:
            hold_feed(connection)
            closed = connection.execute(
                update(statements)
                .where(
                    _table.enterprise == enterprise,
                    _table.period == period,
                    _table.version == version,
                    _table.status == "open",
                )
                .values(status="closed", body=body, hash=sha256_of(body), signature=signature, updated_at_ms=now_ms)
            )
            if closed.rowcount != 1:
                raise StoreRefused(f"{enterprise} {period}: version {version} is not open, so it cannot be closed")
            note_changes(connection, "statement", [(enterprise, period, version)], now_ms)
            DueSumsRepository(connection).mark([(enterprise, period)])

    def newest(self, enterprise: str, period: str) -> StoredStatement | None:
        """The newest version."""
        with reading(self._bind) as connection:
            return _newest(connection, enterprise, period)

    def versions(self, enterprise: str, period: str) -> list[StoredStatement]:
        """All versions, oldest first."""
        query = select(statements).where(_table.enterprise == enterprise, _table.period == period)
        with reading(self._bind) as connection:
            return [_statement(row) for row in connection.execute(query.order_by(_table.version))]

    def version(self, enterprise: str, period: str, version: int) -> StoredStatement | None:
        """One version; None if it is not there."""
        query = select(statements).where(
            _table.enterprise == enterprise, _table.period == period, _table.version == version
        )
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _statement(row)

    def of_enterprise(self, enterprise: str) -> list[StoredStatement]:
        """All versions of all periods of an enterprise, oldest first."""
        query = select(statements).where(_table.enterprise == enterprise).order_by(_table.period, _table.version)
        with reading(self._bind) as connection:
            return [_statement(row) for row in connection.execute(query)]

    def enterprises(self) -> list[str]:
        """Those that have a statement."""
        with reading(self._bind) as connection:
            query = select(_table.enterprise).distinct().order_by(_table.enterprise)
            return list(connection.execute(query).scalars())

    def open_months(self) -> list[StoredStatement]:
        """Versions of months that are open, by month and enterprise."""
        query = select(statements).where(_table.status == "open", _IS_MONTH).order_by(_table.period, _table.enterprise)
        with reading(self._bind) as connection:
            return [_statement(row) for row in connection.execute(query)]

    def newest_months(self, enterprises: Collection[str], year: str) -> dict[str, list[StoredStatement]]:
        """The newest versions of a year's months, by month; an enterprise without any is missing."""
        months = [f"{year}-{number:02}" for number in range(1, 13)]
        query = (
            select(statements).where(_table.period.in_(months), ~_HAS_NEWER).order_by(_table.enterprise, _table.period)
        )
        found: dict[str, list[StoredStatement]] = {}
        for row in self._among(query, _table.enterprise, enterprises):
            found.setdefault(row.enterprise, []).append(_statement(row))
        return found

    def first_months(self, enterprises: Collection[str]) -> dict[str, str]:
        """The first month that each has a statement of; one without any is missing."""
        query = select(_table.enterprise, func.min(_table.period).label("first")).where(_IS_MONTH)
        rows = self._among(query.group_by(_table.enterprise), _table.enterprise, enterprises)
        return {row.enterprise: row.first for row in rows}

    def page(
        self, period: str, limit: int, after: str = "", among: Collection[str] | None = None
    ) -> list[StoredStatement]:
        """The newest version of each enterprise above `after`, by enterprise; `among` None = of all enterprises."""
        query = select(statements).where(_table.period == period, ~_HAS_NEWER).order_by(_table.enterprise)
        found: list[StoredStatement] = []
        with reading(self._bind) as connection:
            if among is None:
                rows = connection.execute(query.where(_table.enterprise > after).limit(limit))
                return [_statement(row) for row in rows]
            wanted = sorted(enterprise for enterprise in among if enterprise > after)
            for first in range(0, len(wanted), IDS_PER_QUERY):
                ids = wanted[first : first + IDS_PER_QUERY]
                rows = connection.execute(query.where(_table.enterprise.in_(ids)).limit(limit - len(found)))
                found += [_statement(row) for row in rows]
                if len(found) == limit:
                    break
        return found

    def newest_of(self, enterprises: Collection[str], period: str) -> dict[str, StoredStatement]:
        """The newest version of a period, of those enterprises that have one."""
        query = select(statements).where(_table.period == period, ~_HAS_NEWER)
        return {row.enterprise: _statement(row) for row in self._among(query, _table.enterprise, enterprises)}

    def ratings_of(self, versions: Iterable[StoredStatement]) -> dict[str, StoredRating]:
        """The ratings of these versions, one an enterprise and all of one period; one without a rating is missing."""
        wanted = {one.enterprise: one for one in versions}
        found: dict[str, StoredRating] = {}
        for period in {one.period for one in wanted.values()}:
            query = select(ratings).where(ratings.c.period == period)
            for row in self._among(query, ratings.c.enterprise, wanted):
                if row.version == wanted[row.enterprise].version:
                    found[row.enterprise] = StoredRating(**row._mapping)
        return found

    def _among(
        self, query: Select[Any], column: ColumnElement[Any], enterprises: Collection[str]
    ) -> Iterator[Row[Any]]:
        wanted = sorted(enterprises)
        with reading(self._bind) as connection:
            for first in range(0, len(wanted), IDS_PER_QUERY):
                yield from connection.execute(query.where(column.in_(wanted[first : first + IDS_PER_QUERY])))

    def put_all(self, written: Sequence[Written], now_ms: int) -> None:
        """Write versions and ratings of many enterprises as they should stand, and tell the feed in this order.

        The caller has read what stands in the same transaction, after `hold_feed`, and gives only what differs. A
        statement is the newest version if that is open, the next one if it is closed, the first if there is none;
        StoreRefused for any other, and then nothing is written.
        """
        with writing(self._bind) as connection:
            hold_feed(connection)
            fresh = [one.statement for one in written if one.statement is not None]
            self._check_due(connection, fresh)
            upsert(connection, statements, [_columns(statement) for statement in fresh])
            upsert(connection, ratings, [_columns(one.rating) for one in written if one.rating is not None])
            tell(connection, [change for one in written for change in one.told()], now_ms)
            rows = [row for one in written for row in (one.statement, one.rating) if row is not None]
            DueSumsRepository(connection).mark((row.enterprise, row.period) for row in rows)

    def _check_due(self, connection: Connection, fresh: Sequence[StoredStatement]) -> None:
        """A closed version is never written again, and no version is left out."""
        columns = (_table.enterprise, _table.period, _table.version, _table.status)
        for period in sorted({one.period for one in fresh}):
            wanted = [one for one in fresh if one.period == period]
            query = select(*columns).where(_table.period == period, ~_HAS_NEWER)
            within = StatementsRepository(connection)
            newest = {
                row.enterprise: row
                for row in within._among(query, _table.enterprise, [one.enterprise for one in wanted])
            }
            for one in wanted:
                stands = newest.get(one.enterprise)
                due = 1 if stands is None else stands.version + (stands.status == "closed")
                if one.version != due:
                    raise StoreRefused(
                        f"{one.enterprise} {period}: version {due} is due, not {one.version}; read the newest again"
                    )

    def rating(self, enterprise: str, period: str, version: int) -> StoredRating | None:
        """The rating of a statement's version."""
        with reading(self._bind) as connection:
            return _rating(connection, enterprise, period, version)


def _columns(row: StoredStatement | StoredRating) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _newest(connection: Connection, enterprise: str, period: str) -> StoredStatement | None:
    query = select(statements).where(_table.enterprise == enterprise, _table.period == period)
    row = connection.execute(query.order_by(_table.version.desc()).limit(1)).one_or_none()
    return None if row is None else _statement(row)


def _statement(row: Row[tuple[object, ...]]) -> StoredStatement:
    return StoredStatement(**row._mapping)


def _rating(connection: Connection, enterprise: str, period: str, version: int) -> StoredRating | None:
    query = select(ratings).where(
        ratings.c.enterprise == enterprise, ratings.c.period == period, ratings.c.version == version
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredRating(**row._mapping)
