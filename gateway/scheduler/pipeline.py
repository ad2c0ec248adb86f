"""The roll-up: readings -> hourly usage -> ledger entries -> statements and ratings -> those of quarters and years.

Every stage works off a stored list and is idempotent, so downtime, a crash between any two steps, a second run or a
late reading all give the same accounts. A list is cleared only after what it asked for is durable. An enterprise whose
account cannot be made is named, and holds up nobody else's. Which enterprises a process works on, its turns say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import structlog
from sqlalchemy import Engine

from collectors.errors import TanmaiError
from gateway.accounts.periods import parse_period
from gateway.carbon.calendar import ONE_DAY, days_between
from gateway.registry.model import Registry
from gateway.scheduler.changed_rules import ChangedRules, RulesDone
from gateway.scheduler.checks_stage import ChecksStage
from gateway.scheduler.closing import Closed, Closing
from gateway.scheduler.days import WHOLE, first_open_day, month_of
from gateway.scheduler.entries_stage import EntriesDone, EntriesStage
from gateway.scheduler.statements_stage import StatementsDone, StatementsStage, act_of
from gateway.scheduler.sums_stage import SumsDone, SumsStage
from gateway.scheduler.turns import Part, Turns
from gateway.scheduler.usage_stage import PASSING, UsageDone, UsageStage
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDay, DirtyDaysRepository, SourceDay
from gateway.store.kept_repository import KeptRepository
from gateway.store.timeseries import TimeSeriesStore

log = structlog.get_logger(__name__)

ENDED = "ended."  # under which is kept, per enterprise, up to which day days were marked as ended
CLAIM_DAYS = 20_000  # (enterprise, source, day) marks worked off at once


class AccountsFailed(TanmaiError):
    """The accounts of these enterprises could not be made; their days stay due, and all others are done."""


@dataclass(slots=True)
class _Done:
    """What a run has done so far."""

    rules: RulesDone = field(default_factory=RulesDone)
    usage: UsageDone = field(default_factory=UsageDone)
    entries: EntriesDone = field(default_factory=EntriesDone)
    statements: StatementsDone = field(default_factory=StatementsDone)
    sums: SumsDone = field(default_factory=SumsDone)
    failed: dict[str, str] = field(default_factory=dict)  # enterprise -> why its account could not be made

    def by_stage(self) -> dict[str, dict[str, Any]]:
        return {
            "rules": asdict(self.rules),
            "usage": asdict(self.usage),
            "entries": asdict(self.entries),
            "statements": asdict(self.statements),
            "sums": {**asdict(self.sums), "closed": len(self.sums.closed)},
        }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All stages of the roll-up of one gateway."""

    engine: Engine
    timeseries: TimeSeriesStore
    registry: Callable[[], Registry]
    changed_rules: ChangedRules
    usage: UsageStage
    entries: EntriesStage
    checks: ChecksStage
    statements: StatementsStage
    sums: SumsStage
    settle_s: float
    turns: Turns  # between processes
    lock: threading.Lock = field(default_factory=threading.Lock)  # between the threads of this one

    def run(self, now_ms: int, only: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
        """Do everything that is due, and see that others who share the work can; gives what each stage did.

        Enterprises that others work on are left to them; those of `only` are waited for, and others left to others.
        """
        done = _Done()
        with self.lock, self.turns.begin():
            registry = self.registry()
            done.rules = self.changed_rules.run(registry, now_ms, done.failed, self.turns)
            self._mark_ended_days(registry, now_ms)
            self.turns.note_prepared(registry.version, done.failed)
            self._work(registry, now_ms, done, only)
        _raise_failed(done.failed)
        return done.by_stage()

    def share(self, now_ms: int) -> dict[str, dict[str, Any]]:
        """Do what is due and nobody else does, for a process that does not lead; gives what each stage did."""
        done = _Done()
        with self.lock:
            registry = self.registry()
            version, failed = self.turns.prepared()
            if version == registry.version:
                done.failed |= failed
                self._work(registry, now_ms, done)
        _raise_failed({name: why for name, why in done.failed.items() if name not in failed})
        return done.by_stage()

    def _work(self, registry: Registry, now_ms: int, done: _Done, only: Collection[str] | None = None) -> None:
        open_days = {name: self._first_open_day(registry, name, now_ms) for name in registry.enterprises}
        before = max(open_days.values(), default=date.min)

        def work(part: Part) -> bool:
            # Asked only now: who changes what an enterprise's registry entry means has to hold it for that.
            if part.names is not None and self.registry().version != registry.version:
                return False
            with self.usage.digests.of_one_run():  # they hold no longer than nobody else works on these
                done.usage += self.usage.run(registry, now_ms, done.failed, part.hours)
                self._book(registry, now_ms, done, part, open_days, before)
            done.sums += self.sums.run(registry, now_ms, done.failed, part.names)
            return True

        if only is not None and self.turns.is_shared:
            self.turns.each(only, work)
        else:
            self.turns.due(before, work)

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

    def _book(
        self, registry: Registry, now_ms: int, done: _Done, part: Part, open_days: Mapping[str, date], before: date
    ) -> None:
        """Work off the marked days that have ended; who cannot be booked is put into `failed` with the reason.

        Whoever is in it already waits: his days would be booked without the usage that is missing. `open_days` says
        for each enterprise which day has not ended, `before` is the latest of them.
        """
        marks = DirtyDaysRepository(self.engine)
        limit = CLAIM_DAYS
        while True:
            claimed = marks.claim(limit, before, part.names)
            due = [
                mark
                for mark in claimed
                if mark.enterprise not in done.failed and mark.day < open_days.get(mark.enterprise, mark.day + ONE_DAY)
            ]
            if due:
                booked, stated = self._book_due(registry, due, now_ms, done.failed)
                done.entries, done.statements = done.entries + booked, done.statements + stated
            elif len(claimed) == limit:
                limit *= 2  # all of these are still open in their own zone, or cannot be done: look further
            else:
                return

    def _book_due(
        self, registry: Registry, due: Sequence[DirtyDay], now_ms: int, failed: dict[str, str]
    ) -> tuple[EntriesDone, StatementsDone]:
        """All together, or, if that fails, one enterprise after another, so that one holds nobody else up."""
        try:
            return self._book_together(registry, due, now_ms)
        except PASSING:
            raise
        except Exception as error:
            log.warning("accounts_one_by_one", days=len(due), why=repr(error))
        entries, statements = EntriesDone(), StatementsDone()
        for name in sorted({mark.enterprise for mark in due}):
            try:
                booked, stated = self._book_together(
                    registry, [mark for mark in due if mark.enterprise == name], now_ms
                )
            except PASSING:
                raise
            except Exception as error:
                log.exception("account_failed", enterprise=name, next="its days stay due; the others are booked")
                failed[name] = repr(error)
            else:
                entries, statements = entries + booked, statements + stated
        return entries, statements

    def _book_together(
        self, registry: Registry, due: Sequence[DirtyDay], now_ms: int
    ) -> tuple[EntriesDone, StatementsDone]:
        """Entries, checks of the days, then statements and ratings; the marks are cleared only after all of them."""
        entries = self.entries.run(registry, [mark for mark in due if mark.source != WHOLE], now_ms)
        months = self.checks.run(registry, due, now_ms)
        # An enterprise that is no longer registered keeps its account as it stands.
        months |= {(mark.enterprise, month_of(mark.day)) for mark in due if mark.enterprise in registry.enterprises}
        statements = self.statements.run(registry, sorted(months), now_ms)
        DirtyDaysRepository(self.engine).clear(due)
        return entries, statements

    def close_months(self, now_ms: int, close_day: int) -> int:
        """Close the months that are due by the clock, and the quarters and years with them; gives how many months."""
        closed = Closed()
        with self.lock, self.turns.begin():
            registry = self.registry()
            due = self._closing.due_by_the_clock(registry, now_ms, close_day)
            self.turns.each(
                {stored.enterprise for stored in due},
                lambda part: self._closing.by_the_clock(registry, due, now_ms, closed, part.names),
            )
        _raise_failed(closed.failed)
        return sum(parse_period(period).kind == "month" for _, period, _ in closed.done)

    def close(
        self, period: str, only: str | None, now_ms: int
    ) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, str]]]:
        """Close a month, or the ended months of a quarter or year, now.

        Gives (enterprise, period, version) of what was closed and (enterprise, period, why not) of what was not.
        """
        closed = Closed()
        with self.lock, self.turns.begin():
            registry = self.registry()
            named = [name for name in registry.enterprises if only in (None, name)]

            def close(part: Part) -> None:
                own = [name for name in named if part.has(name)]
                self._closing.by_order(registry, parse_period(period), own, now_ms, closed, part.names)

            self.turns.each(named, close)
        _raise_failed(closed.failed)
        return closed.done, closed.refused

    def reopen(self, period: str, enterprise: str, by: str, why: str, now_ms: int) -> int | None:
        """Open a closed month again as its next version; gives its number, or None if the month is not closed.

        Its quarter and year get an open version too.
        """
        failed, versions = dict[str, str](), list[int | None]()
        with self.lock, self.turns.begin():
            registry = self.registry()
            act = act_of(by, why, now_ms)

            def reopen(part: Part) -> None:
                own = registry.enterprises[enterprise]
                versions.append(self.statements.reopen(registry, own, period, act, now_ms))
                self.sums.run(registry, now_ms, failed, part.names)

            self.turns.each([enterprise], reopen)
        _raise_failed(failed)
        return versions[-1]

    @property
    def _closing(self) -> Closing:
        return Closing(self.engine, self.statements, self.sums, self.settle_s)

    def _first_open_day(self, registry: Registry, enterprise: str, now_ms: int) -> date:
        return first_open_day(now_ms, self.settle_s, registry.park_of(enterprise).timezone)


def _raise_failed(failed: Mapping[str, str]) -> None:
    if failed:
        raise AccountsFailed("; ".join(f"{name}: {why}" for name, why in sorted(failed.items())))
