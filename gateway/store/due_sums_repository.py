"""The list of quarters and years to be summed anew, because one of their months has another statement or rating.

What stays true: a mark is written in the transaction that writes the month and taken off in the one that writes the
sum. Both hold the change feed, so nobody marks between the summing and the taking off: a crash costs repeated work,
never a sum.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import bindparam, delete, func, select

from gateway.store.database import Bind, insert, reading, writing
from gateway.store.schema import due_sums as table

SumOf = tuple[str, str]  # enterprise, quarter or year

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


def sums_over(month: str) -> tuple[str, ...]:
    """The quarter and the year that a month is part of: 2026-08 -> 2026-Q3, 2026; nothing for what is no month."""
    match = _MONTH.fullmatch(month)
    if match is None:
        return ()
    year, number = match.groups()
    return f"{year}-Q{(int(number) + 2) // 3}", year


class DueSumsRepository:
    """Quarters and years on and off the list."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def mark(self, periods: Iterable[tuple[str, str]]) -> None:
        """Put what these (enterprise, month) are part of on the list; periods that are no months are passed over."""
        due = {(enterprise, own) for enterprise, month in periods for own in sums_over(month)}
        if not due:
            return
        rows = [{"enterprise": enterprise, "period": period} for enterprise, period in sorted(due)]
        with writing(self._bind) as connection:
            connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)

    def claim(
        self, limit: int, without: Collection[str] = (), enterprises: Collection[str] | None = None
    ) -> list[SumOf]:
        """Up to `limit` of them, by enterprise and period, but for some enterprises; None = of all. Removes nothing."""
        query = select(table).order_by(table.c.enterprise, table.c.period).limit(limit)
        if without:
            query = query.where(table.c.enterprise.not_in(sorted(without)))
        if enterprises is not None:
            query = query.where(table.c.enterprise.in_(sorted(enterprises)))
        with reading(self._bind) as connection:
            return [(row.enterprise, row.period) for row in connection.execute(query)]

    def clear(self, done: Sequence[SumOf]) -> None:
        """Take some off the list."""
        if not done:
            return
        one = delete(table).where(
            table.c.enterprise == bindparam("of_enterprise"), table.c.period == bindparam("of_period")
        )
        rows = [{"of_enterprise": enterprise, "of_period": period} for enterprise, period in done]
        with writing(self._bind) as connection:
            connection.execute(one, rows)

    def of_enterprise(self, enterprise: str) -> set[str]:
        """Quarters and years of an enterprise that are on the list."""
        with reading(self._bind) as connection:
            return set(connection.execute(select(table.c.period).where(table.c.enterprise == enterprise)).scalars())

    def count(self) -> int:
        """How many are on the list."""
        with reading(self._bind) as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
