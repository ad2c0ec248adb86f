"""What must be computed again because knowledge changed: a point's rule, a source, a method, a factor file.

Fingerprints of what was last computed with are kept in the database. On a difference the usage of the points concerned
is recomputed and the days concerned are marked, and only then is the new fingerprint kept: a crash repeats the work.
A newly published factor edition thus restates what it is for by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from collectors.clock import HOUR_MS, from_ms
from gateway.carbon.calendar import ONE_DAY, days_between, local_day
from gateway.carbon.factors import FactorBook
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.usage_stage import UsageStage, rules_of
from gateway.scheduler.windows import Window
from gateway.store.canonical_json import sha256_of
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.kept_repository import KeptRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import RecordsRepository
from gateway.store.timeseries import TimeSeriesStore

EVER = (date(2000, 1, 1), date(2200, 1, 1))
LONG_AGO_MS, FAR_AHEAD_MS = 0, 2**52  # before and after every reading


@dataclass(frozen=True, slots=True)
class ChangedRules:
    """Finds and marks what a change of knowledge concerns."""

    engine: Engine
    timeseries: TimeSeriesStore
    usage: UsageStage
    factors: FactorBook

    def run(self, registry: Registry, now_ms: int) -> dict[str, int]:
        """Compare each enterprise's fingerprints with those kept; mark and recompute what differs."""
        changed_points = changed_sources = 0
        published = self._published(now_ms)
        for enterprise in registry.enterprises.values():
            points = self._points(registry, enterprise, now_ms)
            sources = self._sources(registry, enterprise, published)
            changed_points += points
            changed_sources += sources
        return {"points_changed": changed_points, "sources_changed": changed_sources}

    def _published(self, now_ms: int) -> str:
        """Fingerprint of every value that is published by now: a new edition counts from its day on."""
        today = from_ms(now_ms).date()
        return sha256_of(repr([one for one in self.factors.factors.values() if one.published_on <= today]))

    def _points(self, registry: Registry, enterprise: Enterprise, now_ms: int) -> int:
        """Recompute the usage of points whose rule is another than the one last computed with."""
        rules = rules_of(registry, [point.point_id for point in enterprise.points()])
        fresh = {str(point_id): sha256_of(repr(rule)) for point_id, rule in rules.items()}
        kept = self._kept(f"rules.{enterprise.id}")
        changed = [int(point_id) for point_id, print_ in fresh.items() if kept.get(point_id) != print_]
        for point_id in changed:
            extent = self._extent_ms(point_id)
            if extent is not None:
                self.usage.recompute(registry, Window((point_id,), *extent), now_ms)
        if changed:
            KeptRepository(self.engine).put(f"rules.{enterprise.id}", json.dumps(fresh))
        return len(changed)

    def _sources(self, registry: Registry, enterprise: Enterprise, published: str) -> int:
        """Mark the days of sources whose definition, method or factors are others than those last booked with."""
        park = registry.park_of(enterprise.id)
        frame = f"{enterprise.method!r} {park.region} {park.timezone} {published}"
        fresh = {source.id: sha256_of(f"{source!r} {frame}") for source in enterprise.sources}
        kept = self._kept(f"sources.{enterprise.id}")
        changed = {source for source in fresh.keys() | kept.keys() if fresh.get(source) != kept.get(source)}
        if not changed:
            return 0
        marks: set[SourceDay] = set()
        for entry in LedgerRepository(self.engine).standing(enterprise.id, sorted(changed), *EVER):
            marks.add((enterprise.id, entry.draft.source, entry.draft.day))
        for source in enterprise.sources:
            if source.id in changed:
                marks |= {(enterprise.id, source.id, day) for day in self._days(registry, enterprise, source.id)}
        with writing(self.engine) as connection:
            DirtyDaysRepository(connection).mark(marks, "restated-factor")
            KeptRepository(connection).put(f"sources.{enterprise.id}", json.dumps(fresh))
        return len(changed)

    def _days(self, registry: Registry, enterprise: Enterprise, source_id: str) -> set[date]:
        """All local days for which a source has readings or records."""
        source = enterprise.source(source_id)
        if source is None:
            return set()
        days: set[date] = set()
        if source.records:
            for record in RecordsRepository(self.engine).overlapping(enterprise.id, source.id, *EVER):
                days.update(days_between(record.start_day, record.end_day))
        timezone = registry.park_of(enterprise.id).timezone
        points = {(point.device, point.id): point.point_id for point in enterprise.points()}
        for feed in source.feeds:
            extent = self._extent_ms(points[feed.device, feed.point])
            if extent is not None:
                first, last = local_day(extent[0], timezone), local_day(extent[1] - 1, timezone)
                days.update(days_between(first, last + ONE_DAY))
        return days

    def _extent_ms(self, point_id: int) -> tuple[int, int] | None:
        """Whole hours around all readings of a point."""
        first = self.timeseries.after([point_id], LONG_AGO_MS, 1)
        last = self.timeseries.before([point_id], FAR_AHEAD_MS, 1)
        if not len(first) or not len(last):
            return None
        return int(first.at_ms[0]) // HOUR_MS * HOUR_MS, int(last.at_ms[0]) // HOUR_MS * HOUR_MS + HOUR_MS

    def _kept(self, key: str) -> Mapping[str, str]:
        text = KeptRepository(self.engine).get(key)
        return json.loads(text) if text else {}
