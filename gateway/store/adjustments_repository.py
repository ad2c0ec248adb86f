"""Adjustments and what was decided about them. Both tables only grow: the database refuses anything else."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import date

from sqlalchemy import func, select

from gateway.carbon.adjustments import Adjustment, Decision
from gateway.store.acts_schema import adjustment_decisions as decisions
from gateway.store.acts_schema import adjustments as table
from gateway.store.database import Bind, reading, take_turns, writing

_FIELDS = tuple(field.name for field in dataclasses.fields(Adjustment) if field.name != "decisions")


class AdjustmentsRepository:
    """Adjustments in and out of their tables."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, adjustment: Adjustment) -> int:
        """Keep a new one under the enterprise's next number, which it gives."""
        with writing(self._bind) as connection:
            take_turns(connection, table)
            last = select(func.coalesce(func.max(table.c.number), 0)).where(table.c.enterprise == adjustment.enterprise)
            number = int(connection.execute(last).scalar_one()) + 1
            row = {name: getattr(adjustment, name) for name in _FIELDS}
            connection.execute(table.insert(), {**row, "number": number, "day": adjustment.day.isoformat()})
        return number

    def decide(self, enterprise: str, number: int, decision: Decision) -> None:
        """Keep a decision; StoreRefused if the same was decided before."""
        row = {"enterprise": enterprise, "number": number, **dataclasses.asdict(decision)}
        with writing(self._bind) as connection:
            connection.execute(decisions.insert(), row)

    def of_enterprise(
        self,
        enterprise: str,
        *,
        numbers: Collection[int] | None = None,
        days: tuple[date, date] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[Adjustment]:
        """An enterprise's by number, above `after`: all, some by number, or those of first <= day < end."""
        query = select(table).where(table.c.enterprise == enterprise, table.c.number > after)
        if numbers is not None:
            query = query.where(table.c.number.in_(sorted(numbers)))
        if days is not None:
            query = query.where(table.c.day >= days[0].isoformat(), table.c.day < days[1].isoformat())
        query = query.order_by(table.c.number).limit(limit)
        with reading(self._bind) as connection:
            rows = connection.execute(query).all()
            decided: dict[int, tuple[Decision, ...]] = {}
            if rows:
                span = decisions.c.number.between(rows[0].number, rows[-1].number)
                found = select(decisions).where(decisions.c.enterprise == enterprise, span).order_by(decisions.c.at_ms)
                for row in connection.execute(found):
                    one = Decision(row.decision, row.at_ms, row.by, row.why)
                    decided[row.number] = (*decided.get(row.number, ()), one)
        return [
            Adjustment(**{**row._mapping, "day": date.fromisoformat(row.day)}, decisions=decided.get(row.number, ()))
            for row in rows
        ]

    def of_days(self, enterprise: str, days: Collection[date]) -> list[Adjustment]:
        """An enterprise's of these days."""
        if not days:
            return []
        span = min(days), max(days)
        query_days = set(days)
        end = date.fromordinal(span[1].toordinal() + 1)
        return [one for one in self.of_enterprise(enterprise, days=(span[0], end)) if one.day in query_days]
