"""What `tanmai verify` checks of hourly usage: that it is what the readings give, and that all of it was booked.

Stored usage is what charts, loads and new entries are made of; an entry that is missing altogether breaks no chain.
What stays true: days that wait to be booked, days after the newest that is booked, and days that miss a factor (each
has its finding) are no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from sqlalchemy import Engine

from collectors.clock import from_ms
from gateway.carbon.calendar import ONE_DAY, day_start_ms, local_day
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.activities import points_of
from gateway.scheduler.series import UsageOf
from gateway.scheduler.windows import difference
from gateway.store.columns import take_usage
from gateway.store.findings_repository import FindingsRepository
from gateway.store.timeseries import TimeSeriesStore, UsageColumns

FINDINGS_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class ComparedUsage:
    """Usage as the readings give it, compared with what is stored as it is asked for; so are all that it is made of."""

    timeseries: TimeSeriesStore
    computed: UsageOf  # of measured and derived points
    inputs_of: Callable[[Iterable[int]], set[int]]  # of derived points, through others too
    faults: list[tuple[int, int]] = field(default_factory=list)  # (point, hour_ms) that is stored otherwise

    def __call__(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        every = sorted({*point_ids, *self.inputs_of(point_ids)})
        fresh = self.computed(every, start_ms, end_ms)
        wrong = difference(self.timeseries.usage(every, start_ms, end_ms), fresh)
        if len(wrong):
            self.faults.append((int(wrong.point_id[0]), int(wrong.hour_ms[0])))
        return take_usage(fresh, np.isin(fresh.point_id, np.array(list(point_ids), np.int32)))

    def fault(self, registry: Registry) -> tuple[date, str] | None:
        """The first difference: its UTC day, and what is wrong."""
        if not self.faults:
            return None
        point_id, hour_ms = min(self.faults, key=lambda one: (one[1], one[0]))
        at = from_ms(hour_ms)
        name = registry.refs_by_id[point_id].name
        return at.date(), f"the stored usage of {name} from {at:%Y-%m-%d %H:%M} UTC on is not what its readings give"


@dataclass(frozen=True, slots=True)
class UnbookedDays:
    """Finds days with usage that have no entry."""

    engine: Engine
    timeseries: TimeSeriesStore
    pending: set[tuple[str, str, date]]  # enterprise, source and day that wait to be booked

    def first(
        self, registry: Registry, enterprise: Enterprise, booked: dict[str, set[date]], span: tuple[date, date]
    ) -> tuple[date, str] | None:
        """The first such day of a source, and what is wrong; `booked` are the days of each source that have one."""
        if not booked:
            return None
        timezone = registry.park_of(enterprise.id).timezone
        first = max(span[0], min(map(min, booked.values())))
        end = min(span[1], max(map(max, booked.values())) + ONE_DAY)
        missing_factor = self._without_factor(enterprise.id, timezone)
        found = [
            (day, f"source {source.id} on {day}: has usage, and no entry")
            for source in enterprise.sources
            for day in self._days_with_usage(enterprise, source.id, timezone, first, end) - booked.get(source.id, set())
            if (enterprise.id, source.id, day) not in self.pending and (source.id, day) not in missing_factor
        ]
        return min(found, default=None)

    def _days_with_usage(
        self, enterprise: Enterprise, source_id: str, timezone: str, first: date, end: date
    ) -> set[date]:
        point_ids = [point.point_id for _, point in points_of(enterprise, source_id)]
        if not point_ids:
            return set()
        usage = self.timeseries.usage(point_ids, day_start_ms(first, timezone), day_start_ms(end, timezone))
        used = (usage.covered_ms > 0) | (usage.amount_u != 0)
        return {local_day(hour_ms, timezone) for hour_ms in np.unique(usage.hour_ms[used]).tolist()}

    def _without_factor(self, enterprise: str, timezone: str) -> set[tuple[str, date]]:
        findings = FindingsRepository(self.engine)
        days: set[tuple[str, date]] = set()
        after = 0
        while True:
            page = findings.page(enterprise, FINDINGS_PER_PAGE, after, prefixes=("factor.",))
            days |= {
                (one.finding.subject, local_day(one.finding.at_ms, timezone))
                for one in page
                if one.status != "resolved"
            }
            if len(page) < FINDINGS_PER_PAGE:
                return days
            after = page[-1].id
