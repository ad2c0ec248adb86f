"""The ledger on disk: a chain of entries per enterprise that only grows.

What stays true:
- Entries are appended whole or not at all, and only onto the head they were made for: sequence numbers have no gaps,
  and of two writers that start from the same head one is refused with `ChainMoved`. The primary key and a unique
  constraint (an entry is taken back at most once) hold this even against a writer that does not use this class.
- What is read is exactly what was appended (`gateway.store.entry_columns`); the frame of an entry is stored with it.

Whether an entry's hash is right is `gateway.carbon.ledger`'s knowledge, not checked here.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Text, and_, column, exists, func, select, values
from sqlalchemy.exc import IntegrityError

from collectors.errors import StoreRefused
from gateway.carbon.model import Entry
from gateway.store.database import Bind, reading, writing
from gateway.store.entry_columns import (
    COLUMNS,
    IDS_PER_QUERY,
    WITH_FRAME,
    entries_with_frames,
    entry_of,
    keep_frames,
    row_of,
)
from gateway.store.schema import ledger_entries

ZERO_HASH = "0" * 64  # what the first entry of a chain follows
CHUNK = 2_000  # entries held in memory while a chain is walked

FEW = 5  # chains whose heads are asked for one by one

_table = ledger_entries.c
_reversal = ledger_entries.alias("reversal").c
_TAKEN_BACK = exists().where(_reversal.enterprise == _table.enterprise, _reversal.reverses == _table.seq)
# Not `reverses IS NULL`: SQLite would then walk all of an enterprise's entries by that index in place of the few days.
_NO_REVERSAL = func.coalesce(_table.reverses, 0) == 0


class ChainMoved(StoreRefused):
    """Somebody appended to this chain meanwhile: read the newest entry again, and compute again."""


class LedgerRepository:
    """Entries in and out of `ledger_entries`."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries, those of one enterprise in the chain's order; durable on return.

        Raises ChainMoved if an entry does not follow its chain's head, and StoreRefused if one reverses an entry that
        is taken back already. Then nothing is appended.
        """
        if not entries:
            return
        chains: dict[str, list[Entry]] = {}
        for entry in entries:
            chains.setdefault(entry.draft.enterprise, []).append(entry)
        with writing(self._bind) as connection:
            found = _heads(connection, chains, _table.enterprise, _table.seq, _table.hash)
            heads = {row.enterprise: (row.seq, row.hash) for row in found}
            # Always in the same order, so that two writers wait for each other and do not deadlock.
            for enterprise in sorted(chains):
                _check_follows(heads.get(enterprise, (0, ZERO_HASH)), chains[enterprise])
            _insert(connection, [entry for enterprise in sorted(chains) for entry in chains[enterprise]])

    def newest(self, enterprise: str) -> Entry | None:
        """The head of the chain."""
        with reading(self._bind) as connection:
            return _newest(connection, enterprise)

    def entry(self, enterprise: str, seq: int) -> Entry | None:
        query = entries_with_frames().where(_table.enterprise == enterprise, _table.seq == seq)
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else entry_of(row)

    def reversal_of(self, enterprise: str, seq: int) -> Entry | None:
        """The entry that takes this one back, if there is one."""
        query = entries_with_frames().where(_table.enterprise == enterprise, _table.reverses == seq)
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else entry_of(row)

    def standing(self, enterprise: str, sources: Collection[str] | None, start_day: date, end_day: date) -> list[Entry]:
        """Entries of start_day <= day < end_day that are neither reversals nor reversed, by seq; None = all sources."""
        query = entries_with_frames().where(
            _table.enterprise == enterprise,
            _table.day >= start_day.isoformat(),
            _table.day < end_day.isoformat(),
            _NO_REVERSAL,
            ~_TAKEN_BACK,
        )
        if sources is not None:
            query = query.where(_table.source.in_(sorted(sources)))
        with reading(self._bind) as connection:
            return [entry_of(row) for row in connection.execute(query.order_by(_table.seq))]

    def standing_of(self, enterprises: Collection[str], start_day: date, end_day: date) -> dict[str, list[Entry]]:
        """What `standing` gives, of many enterprises at once; those without any are missing."""
        query = entries_with_frames().where(
            _table.day >= start_day.isoformat(), _table.day < end_day.isoformat(), _NO_REVERSAL, ~_TAKEN_BACK
        )
        found: dict[str, list[Entry]] = {}
        with reading(self._bind) as connection:
            for some in _slices(sorted(enterprises)):
                among = query.where(_table.enterprise.in_(some))
                for row in connection.execute(among.order_by(_table.enterprise, _table.seq)):
                    found.setdefault(row.enterprise, []).append(entry_of(row))
        return found

    def standing_on(self, days_of: Mapping[str, Collection[date]]) -> dict[str, list[Entry]]:
        """What `standing` gives, of just these days of enterprises; those without any are missing."""
        alike: dict[tuple[str, ...], list[str]] = {}  # days -> enterprises: most ask for the same days
        for enterprise in sorted(days_of):
            days = tuple(sorted(day.isoformat() for day in set(days_of[enterprise])))
            alike.setdefault(days, []).append(enterprise)
        found: dict[str, list[Entry]] = {}
        with reading(self._bind) as connection:
            for days, enterprises in alike.items():
                for some, own in itertools.product(_slices(enterprises), _slices(days)):
                    query = entries_with_frames().where(
                        _table.enterprise.in_(some), _table.day.in_(own), _NO_REVERSAL, ~_TAKEN_BACK
                    )
                    for row in connection.execute(query):
                        found.setdefault(row.enterprise, []).append(entry_of(row))
        return found

    def newest_of(self, enterprises: Collection[str]) -> dict[str, Entry]:
        """The head of each chain; an enterprise without a chain is missing."""
        with reading(self._bind) as connection:
            return {
                row.enterprise: entry_of(row) for row in _heads(connection, enterprises, *COLUMNS, source=WITH_FRAME)
            }

    def last_seqs(self, enterprises: Collection[str]) -> dict[str, int]:
        """The number of each chain's head; an enterprise without a chain is missing."""
        with reading(self._bind) as connection:
            return {row.enterprise: row.seq for row in _heads(connection, enterprises, _table.enterprise, _table.seq)}

    def entries(self, enterprise: str, start_day: date, end_day: date, after: int = 0, limit: int = 500) -> list[Entry]:
        """A page of all entries of start_day <= day < end_day with seq above `after`, reversals included, by seq."""
        query = (
            entries_with_frames()
            .where(
                _table.enterprise == enterprise,
                _table.day >= start_day.isoformat(),
                _table.day < end_day.isoformat(),
                _table.seq > after,
            )
            .order_by(_table.seq)
            .limit(limit)
        )
        with reading(self._bind) as connection:
            return [entry_of(row) for row in connection.execute(query)]

    def reasons(self, enterprise: str, start_day: date, end_day: date, after: int) -> dict[str, set[str]]:
        """By source, why entries of start_day <= day < end_day with seq above `after` were booked."""
        query = select(_table.source, _table.reason).where(
            _table.enterprise == enterprise,
            _table.day >= start_day.isoformat(),
            _table.day < end_day.isoformat(),
            _table.seq > after,
        )
        found: dict[str, set[str]] = {}
        with reading(self._bind) as connection:
            for row in connection.execute(query.distinct()):
                found.setdefault(row.source, set()).add(row.reason)
        return found

    def energy_by_day(self, enterprise: str, start_day: date, end_day: date) -> dict[date, int]:
        """Grams of standard coal of the days that have entries; reversals cancel what they take back."""
        query = (
            select(ledger_entries.c.day, func.sum(ledger_entries.c.energy_gce))
            .where(
                ledger_entries.c.enterprise == enterprise,
                ledger_entries.c.day >= start_day.isoformat(),
                ledger_entries.c.day < end_day.isoformat(),
            )
            .group_by(ledger_entries.c.day)
        )
        with reading(self._bind) as connection:
            return {date.fromisoformat(day): int(gce) for day, gce in connection.execute(query)}

    def chain(self, enterprise: str, chunk: int = CHUNK) -> Iterator[Entry]:
        """All entries from the first on. Read in chunks, so a long chain needs little memory and holds no lock."""
        after = 0
        while True:
            query = (
                entries_with_frames()
                .where(_table.enterprise == enterprise, _table.seq > after)
                .order_by(_table.seq)
                .limit(chunk)
            )
            with reading(self._bind) as connection:
                entries = [entry_of(row) for row in connection.execute(query)]
            yield from entries
            if len(entries) < chunk:
                return
            after = entries[-1].seq

    def enterprises(self) -> list[str]:
        """Those that have a chain."""
        with reading(self._bind) as connection:
            return list(connection.execute(select(_table.enterprise).distinct().order_by(_table.enterprise)).scalars())


