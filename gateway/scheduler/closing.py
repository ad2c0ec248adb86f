"""Closing: by the clock on the set day, or by an operator. Quarters and years close by themselves with their months.

What stays true: only periods that have ended are closed. A month that an operator reopened is left to operators. A
quarter or year is never closed by itself: closing it closes its months that have ended, and it follows once all of
them are closed; if it cannot yet, the answer says which months it waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Engine

from gateway.accounts.periods import Period
from gateway.accounts.sums import months_of
from gateway.carbon.calendar import ONE_DAY
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.days import first_open_day
from gateway.scheduler.statements_stage import StatementsStage, reopened_in
from gateway.scheduler.sums_stage import SumsStage
from gateway.store.statements_repository import StatementsRepository, StoredStatement

Among = Collection[str] | None  # the enterprises whose quarters and years are summed; None = all


@dataclass(frozen=True, slots=True)
class Closed:
    """What an order to close did."""

    done: list[tuple[str, str, int]] = field(default_factory=list)  # enterprise, period, version
    refused: list[tuple[str, str, str]] = field(default_factory=list)  # enterprise, period, why not
    failed: dict[str, str] = field(default_factory=dict)  # enterprise -> why its quarters and years were not summed


@dataclass(frozen=True, slots=True)
class Closing:
    """Closes months, and with them quarters and years."""

    engine: Engine
    statements: StatementsStage
    sums: SumsStage
    settle_s: float

    def due_by_the_clock(self, registry: Registry, now_ms: int, close_day: int) -> list[StoredStatement]:
        """Open months whose closing day has come and that have been quiet for a while; 0 = none."""
        return [
            stored
            for stored in (StatementsRepository(self.engine).open_months() if close_day else ())
            if self._is_due(registry, stored, now_ms, close_day)
        ]

    def _is_due(self, registry: Registry, stored: StoredStatement, now_ms: int, close_day: int) -> bool:
        enterprise = registry.enterprises.get(stored.enterprise)
        if enterprise is None or now_ms - stored.updated_at_ms < self.settle_s * 1000:
            return False
        due = (date.fromisoformat(f"{stored.period}-01") + 31 * ONE_DAY).replace(day=close_day)
        return self._today(registry, enterprise, now_ms) >= due and reopened_in(stored) is None

    def by_the_clock(
        self, registry: Registry, due: Sequence[StoredStatement], now_ms: int, closed: Closed, among: Among
    ) -> None:
        """Close those of these months that are of some enterprises."""
        for stored in due:
            if among is None or stored.enterprise in among:
                self._month(registry, registry.enterprises[stored.enterprise], stored.period, now_ms, closed)
        self._sum(registry, now_ms, closed, among)

    def by_order(
        self, registry: Registry, period: Period, named: Sequence[str], now_ms: int, closed: Closed, among: Among
    ) -> None:
        """Close a month, or the ended months of a quarter or year, of these enterprises now."""
        months = (period.text,) if period.kind == "month" else months_of(period)
        for enterprise in (registry.enterprises[name] for name in named):
            today = self._today(registry, enterprise, now_ms)
            for month in months:
                if f"{today:%Y-%m}" <= month:
                    closed.refused.append((enterprise.id, month, "the month has not ended yet"))
                elif not self._month(registry, enterprise, month, now_ms, closed) and period.kind == "month":
                    why = "nothing to close: it is closed already, or nothing was ever booked in it"
                    closed.refused.append((enterprise.id, month, why))
        self._sum(registry, now_ms, closed, among)
        if period.kind != "month":
            closed.refused.extend(self._still_open(period, named, closed))

    def _month(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int, closed: Closed) -> bool:
        version = self.statements.close(registry, enterprise, month, now_ms)
        if version is not None:
            closed.done.append((enterprise.id, month, version))
        return version is not None

    def _sum(self, registry: Registry, now_ms: int, closed: Closed, among: Among) -> None:
        closed.done.extend(self.sums.run(registry, now_ms, closed.failed, among).closed)

    def _still_open(self, period: Period, enterprises: Sequence[str], closed: Closed) -> Iterator[tuple[str, str, str]]:
        """Of the quarter or year itself: who has not closed it now, and why not."""
        now_closed = {enterprise for enterprise, own, _ in closed.done if own == period.text}
        statements = StatementsRepository(self.engine)
        sums = statements.newest_of(enterprises, period.text)
        begun = statements.first_months(enterprises)
        months = statements.newest_months(enterprises, period.text[:4])
        for name in enterprises:
            newest = sums.get(name)
            if name in now_closed or name in closed.failed:
                continue
            if newest is None:
                yield name, period.text, "nothing to close: none of its months has a statement"
            elif newest.status == "closed":
                yield name, period.text, f"nothing to close: it is closed already, as version {newest.version}"
            else:
                there = {month.period for month in months[name] if month.status == "closed"}
                waits = [month for month in months_of(period) if month >= begun[name] and month not in there]
                yield name, period.text, f"it stays open until these months are closed: {', '.join(waits)}"

    def _today(self, registry: Registry, enterprise: Enterprise, now_ms: int) -> date:
        return first_open_day(now_ms, self.settle_s, registry.park_of(enterprise.id).timezone)
