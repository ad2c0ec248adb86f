"""What `tanmai verify` checks of an enterprise against what its books were made of: readings, records, adjustments.

What stays true: what stands is compared with what the same code makes of the readings now. Days that have readings
waiting for the roll-up are left out and said so: they will be booked anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from sqlalchemy import Engine

from gateway.carbon.adjustments import is_line
from gateway.carbon.model import Entry
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.activities import ActivitySource
from gateway.scheduler.adjustment_checks import AdjustmentChecks
from gateway.scheduler.book_checks import Broken, Span
from gateway.scheduler.days import days_fed_by
from gateway.scheduler.derived_stage import DerivedStage
from gateway.scheduler.drop_checks import first_fault_of_drops, said_of_drops
from gateway.scheduler.series import SeriesSource
from gateway.scheduler.usage_checks import ComparedUsage, UnbookedDays
from gateway.scheduler.usage_stage import CLAIM_HOURS, reach_of, rules_of, usage_over_horizon
from gateway.scheduler.windows import windows_of
from gateway.store.columns import EARLIEST_MS
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.drops_repository import DropsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import RecordsRepository
from gateway.store.timeseries import TimeSeriesStore


@dataclass(slots=True)
class ReadingChecks:
    """Checks one enterprise after the other, and counts."""

    engine: Engine
    timeseries: TimeSeriesStore
    derived: DerivedStage
    registry: Registry
    waiting: set[SourceDay]  # enterprise, source and day that will be booked anew
    entries: int = 0
    on_kept_digests: int = 0  # of these, those whose raw readings were dropped under retention
    notes: list[str] = field(default_factory=list)

    def first_fault(self, name: str, span: Span) -> Broken | None:
        """Entries of the span that stand, against what they were booked from."""
        enterprise = self.registry.enterprises.get(name)
        if enterprise is None:
            self.notes.append(f"{name} is no longer registered: its entries were not compared with readings")
            return None
        booked = LedgerRepository(self.engine).standing(name, None, *span)
        standing = [one for one in booked if (name, one.draft.source, one.draft.day) not in self.waiting]
        if len(standing) < len(booked):
            left_out = len(booked) - len(standing)
            self.notes.append(f"{name}: {left_out} booked days have new readings waiting for the roll-up; left out")
        lines = [one for one in booked if is_line(one.draft.source)]
        adjusted = AdjustmentChecks(self.engine, self.waiting).first_fault(name, lines, span)
        if adjusted is not None:
            return Broken(name, adjusted[0], adjusted[1].isoformat(), adjusted[2])
        broken = self._dropped(enterprise, standing)
        broken = broken or self._against_readings(
            enterprise, [one for one in standing if not is_line(one.draft.source)]
        )
        if broken is not None:
            return broken
        days = _days_of([one for one in booked if not is_line(one.draft.source)])
        fault = UnbookedDays(self.engine, self.timeseries, self.waiting).first(self.registry, enterprise, days, span)
        return None if fault is None else Broken(name, "", fault[0].isoformat(), fault[1])

    def _dropped(self, enterprise: Enterprise, standing: Sequence[Entry]) -> Broken | None:
        """Whether what was kept of dropped readings holds; says of how many entries no more than that can be said."""
        fault = first_fault_of_drops(self.engine, enterprise.id)
        if fault is not None:
            return Broken(enterprise.id, "", fault[0].isoformat(), fault[1])
        count, said = said_of_drops(self.engine, self.registry, enterprise, standing)
        self.on_kept_digests += count
        self.notes += [said] if said else []
        return None

    def _against_readings(self, enterprise: Enterprise, standing: Sequence[Entry]) -> Broken | None:
        """Whether entries, and the stored usage of their days, are what readings and records give now."""
        registry = self.registry
        drops = DropsRepository(self.engine)
        horizon_ms = drops.horizons().get(enterprise.id, EARLIEST_MS)
        measured = partial(usage_over_horizon, self.timeseries, registry, horizon_ms)
        computed = partial(self.derived.computed, registry, measured)
        compared = ComparedUsage(self.timeseries, computed, self.derived.plan(registry).inputs)
        series = SeriesSource(self.timeseries, compared, kept_of=drops.digests)
        source = ActivitySource(RecordsRepository(self.engine), series)
        now = {(one.source, one.day): one for one in source.of_days(registry, enterprise, _days_of(standing))}
        for entry in standing:
            self.entries += 1
            draft = entry.draft
            activity = now.get((draft.source, draft.day))
            if activity is None:
                what = f"source {draft.source} on {draft.day}: what it was booked from is gone"
            elif activity.digest != draft.digest:
                what = f"source {draft.source} on {draft.day}: its readings or records are not those it was booked from"
            elif activity.amount_u != draft.amount_u:
                what = (
                    f"source {draft.source} on {draft.day}: booked {draft.amount_u / 1e6} {draft.unit}, the readings "
                    f"give {activity.amount_u / 1e6}"
                )
            else:
                continue
            return Broken(enterprise.id, entry.id, draft.day.isoformat(), what)
        fault = compared.fault(registry)
        return None if fault is None else Broken(enterprise.id, "", fault[0].isoformat(), fault[1])


def _days_of(entries: Sequence[Entry]) -> dict[str, set[date]]:
    days: dict[str, set[date]] = {}
    for one in entries:
        days.setdefault(one.draft.source, set()).add(one.draft.day)
    return days


def waiting_days(engine: Engine, timeseries: TimeSeriesStore, registry: Registry) -> set[SourceDay]:
    """Days whose readings have changed since they were booked, or that are marked to be booked anew."""
    marks = DirtyDaysRepository(engine)
    days = {(one.enterprise, one.source, one.day) for one in marks.claim(marks.count(), date.max)}
    for window in windows_of(timeseries.claim_dirty(CLAIM_HOURS)):
        rules = rules_of(registry, window.point_ids)
        if rules:
            for point_id, start_ms, end_ms in reach_of(timeseries, rules, window).rows():
                days |= days_fed_by(registry, point_id, start_ms, end_ms)
    return days
