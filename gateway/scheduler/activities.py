"""From hourly usage and activity records to the activity of each source and local day.

What stays true: an activity depends only on the readings between the last one before its day and the first one after
it (their digest goes into the entry), or on the records that cover its day. A day without any reading or record has
no activity: it is a hole in the account, not a zero. Records are spread evenly over their days in whole millionths,
so their days add up to the record exactly.

Limits: memory is bounded by SPAN_DAYS of one source's points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

import numpy as np

from collectors.quantities import QUANTITIES
from collectors.reading import Int64s
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.calendar import day_start_ms
from gateway.carbon.emission import round_half_even
from gateway.carbon.evidence import combined_digest, digest_of_readings
from gateway.carbon.model import Activity
from gateway.registry.model import Enterprise, Park, Point, Registry, Source
from gateway.store.records_repository import ActivityRecord, RecordsRepository
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns

PPM = 1_000_000
SPAN_DAYS = 31  # days of one source read at once

# Hourly usage of some points between two instants: as stored, or recomputed from the readings for verification.
UsageOf = Callable[[Sequence[int], int, int], UsageColumns]


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive local days with the instants they begin at."""

    days: tuple[date, ...]
    edges_ms: Int64s  # one more than days: day i is edges_ms[i] <= t < edges_ms[i + 1]

    @classmethod
    def of(cls, days: Sequence[date], timezone: str) -> Days:
        edges = [*days, days[-1] + timedelta(days=1)]
        return cls(tuple(days), np.array([day_start_ms(day, timezone) for day in edges], np.int64))


