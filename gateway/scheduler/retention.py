"""Raw readings are kept for a set time; hourly usage, entries and a proof of each day are kept for good.

The retention job moves each enterprise's horizon on, day by day, and forgets raw readings before it. A day is given up
only when its month is closed, no hour or day of it or before it waits to be computed, no point of the enterprise was
told otherwise since the last roll-up, and every entry that stands on it is what its readings give at that moment.

What stays true:
- Proofs and horizon are one transaction, before anything is forgotten: a crash in between forgets with the next run.
- Of each point the readings that judging what follows the horizon needs stay: CONTEXT usable ones and all after them.
- Nothing that was booked changes by it: usage before the horizon is never computed anew, and a day booked again for
  another reason (a factor, an operator) takes the digest that was kept.
- Points that left the registry go with their enterprise's horizon, to the last reading, and have proofs as all others.
- What an engine cannot forget it keeps, which is told; its own retention may then drop it, since the proofs are there.

Limits: PIECE_POINT_DAYS at once; an enterprise that left the registry keeps its raw readings, since it may come back; a
late reading that comes after a gap over the horizon moves usage behind it only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import structlog
from sqlalchemy import Engine

from collectors.errors import StoreRefused
from gateway.carbon.calendar import ONE_DAY, day_start_ms, days_between, local_day
from gateway.carbon.day_proof import DayProof, drop_after, proof_of
from gateway.carbon.usage import CONTEXT
from gateway.registry.model import Enterprise, Registry
from gateway.registry.repository import RegistryRepository
from gateway.scheduler.bounded_reads import bounded
from gateway.scheduler.changed_rules import LONG_AGO_MS
from gateway.scheduler.days import month_days, month_of
from gateway.scheduler.pipeline import Pipeline
from gateway.scheduler.series import around, each_point
from gateway.scheduler.turns import Part
from gateway.scheduler.usage_stage import CLAIM_HOURS, neighbours, rules_of
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.drops_repository import DropsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.statements_repository import StatementsRepository
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore

PIECE_POINT_DAYS = 2_000  # points × days given up at once: 3 million readings if there is one a minute
PIECE_DAYS = 31
MARGIN_DAYS = 1  # what ingest still takes is younger than what is given up

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RetentionDone:
    """What a run did."""

    point_days: int = 0  # given up, with a proof each
    enterprises: int = 0  # whose horizon moved
    former_points: int = 0  # that left the registry, and whose readings were forgotten in this run
    waiting: dict[str, str] = field(default_factory=dict)  # enterprise -> why a day that is old enough stays
    kept_by_engine: str = ""  # why the engine did not forget


@dataclass(frozen=True, slots=True)
class Retention:
    """Gives up raw readings that are old enough."""

    engine: Engine
    timeseries: TimeSeriesStore
    pipeline: Pipeline

    def run(self, now_ms: int, kept_days: int) -> RetentionDone:
        """Everything that is due, enterprise by enterprise; 0 days = raw readings are kept for ever."""
        done = RetentionDone()
        if kept_days == 0:
            return done
        for name in sorted(self.pipeline.registry().enterprises):
            moved = 0
            while True:
                registry, days, why = self._piece(name, now_ms, kept_days)
                moved += days
                if days == 0:
                    break
            if why:
                done.waiting[name] = why
            done.point_days += moved
            done.enterprises += moved > 0
            self._forget(registry, name, done)
        return done

    def _piece(self, name: str, now_ms: int, kept_days: int) -> tuple[Registry, int, str]:
        """Move an enterprise's horizon over one piece, while nobody else works on it; 0 days = nothing left to do."""
        found: list[tuple[Registry, int, str]] = []

        def advance(_: Part) -> None:
            registry = self.pipeline.registry()  # only now: another may have come while this turn was waited for
            enterprise = registry.enterprises.get(name)
            moved = (0, "") if enterprise is None else self._advance(registry, enterprise, now_ms, kept_days)
            found.append((registry, *moved))

        with self.pipeline.lock, self.pipeline.turns.begin():
            self.pipeline.turns.each([name], advance)
        return found[-1]

    def _advance(self, registry: Registry, enterprise: Enterprise, now_ms: int, kept_days: int) -> tuple[int, str]:
        """Move the horizon over one piece; gives the point-days given up, and why days that are old enough stay."""
        zone = registry.park_of(enterprise.id).timezone
        points = sorted(point.point_id for point in enterprise.points())
        every = sorted([*points, *self._former(enterprise.id)])
        drops = DropsRepository(self.engine)
        first = self._first_day(drops, enterprise, every, zone)
        target = local_day(now_ms, zone) - (kept_days + MARGIN_DAYS) * ONE_DAY
        if first is None or first >= target:
            return 0, ""
        most = max(min(PIECE_DAYS, PIECE_POINT_DAYS // len(every)), 1)
        end, why = self._settled_until(registry, enterprise, points, first, min(target, first + timedelta(days=most)))
        if end <= first:
            return 0, why
        proofs = self._proofs(every, days_between(first, end), zone)
        newest = next(reversed(drops.drops(enterprise.id)), None)
        drops.add(drop_after(newest, enterprise.id, day_start_ms(end, zone), now_ms, proofs), proofs)
        log.info("raw_given_up", enterprise=enterprise.id, before=end.isoformat(), point_days=len(proofs))
        return len(proofs), why

    def _former(self, enterprise: str) -> list[int]:
        """Points of an enterprise that left the registry."""
        former = RegistryRepository(self.engine).former()
        return [point_id for point_id, ref in former.items() if ref.enterprise == enterprise]

    def _first_day(
        self, drops: DropsRepository, enterprise: Enterprise, points: Sequence[int], zone: str
    ) -> date | None:
        """The first day that still has its raw readings."""
        if not points:
            return None
        horizon_ms = drops.horizons().get(enterprise.id)
        if horizon_ms is not None:
            return local_day(horizon_ms, zone)
        found = self.timeseries.after(points, LONG_AGO_MS, 1)
        return local_day(int(found.at_ms.min()), zone) if len(found) else None

    def _settled_until(
        self, registry: Registry, enterprise: Enterprise, points: Sequence[int], first: date, end: date
    ) -> tuple[date, str]:
        """The first of these days that cannot be given up yet, and why; `end` if all can."""
        if self.pipeline.changed_rules.awaits(registry, enterprise.id):
            return first, "a point was told otherwise, and waits for the roll-up"
        zone = registry.park_of(enterprise.id).timezone
        for month in sorted({month_of(day) for day in days_between(first, end)}):
            stated = StatementsRepository(self.engine).newest(enterprise.id, month)
            if stated is not None and stated.status != "closed":
                return max(first, month_days(month)[0]), f"{month} is not closed"
        marks = DirtyDaysRepository(self.engine)
        marked = [mark.day for mark in marks.claim(marks.count(), end) if mark.enterprise == enterprise.id]
        dirty = self.timeseries.claim_dirty(CLAIM_HOURS)
        if len(dirty) >= CLAIM_HOURS:
            return first, "too much waits for the roll-up"
        hours = dirty.hour_ms[np.isin(dirty.point_id, np.array(points, np.int32))]
        # Recomputing reaches back beyond the hour itself; a day before it is enough, or waits for the next run.
        waiting = [*marked, *(local_day(hour_ms, zone) - ONE_DAY for hour_ms in np.unique(hours).tolist())]
        if waiting and min(waiting) < end:
            return max(first, min(waiting)), "days wait for the roll-up"
        wrong = self._not_as_booked(registry, enterprise, first, end)
        return (end, "") if wrong is None else (wrong, f"{wrong} is not what its readings give: see `tanmai verify`")

    def _not_as_booked(self, registry: Registry, enterprise: Enterprise, first: date, end: date) -> date | None:
        """The first day on which an entry stands that its readings do not give."""
        metered = [source.id for source in enterprise.sources if source.feeds]
        standing = LedgerRepository(self.engine).standing(enterprise.id, metered, first, end)
        days_of: dict[str, set[date]] = {}
        for entry in standing:
            days_of.setdefault(entry.draft.source, set()).add(entry.draft.day)
        found = self.pipeline.entries.activities.without_memory().of_days(registry, enterprise, days_of)
        now = {(one.source, one.day): (one.digest, one.amount_u) for one in found}
        wrong = [
            entry.draft.day
            for entry in standing
            if now.get((entry.draft.source, entry.draft.day)) != (entry.draft.digest, entry.draft.amount_u)
        ]
        return min(wrong, default=None)

    def _proofs(self, points: Sequence[int], days: Sequence[date], zone: str) -> list[DayProof]:
        """A proof of every day of every point, of those without readings too."""
        edges = [day_start_ms(day, zone) for day in [*days, days[-1] + ONE_DAY]]
        return [
            proof_of(point_id, start_ms, end_ms, around(own, start_ms, end_ms))
            for some, part in bounded(self.timeseries, points, edges)
            for point_id, own in each_point(self.timeseries, some, (part[0], part[-1]))
            for start_ms, end_ms in pairwise(part)
        ]

    def _forget(self, registry: Registry, name: str, done: RetentionDone) -> None:
        """Forget what lies before the horizon, and what a crash or an engine that was away left of it."""
        horizon_ms = DropsRepository(self.engine).horizons().get(name)
        enterprise = registry.enterprises.get(name)
        if horizon_ms is None or enterprise is None:
            return
        points, former = sorted(point.point_id for point in enterprise.points()), self._former(name)
        kept_from = {**self.kept_from(registry, points, horizon_ms), **dict.fromkeys(former, horizon_ms)}
        found = self.timeseries.after(sorted(kept_from), LONG_AGO_MS, 1)
        first = dict(zip(found.point_id.tolist(), found.at_ms.tolist(), strict=True))
        left = {point_id: kept_from[point_id] for point_id, at_ms in first.items() if at_ms < kept_from[point_id]}
        if not left:
            return
        try:
            self.timeseries.forget(left)
            done.former_points += len(left.keys() & set(former))
        except StoreRefused as refused:
            log.warning("raw_kept_by_engine", enterprise=name, why=str(refused))
            done.kept_by_engine = str(refused)

    def kept_from(self, registry: Registry, points: Sequence[int], horizon_ms: int) -> Mapping[int, int]:
        """Point -> the earliest of its readings before the horizon that judging what follows needs; or the horizon."""
        rules = rules_of(registry, points)
        others = [point_id for point_id in points if point_id not in rules]
        needed = neighbours(self.timeseries.before, points, horizon_ms, CONTEXT, rules)
        last = self.timeseries.before(others, horizon_ms, 1) if others else ReadingColumns.empty()
        kept_from = dict.fromkeys(points, horizon_ms)
        for rows in (needed, last):
            for point_id, at_ms in zip(rows.point_id.tolist(), rows.at_ms.tolist(), strict=True):
                kept_from[point_id] = min(kept_from[point_id], at_ms)
        return kept_from
