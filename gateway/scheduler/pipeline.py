"""The roll-up: readings -> hourly usage -> ledger entries -> statements -> ratings.

Every stage works off a stored list and is idempotent, so downtime, a crash between any two steps, a second run or a
late reading all give the same accounts. A list is cleared only after what it asked for is durable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Engine

from gateway.carbon.calendar import ONE_DAY, days_between
from gateway.registry.model import Registry
from gateway.scheduler.changed_rules import ChangedRules
from gateway.scheduler.days import WHOLE, first_open_day, month_of
from gateway.scheduler.entries_stage import EntriesDone, EntriesStage
from gateway.scheduler.statements_stage import StatementsDone, StatementsStage
from gateway.scheduler.usage_stage import UsageStage
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.kept_repository import KeptRepository
from gateway.store.statements_repository import StatementsRepository
from gateway.store.timeseries import TimeSeriesStore

ENDED = "ended."  # under which is kept, per enterprise, up to which day days were marked as ended
CLAIM_DAYS = 20_000  # (enterprise, source, day) marks worked off at once


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All stages of the roll-up of one gateway."""

    engine: Engine
    timeseries: TimeSeriesStore
    registry: Callable[[], Registry]
    changed_rules: ChangedRules
    usage: UsageStage
    entries: EntriesStage
    statements: StatementsStage
    settle_s: float
    lock: threading.Lock = field(default_factory=threading.Lock)  # a command and the scheduler take turns

    def run(self, now_ms: int) -> dict[str, dict[str, Any]]:
        """Do everything that is due; gives what each stage did."""
        with self.lock:
            registry = self.registry()
            rules = self.changed_rules.run(registry, now_ms)
            usage = self.usage.run(registry, now_ms)
            self._mark_ended_days(registry, now_ms)
            entries, statements = self._book(registry, now_ms)
            return {
                "rules": rules,
                "usage": asdict(usage),
                "entries": asdict(entries),
                "statements": asdict(statements),
            }

    def _mark_ended_days(self, registry: Registry, now_ms: int) -> None:
        """A day that ended changes a statement's coverage even if no reading came: each is marked once."""
        kept = KeptRepository(self.engine).under(ENDED)
        marks: list[SourceDay] = []
        ended: dict[str, str] = {}
        for enterprise in registry.enterprises:
            today = self._first_open_day(registry, enterprise, now_ms)
            last = date.fromisoformat(kept[enterprise]) if enterprise in kept else today - ONE_DAY
            if last < today:
                marks += [(enterprise, WHOLE, day) for day in days_between(last, today)]
                ended[enterprise] = today.isoformat()
        if ended:
            with writing(self.engine) as connection:
                DirtyDaysRepository(connection).mark(marks, "automatic")
                KeptRepository(connection).put_all(ENDED, ended)

    def _book(self, registry: Registry, now_ms: int) -> tuple[EntriesDone, StatementsDone]:
        marks = DirtyDaysRepository(self.engine)
        entries, statements = EntriesDone(), StatementsDone()
        if not registry.enterprises:
            return entries, statements
        open_days = {name: self._first_open_day(registry, name, now_ms) for name in registry.enterprises}
        limit = CLAIM_DAYS
        while True:
            claimed = marks.claim(limit, max(open_days.values()))
            due = [mark for mark in claimed if mark.day < open_days.get(mark.enterprise, mark.day + ONE_DAY)]
            if not due:
                if len(claimed) < limit:
                    return entries, statements
                limit *= 2  # all of these are still open in their own zone: look further
                continue
            entries += self.entries.run(registry, [mark for mark in due if mark.source != WHOLE], now_ms)
            for enterprise_id, month in sorted({(mark.enterprise, month_of(mark.day)) for mark in due}):
                enterprise = registry.enterprises.get(enterprise_id)
                if enterprise is not None:  # else it is no longer registered: its account stands as it is
                    statements += self.statements.refresh(registry, enterprise, month, now_ms)
            marks.clear(due)

    def close_months(self, now_ms: int, close_day: int) -> int:
        """Close the open months whose closing day has come and that have been quiet for a while; gives how many."""
        if close_day == 0:
            return 0
        closed = 0
        with self.lock:
            registry = self.registry()
            for stored in StatementsRepository(self.engine).open_ones():
                enterprise = registry.enterprises.get(stored.enterprise)
                if enterprise is None or now_ms - stored.updated_at_ms < self.settle_s * 1000:
                    continue
                today = self._first_open_day(registry, enterprise.id, now_ms)
                due = (date.fromisoformat(f"{stored.period}-01") + 31 * ONE_DAY).replace(day=close_day)
                if today >= due:
                    closed += self.statements.close(registry, enterprise, stored.period, now_ms) is not None
        return closed

    def close(self, period: str, only: str | None, now_ms: int) -> tuple[list[tuple[str, int]], list[tuple[str, str]]]:
        """Close a month now: (enterprise, version) of those closed, (enterprise, why not) of the others."""
        done: list[tuple[str, int]] = []
        refused: list[tuple[str, str]] = []
        with self.lock:
            registry = self.registry()
            for enterprise in registry.enterprises.values():
                if only is not None and enterprise.id != only:
                    continue
                if month_of(self._first_open_day(registry, enterprise.id, now_ms)) <= period:
                    refused.append((enterprise.id, "the month has not ended yet"))
                    continue
                version = self.statements.close(registry, enterprise, period, now_ms)
                if version is None:
                    refused.append((enterprise.id, "is closed already"))
                else:
                    done.append((enterprise.id, version))
        return done, refused

    def _first_open_day(self, registry: Registry, enterprise: str, now_ms: int) -> date:
        return first_open_day(now_ms, self.settle_s, registry.park_of(enterprise).timezone)