@dataclass(frozen=True, slots=True)
class PointDays:
    """What one point gave on each day; arrays with one place a day."""

    amount_u: Int64s
    estimated_u: Int64s
    covered_ms: Int64s
    has_usage: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class ActivitySource:
    """Reads what the sources of an enterprise did."""

    timeseries: TimeSeriesStore
    records: RecordsRepository
    usage_of: UsageOf

    def of_days(
        self, registry: Registry, enterprise: Enterprise, wanted: Mapping[str, Iterable[date]]
    ) -> Iterator[Activity]:
        """Activities of the wanted days of each source (by id); a source or day without data gives none."""
        park = registry.park_of(enterprise.id)
        for source_id, days in wanted.items():
            source = enterprise.source(source_id)
            if source is None:
                continue
            for span in consecutive_spans(days):
                if source.records:
                    yield from self._of_records(enterprise, park, source, span)
                else:
                    yield from self._of_points(enterprise, park, source, span)

    def _of_points(
        self, enterprise: Enterprise, park: Park, source: Source, span: Sequence[date]
    ) -> Iterator[Activity]:
        points = {(point.device, point.id): point for point in enterprise.points()}
        fed = [(Fraction(feed.share), points[feed.device, feed.point]) for feed in source.feeds]
        if not fed:
            return
        unit = QUANTITIES[fed[0][1].quantity].usage_unit or ""
        days = Days.of(span, park.timezone)
        parts = [(share, self._point_days(point, days)) for share, point in fed]
        names = {point.point_id: f"{point.device}.{point.id}" for _, point in fed}
        readings = around(self.timeseries, sorted(names), int(days.edges_ms[0]), int(days.edges_ms[-1]))
        for place, day in enumerate(days.days):
            if not any(part.has_usage[place] for _, part in parts):
                continue
            start_ms, end_ms = int(days.edges_ms[place]), int(days.edges_ms[place + 1])
            gross_u = sum(abs(share * int(part.amount_u[place])) for share, part in parts)
            estimated_u = sum(abs(share * int(part.estimated_u[place])) for share, part in parts)
            covered_ms = min(int(part.covered_ms[place]) for _, part in parts)  # as good as its worst meter
            yield activity_of(
                enterprise,
                park,
                source,
                day,
                amount_u=sum(round_half_even(share * int(part.amount_u[place])) for share, part in parts),
                unit=unit,
                coverage_ppm=min(PPM, covered_ms * PPM // (end_ms - start_ms)),
                estimated_ppm=min(PPM, round_half_even(estimated_u * PPM / gross_u)) if gross_u else 0,
                digest=combined_digest(
                    (name, digest_of_readings(of_day(readings, point_id, start_ms, end_ms)))
                    for point_id, name in names.items()
                ),
            )

    def _point_days(self, point: Point, days: Days) -> PointDays:
        start_ms, end_ms = int(days.edges_ms[0]), int(days.edges_ms[-1])
        usage = self.usage_of([point.point_id], start_ms, end_ms)
        place = np.searchsorted(days.edges_ms, usage.hour_ms, side="right") - 1
        inside = (place >= 0) & (place < len(days.days))
        sums = []
        for column in (usage.amount_u, usage.estimated_u, usage.covered_ms):
            total = np.zeros(len(days.days), np.int64)
            np.add.at(total, place[inside], column[inside])
            sums.append(total)
        used = np.zeros(len(days.days), bool)
        used[place[inside & ((usage.covered_ms > 0) | (usage.amount_u != 0))]] = True
        return PointDays(sums[0], sums[1], sums[2], tuple(used.tolist()))

    def _of_records(
        self, enterprise: Enterprise, park: Park, source: Source, span: Sequence[date]
    ) -> Iterator[Activity]:
        records = self.records.overlapping(enterprise.id, source.id, span[0], span[-1] + timedelta(days=1))
        for day in span:
            own = [record for record in records if record.start_day <= day < record.end_day]
            if not own:
                continue
            yield activity_of(
                enterprise,
                park,
                source,
                day,
                amount_u=sum(share_of_day(record, day) for record in own),
                unit=own[0].unit,
                coverage_ppm=PPM,
                estimated_ppm=0,
                digest=combined_digest((one.record_id, one.content_hash) for one in own),
            )


def activity_of(
    enterprise: Enterprise,
    park: Park,
    source: Source,
    day: date,
    *,
    amount_u: int,
    unit: str,
    coverage_ppm: int,
    estimated_ppm: int,
    digest: str,
) -> Activity:
    """One day's activity, with what the registry says about its source."""
    kind = ACTIVITIES[source.activity]
    return Activity(
        enterprise=enterprise.id,
        source=source.id,
        kind=source.activity,
        day=day,
        amount_u=amount_u,
        unit=unit,
        scope=source.scope,
        stage=source.stage,
        category=source.category or kind.category,
        region=park.region,
        coverage_ppm=coverage_ppm,
        estimated_ppm=estimated_ppm,
        digest=digest,
        evidenced=any(
            date.fromisoformat(paper.valid_from) <= day < date.fromisoformat(paper.valid_to)
            for paper in source.evidence
        ),
        factor_override=source.factor,
    )


def share_of_day(record: ActivityRecord, day: date) -> int:
    """A record's millionths on one of its days: even, and the days add up to the record."""
    count = (record.end_day - record.start_day).days
    place = (day - record.start_day).days
    return record.amount_u * (place + 1) // count - record.amount_u * place // count


def consecutive_spans(days: Iterable[date]) -> Iterator[list[date]]:
    """Runs of consecutive days, none longer than SPAN_DAYS."""
    span: list[date] = []
    for day in sorted(set(days)):
        if span and (day - span[-1] != timedelta(days=1) or len(span) == SPAN_DAYS):
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def around(timeseries: TimeSeriesStore, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
    """Readings of a stretch with, per point, the last one before it and the first one after it."""
    return ReadingColumns.concatenate(
        [
            timeseries.before(point_ids, start_ms, 1),
            timeseries.read(point_ids, start_ms, end_ms),
            timeseries.after(point_ids, end_ms, 1),
        ]
    )


def of_day(readings: ReadingColumns, point_id: int, start_ms: int, end_ms: int) -> ReadingColumns:
    """One point's readings of a day with the last one before it and the first one after it: what its usage is made of.

    `readings` are those of `around`: before, inside and after, each sorted by point and time.
    """
    own = np.flatnonzero(readings.point_id == point_id)
    at_ms = readings.at_ms[own]
    first = max(int(np.searchsorted(at_ms, start_ms, "left")) - 1, 0)
    end = int(np.searchsorted(at_ms, end_ms, "left")) + 1
    rows = own[first:end]
    return ReadingColumns(readings.point_id[rows], readings.at_ms[rows], readings.value[rows], readings.quality[rows])
