"""Dirty days -> ledger entries: what should stand is compared with what stands, and only the difference is posted.

What stays true: an entry is never changed; a day that gives another figure, factor or evidence is reversed and booked
anew with the reason. Running it again posts nothing. Only days that have ended in the enterprise's zone are booked.
A day without a factor is a finding and a visible hole, never a zero. Adjustments are booked on lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from gateway.carbon import ledger
from gateway.carbon.adjustments import drafts_of, is_line
from gateway.carbon.calendar import day_start_ms, day_window_ms, local_day
from gateway.carbon.choices import findings_of
from gateway.carbon.emission import draft_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import Activity, Draft, Finding, MissingFactor, Reason
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.activities import ActivitySource, points_of
from gateway.scheduler.reached_days import Booked, Follower, ReachedDays
from gateway.store.adjustments_repository import AdjustmentsRepository
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDay
from gateway.store.findings_repository import FindingsRepository, Judged
from gateway.store.ledger_repository import LedgerRepository

DaysOf = dict[str, set[date]]  # source -> days

CHUNK_POINT_DAYS = 2_000  # of points × days read at once: 3 million readings if there is one a minute
RECENT_MS = 2 * 24 * HOUR_MS  # a day that ended longer ago is hardly reached by what comes next
OPERATOR: Reason = "operator"  # as a mark says that somebody corrected what the day was booked from
FINDING_PREFIXES = ("factor.", "source.")  # findings that this stage makes and takes back


@dataclass(frozen=True, slots=True)
class EntriesDone:
    """What a run did."""

    days_due: int = 0
    entries_posted: int = 0
    entries_reversed: int = 0

    def __add__(self, other: EntriesDone) -> EntriesDone:
        return EntriesDone(
            self.days_due + other.days_due,
            self.entries_posted + other.entries_posted,
            self.entries_reversed + other.entries_reversed,
        )


@dataclass(frozen=True, slots=True)
class _Due:
    """What should stand for an enterprise on some days, and what kept some of it from standing."""

    enterprise: str
    days_of: DaysOf
    drafts: Sequence[Draft]
    findings: Sequence[Finding]
    judged: Sequence[Judged]
    corrected: Mapping[ledger.SourceDay, Reason]  # days that an operator changed, by correcting a record
    now_ms: int

    def every_day(self) -> set[date]:
        return set[date]().union(*self.days_of.values())


@dataclass(frozen=True, slots=True)
class EntriesStage:
    """Books ended days."""

    engine: Engine
    activities: ActivitySource
    factors: FactorBook
    reached: ReachedDays  # is told how days were booked

    def run(self, registry: Registry, due: Sequence[DirtyDay], now_ms: int) -> EntriesDone:
        """Book the due days of sources; an enterprise that is no longer registered keeps its account as it stands."""
        done = EntriesDone()
        registered = [mark for mark in due if mark.enterprise in registry.enterprises]
        for chunk in _chunks(registry, registered):
            wanted: dict[str, DaysOf] = {}
            for mark in chunk:
                wanted.setdefault(mark.enterprise, {}).setdefault(mark.source, set()).add(mark.day)
            activities = self.activities.read_ahead(registry, wanted)
            corrected = _corrected(chunk)
            done += self._book(
                [
                    self._due(registry, name, own, activities, corrected.get(name, {}), now_ms)
                    for name, own in wanted.items()
                ]
            )
            self._remember(registry, wanted, activities, now_ms)
        return done

    def _remember(
        self, registry: Registry, wanted: Mapping[str, DaysOf], activities: ActivitySource, now_ms: int
    ) -> None:
        """What the last of these days were booked with, if they ended a moment ago: the next readings reach them."""
        found: dict[tuple[str, str], tuple[int, Mapping[int, Follower | None]]] = {}
        for name, days_of in wanted.items():
            for source, days in days_of.items():
                end_ms, followers = activities.followers(registry, registry.enterprises[name], source, days)
                if followers and end_ms > now_ms - RECENT_MS:
                    found[name, source] = end_ms, followers
        if found:
            heads = LedgerRepository(self.engine).last_seqs({name for name, _ in found})
            for (name, source), (end_ms, followers) in found.items():
                self.reached.note(name, source, Booked(end_ms, followers, heads.get(name, 0)))

    def _due(
        self,
        registry: Registry,
        enterprise_id: str,
        days_of: DaysOf,
        activities: ActivitySource,
        corrected: Mapping[ledger.SourceDay, Reason],
        now_ms: int,
    ) -> _Due:
        enterprise = registry.enterprises[enterprise_id]
        timezone = registry.park_of(enterprise_id).timezone
        drafts, findings = self.desired(registry, enterprise, days_of, activities, local_day(now_ms, timezone))
        drafts += self._adjusted(enterprise_id, days_of)
        judged = [
            Judged(enterprise_id, source, *day_window_ms(day, timezone))
            for source, days in days_of.items()
            for day in days
        ]
        return _Due(enterprise_id, days_of, drafts, findings, judged, corrected, now_ms)

    def _adjusted(self, enterprise_id: str, days_of: DaysOf) -> list[Draft]:
        """What should stand on those of these sources that are lines of adjustments."""
        lines = {line: days for line, days in days_of.items() if is_line(line)}
        days = set[date]().union(*lines.values())
        found = drafts_of(AdjustmentsRepository(self.engine).of_days(enterprise_id, days))
        return [draft for draft in found if draft.day in lines.get(draft.source, ())]

    def _book(self, due: Sequence[_Due]) -> EntriesDone:
        """Post the differences of some enterprises, all of them in one transaction."""
        now_ms = due[0].now_ms
        with writing(self.engine) as connection:
            book = LedgerRepository(connection)
            stood = book.standing_on({one.enterprise: one.every_day() for one in due})
            postings_of: dict[str, list[ledger.Posting]] = {}
            for one in due:
                standing = [
                    entry
                    for entry in stood.get(one.enterprise, ())
                    if entry.draft.day in one.days_of.get(entry.draft.source, ())
                ]
                postings = ledger.diff(standing, one.drafts, one.corrected)
                if postings:
                    postings_of[one.enterprise] = postings
            heads = book.newest_of(postings_of)
            entries = [
                entry
                for name, postings in postings_of.items()
                for entry in ledger.append(heads.get(name), postings, now_ms)
            ]
            book.append(entries)
            FindingsRepository(connection).replace_all(
                [judged for one in due for judged in one.judged],
                [finding for one in due for finding in one.findings],
                now_ms,
                prefixes=FINDING_PREFIXES,
            )
        reversals = sum(entry.reverses is not None for entry in entries)
        days = sum(len(own) for one in due for own in one.days_of.values())
        return EntriesDone(days, len(entries) - reversals, reversals)

    def desired(
        self, registry: Registry, enterprise: Enterprise, days_of: DaysOf, activities: ActivitySource, as_of: date
    ) -> tuple[list[Draft], list[Finding]]:
        """Entries that should stand on these days, and what kept some from standing."""
        drafts: list[Draft] = []
        findings: list[Finding] = []
        timezone = registry.park_of(enterprise.id).timezone
        for activity in activities.of_days(registry, enterprise, days_of):
            chosen = self.factors.choose(activity, enterprise.method, as_of)
            at_ms = day_start_ms(activity.day, timezone)
            if isinstance(chosen, MissingFactor):
                findings.append(_missing(activity, chosen, at_ms))
                continue
            findings += findings_of(activity, chosen, at_ms)
            drafts.append(draft_of(activity, chosen))
        return drafts, findings


def _corrected(marks: Sequence[DirtyDay]) -> dict[str, dict[ledger.SourceDay, Reason]]:
    """Enterprise -> the days whose newest mark came with a correction."""
    found: dict[str, dict[ledger.SourceDay, Reason]] = {}
    for mark in marks:
        if mark.reason == OPERATOR:
            found.setdefault(mark.enterprise, {})[mark.source, mark.day] = OPERATOR
    return found


def _chunks(registry: Registry, due: Sequence[DirtyDay]) -> Iterator[list[DirtyDay]]:
    """Whole enterprises together as far as CHUNK_POINT_DAYS allow."""
    chunk: list[DirtyDay] = []
    held = 0
    for mark in sorted(due, key=lambda one: (one.enterprise, one.day, one.source)):
        weight = len(points_of(registry.enterprises[mark.enterprise], mark.source))
        if chunk and held + weight > CHUNK_POINT_DAYS:
            yield chunk
            chunk, held = [], 0
        chunk.append(mark)
        held += weight
    if chunk:
        yield chunk


def _missing(activity: Activity, missing: MissingFactor, at_ms: int) -> Finding:
    values = {"activity": activity.kind, "amount_u": activity.amount_u, "unit": activity.unit}
    return Finding(
        "factor.missing", activity.enterprise, activity.source, at_ms, "error", values, missing.zh, missing.en
    )
