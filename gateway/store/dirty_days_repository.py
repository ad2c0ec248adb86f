"""The list of (enterprise, source, local day) whose entries must be looked at again.

What stays true: a mark made while its day is being worked on survives the clearing, because each mark carries a new
random number and clearing removes only what was seen. So a crash or a race costs repeated work, never a missed day.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import bindparam, delete, func, select

from gateway.store.database import Bind, reading, upsert, writing
from gateway.store.schema import dirty_days as table

SourceDay = tuple[str, str, date]  # enterprise, source, local day


@dataclass(frozen=True, slots=True)
class DirtyDay:
    """One day to look at again."""

    enterprise: str
    source: str
    day: date
    reason: str  # of the newest mark
    touched: int  # which mark was seen


class DirtyDaysRepository:
    """Days in and out of the list."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def mark(self, days: Iterable[SourceDay], reason: str) -> None:
        """Put days on the list; the reason of the newest mark stands."""
        touched = secrets.randbits(62)  # a number of no meaning but "another mark": it survives that rows are removed
        rows = [
            {"enterprise": enterprise, "source": source, "day": day.isoformat(), "reason": reason, "touched": touched}
            for enterprise, source, day in sorted(set(days))  # one order for all, so that two markers do not deadlock
        ]
        with writing(self._bind) as connection:
            upsert(connection, table, rows)

    def claim(self, limit: int, before: date, enterprises: Collection[str] | None = None) -> list[DirtyDay]:
        """Up to `limit` marked days before a day; None = of all enterprises. Removes nothing.

        One enterprise after the other, each with its earliest days first: what a whole enterprise needs is then done
        once, however many claims a long list takes.
        """
        query = (
            select(table)
            .where(table.c.day < before.isoformat())
            .order_by(table.c.enterprise, table.c.day, table.c.source)
            .limit(limit)
        )
        if enterprises is not None:
            query = query.where(table.c.enterprise.in_(sorted(enterprises)))
        with reading(self._bind) as connection:
            return [
                DirtyDay(row.enterprise, row.source, date.fromisoformat(row.day), row.reason, row.touched)
                for row in connection.execute(query)
            ]

    def clear(self, claimed: Sequence[DirtyDay]) -> None:
        """Take days off the list, unless they were marked again since they were claimed."""
        if not claimed:
            return
        seen = delete(table).where(
            table.c.enterprise == bindparam("of_enterprise"),
            table.c.source == bindparam("of_source"),
            table.c.day == bindparam("of_day"),
            table.c.touched == bindparam("seen"),
        )
        rows = [
            {
                "of_enterprise": day.enterprise,
                "of_source": day.source,
                "of_day": day.day.isoformat(),
                "seen": day.touched,
            }
            for day in sorted(claimed, key=lambda one: (one.enterprise, one.source, one.day))  # as `mark` takes them
        ]
        with writing(self._bind) as connection:
            connection.execute(seen, rows)

    def count(self) -> int:
        """Days on the list."""
        with reading(self._bind) as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