def _slices(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), IDS_PER_QUERY):
        yield values[first : first + IDS_PER_QUERY]


def _heads(
    connection: Connection,
    enterprises: Collection[str],
    *columns: ColumnElement[Any],
    source: FromClause = ledger_entries,
) -> Iterator[Row[Any]]:
    """Columns of each chain's head. Each is sought by itself: grouped, both engines would walk whole chains."""
    if len(enterprises) <= FEW:  # one question about many is spelt anew each time, which costs as much as ten of these
        for enterprise in sorted(enterprises):
            query = select(*columns).select_from(source).where(_table.enterprise == enterprise)
            yield from connection.execute(query.order_by(_table.seq.desc()).limit(1))
        return
    for some in _slices(sorted(enterprises)):
        wanted = values(column("enterprise", Text), name="wanted").data([(one,) for one in some]).cte("wanted")
        last = select(func.max(_table.seq)).where(_table.enterprise == wanted.c.enterprise).scalar_subquery()
        heads = select(wanted.c.enterprise, last.label("seq")).subquery("heads")
        joined = and_(_table.enterprise == heads.c.enterprise, _table.seq == heads.c.seq)
        yield from connection.execute(select(*columns).select_from(heads.join(source, joined)))


def _check_follows(head: tuple[int, str], entries: Sequence[Entry]) -> None:
    seq, previous = head
    for entry in entries:
        if (entry.seq, entry.previous_hash) != (seq + 1, previous):
            raise ChainMoved(
                f"{entry.id} does not follow number {seq}, the head of its chain: read that entry and append again"
            )
        seq, previous = entry.seq, entry.hash


def _insert(connection: Connection, entries: Sequence[Entry]) -> None:
    rows = [row_of(entry) for entry in entries]
    keep_frames(connection, rows)
    try:
        connection.execute(ledger_entries.insert(), rows)
    except IntegrityError as error:
        if "reverses" in str(error.orig):
            raise StoreRefused("an entry would be taken back twice; compute the difference again") from error
        raise ChainMoved("another writer was faster; read the newest entries and append again") from error


def _newest(connection: Connection, enterprise: str) -> Entry | None:
    query = entries_with_frames().where(_table.enterprise == enterprise).order_by(_table.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else entry_of(row)
