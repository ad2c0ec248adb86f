"""Rebuilds under way: for each enterprise the next day to be done.

What stays true: the rows of one rebuild stay until all of its enterprises are done, so that the same command goes on
with what is left and never begins again with what was finished before it was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, bindparam, select, update

from gateway.store.database import Bind, insert, reading, writing
from gateway.store.upkeep_schema import rebuilds as table


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rebuild was asked for: the same again goes on with it."""

    scope: str  # an enterprise, or "" for all
    first_day: date
    last_day: date  # the last one that belongs to it


@dataclass(frozen=True, slots=True)
class RebuildRow:
    """An enterprise's part of a rebuild."""

    enterprise: str
    next_day: date  # after last_day where nothing is left
    begun_at_ms: int


class RebuildsRepository:
    """Rebuilds in and out of the list."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def begin(self, asked: Asked, enterprises: Iterable[str], now_ms: int) -> None:
        """Put a rebuild on the list, from its first day on."""
        rows = [
            {**_key(asked), "enterprise": name, "next_day": asked.first_day.isoformat(), "begun_at_ms": now_ms}
            for name in sorted(set(enterprises))
        ]
        with writing(self._bind) as connection:
            if rows:  # two commands at once begin it once
                connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)

    def rows(self, asked: Asked) -> list[RebuildRow]:
        """All enterprises of a rebuild; none if it is not under way."""
        query = select(table).where(_of(asked)).order_by(table.c.next_day, table.c.enterprise)
        with reading(self._bind) as connection:
            return [
                RebuildRow(row.enterprise, date.fromisoformat(row.next_day), row.begun_at_ms)
                for row in connection.execute(query)
            ]

    def advance(self, asked: Asked, next_days: Iterable[tuple[str, date]]) -> None:
        """Note for enterprises which day comes next."""
        rows = [{"of_enterprise": name, "next": day.isoformat()} for name, day in sorted(next_days)]
        statement = (
            update(table)
            .where(_of(asked), table.c.enterprise == bindparam("of_enterprise"))
            .values(next_day=bindparam("next"))
        )
        with writing(self._bind) as connection:
            if rows:
                connection.execute(statement, rows)

    def forget(self, asked: Asked) -> None:
        """Take a rebuild off the list."""
        with writing(self._bind) as connection:
            connection.execute(table.delete().where(_of(asked)))


def _key(asked: Asked) -> dict[str, str]:
    return {
        "scope": asked.scope,
        "first_day": asked.first_day.isoformat(),
        "last_day": asked.last_day.isoformat(),
    }


def _of(asked: Asked) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _key(asked).items()))
