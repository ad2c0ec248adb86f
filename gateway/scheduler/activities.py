"""From hourly usage and activity records to the activity of each source and local day.

What stays true: an activity depends only on the readings between the last one before its day and the first one after
it (their digest goes into the entry), or on the records that cover its day. A day without any reading or record has
no activity: it is a hole in the account, not a zero. Records are spread evenly over their days in whole millionths,
so their days add up to the record exactly; records of one day in several units are summed in the finest of them.

Limits: memory is bounded by SPAN_DAYS of one source's points, or by what is read ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

import numpy as np

from collectors.quantities import QUANTITIES
from collectors.reading import Int64s
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.calendar import day_start_ms
from gateway.carbon.derived_plan import items_of
from gateway.carbon.emission import round_half_even
from gateway.carbon.evidence import combined_digest
from gateway.carbon.model import Activity
from gateway.carbon.own_values import footprint_expired, in_force
from gateway.carbon.units import convert, read_unit
from gateway.registry.model import DERIVED, Enterprise, Park, Point, Registry, Source
from gateway.scheduler.reached_days import Follower
from gateway.scheduler.series import Edges, SeriesSource, Stretch, Wanted
from gateway.store.records_repository import ActivityRecord, RecordsRepository
from gateway.store.timeseries import UsageColumns

PPM = 1_000_000
SPAN_DAYS = 31  # days of one source looked at together


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive local days with the instants they begin at."""

    days: tuple[date, ...]
    edges_ms: Int64s  # one more than days: day i is edges_ms[i] <= t < edges_ms[i + 1]

    @classmethod
    def of(cls, days: Sequence[date], timezone: str) -> Days:
        edges = [*days, days[-1] + timedelta(days=1)]
        return cls(tuple(days), np.array([day_start_ms(day, timezone) for day in edges], np.int64))

    @property
    def stretch(self) -> Stretch:
        return int(self.edges_ms[0]), int(self.edges_ms[-1])

    @property
    def edges(self) -> Edges:
        return tuple(self.edges_ms.tolist())


@dataclass(frozen=True, slots=True)
class PointDays:
    """What one point gave on each day; arrays with one place a day."""

    amount_u: Int64s
    estimated_u: Int64s
    covered_ms: Int64s
    has_usage: tuple[bool, ...]

    @classmethod
    def of(cls, usage: UsageColumns, days: Days) -> PointDays:
        """The point's hours summed by day; `usage` is sorted by hour."""
        bounds = np.searchsorted(usage.hour_ms, days.edges_ms)
        used = (usage.covered_ms > 0) | (usage.amount_u != 0)
        columns = (usage.amount_u, usage.estimated_u, usage.covered_ms, used)
        sums = [np.diff(np.concatenate([[0], np.cumsum(column)])[bounds]) for column in columns]
        return cls(sums[0], sums[1], sums[2], tuple((sums[3] > 0).tolist()))


@dataclass(frozen=True, slots=True)
class _Feeder:
    """A point that feeds a source, with what it gave."""

    share: Fraction | int
    days: PointDays
    evidence: Mapping[str, Mapping[int, str]]  # device.point, own or derived from -> start of a day -> digest


@dataclass(frozen=True, slots=True)
class ActivitySource:
    """Reads what the sources of an enterprise did."""

    records: RecordsRepository
    series: SeriesSource

    def read_ahead(self, registry: Registry, wanted: Mapping[str, Mapping[str, Iterable[date]]]) -> ActivitySource:
        """The same, with the series of these enterprises, sources and days at hand: read together, not one by one."""
        series: dict[Edges, Wanted] = {}
        for enterprise_id, days_of in wanted.items():
            enterprise, timezone = registry.enterprises[enterprise_id], registry.park_of(enterprise_id).timezone
            for source_id, days in days_of.items():
                points = points_of(enterprise, source_id)
                for span in consecutive_spans(days) if points else ():
                    _add(enterprise, points, series.setdefault(Days.of(span, timezone).edges, Wanted()))
        return ActivitySource(self.records, self.series.read_ahead(series))

    def followers(
        self, registry: Registry, enterprise: Enterprise, source_id: str, days: Iterable[date]
    ) -> tuple[int, Mapping[int, Follower | None]]:
        """When the last of a source's days ended, and of its points that were read for them the first reading since."""
        fed = points_of(enterprise, source_id)
        span = Days.of(list(consecutive_spans(days))[-1], registry.park_of(enterprise.id).timezone)
        series = self.series.ahead.get(span.edges) if fed else None
        own = _add(enterprise, fed, Wanted()).measured if series else ()
        return span.edges[-1], {one: series.followers[one] for one in own if series and one in series.followers}

    def without_memory(self) -> ActivitySource:
        """The same from readings and records alone: for who checks what was booked."""
        return ActivitySource(self.records, self.series.without_memory())

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
        fed = points_of(enterprise, source.id)
        if not fed:
            return
        unit = QUANTITIES[fed[0][1].quantity].usage_unit or ""
        days = Days.of(span, park.timezone)
        series = self.series.of(_add(enterprise, fed, Wanted()), days.edges)
        feeders = []
        for share, point in fed:
            evidence = {
                f"{own.device}.{own.id}": series.digests[own.point_id] for own in measured_behind(enterprise, point)
            }
            feeders.append(_Feeder(share, PointDays.of(series.usage_of(point.point_id), days), evidence))
        for place, day in enumerate(days.days):
            if not any(feeder.days.has_usage[place] for feeder in feeders):
                continue
            start_ms, end_ms = int(days.edges_ms[place]), int(days.edges_ms[place + 1])
            amounts = [(feeder.share, int(feeder.days.amount_u[place])) for feeder in feeders]
            gross_u = _gross(amounts)
            estimated_u = _gross((feeder.share, int(feeder.days.estimated_u[place])) for feeder in feeders)
            covered_ms = min(int(feeder.days.covered_ms[place]) for feeder in feeders)  # as good as its worst meter
            yield activity_of(
                enterprise,
                park,
                source,
                day,
                amount_u=sum(round_half_even(share * amount_u) for share, amount_u in amounts),
                unit=unit,
                coverage_ppm=min(PPM, covered_ms * PPM // (end_ms - start_ms)),
                estimated_ppm=min(PPM, round_half_even(estimated_u * PPM / gross_u)) if gross_u else 0,
                digest=combined_digest(_digests(feeders, start_ms)),
            )

    def _of_records(
        self, enterprise: Enterprise, park: Park, source: Source, span: Sequence[date]
    ) -> Iterator[Activity]:
        records = self.records.overlapping(enterprise.id, source.id, span[0], span[-1] + timedelta(days=1))
        for day in span:
            own = [record for record in records if record.start_day <= day < record.end_day]
            if not own:
                continue
            unit = finest_unit(record.unit for record in own)
            yield activity_of(
                enterprise,
                park,
                source,
                day,
                amount_u=sum(share_of_day(record, day) * times_finer(record.unit, unit) for record in own),
                unit=unit,
                coverage_ppm=PPM,
                estimated_ppm=0,
                digest=combined_digest((one.record_id, one.content_hash) for one in own),
            )


def _gross(amounts: Iterable[tuple[Fraction | int, int]]) -> Fraction:
    parts: list[Fraction | int] = [share * amount_u for share, amount_u in amounts]
    return Fraction(sum(max(part, -part) for part in parts))


def points_of(enterprise: Enterprise, source_id: str) -> list[tuple[Fraction | int, Point]]:
    """The points that feed a source, each with its share; none if it is fed by records or is not there."""
    source = enterprise.source(source_id)
    if source is None or not source.feeds:
        return []
    points = {(point.device, point.id): point for point in enterprise.every_point()}
    return [(_exact(feed.share), points[feed.device, feed.point]) for feed in source.feeds]


@cache
def _exact(share: str) -> Fraction | int:
    """A share as it is written; a whole one as an integer, with which everything goes faster."""
    exact = Fraction(share)
    return int(exact) if exact.denominator == 1 else exact


def points_behind(enterprise: Enterprise, source_id: str) -> list[Point]:
    """The points that feed a source, and those that instruments show and that they are derived from."""
    found: dict[int, Point] = {}
    for _, point in points_of(enterprise, source_id):
        found |= {own.point_id: own for own in (point, *measured_behind(enterprise, point))}
    return list(found.values())


def measured_behind(enterprise: Enterprise, point: Point) -> list[Point]:
    """What instruments show of a point: itself, or all that it is derived from."""
    if point.device != DERIVED:
        return [point]
    items = {own: item for item in items_of(enterprise) for own in item.point_ids}
    points = {own.point_id: own for own in enterprise.every_point()}
    found: dict[int, Point] = {}
    waiting = [point.point_id]
    while waiting:
        for _, point_id in items[waiting.pop()].inputs:
            if point_id in items:
                waiting.append(point_id)
            else:
                found[point_id] = points[point_id]
    return list(found.values())


def _add(enterprise: Enterprise, fed: Sequence[tuple[Fraction | int, Point]], wanted: Wanted) -> Wanted:
    """The same, with what a source's points need."""
    for _, point in fed:
        wanted.fed.add(point.point_id)
        wanted.measured.update(own.point_id for own in measured_behind(enterprise, point))
    return wanted


def _digests(feeders: Sequence[_Feeder], day_ms: int) -> Iterable[tuple[str, str]]:
    """Each instrument's point once, whatever it feeds, with the digest of the readings of a day."""
    by_name = {name: digests for feeder in feeders for name, digests in feeder.evidence.items()}
    return [(name, digests[day_ms]) for name, digests in by_name.items()]


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
        own=in_force(source.own_values, day),
        footprint_expired=footprint_expired(source.own_values, day),
    )


def share_of_day(record: ActivityRecord, day: date) -> int:
    """A record's millionths on one of its days: even, and the days add up to the record."""
    count = (record.end_day - record.start_day).days
    place = (day - record.start_day).days
    return record.amount_u * (place + 1) // count - record.amount_u * place // count


def finest_unit(units: Iterable[str]) -> str:
    """The smallest of some units of one dimension: amounts in the others are whole multiples of it."""
    return min(units, key=lambda unit: read_unit(unit).scale)


def times_finer(unit: str, finest: str) -> int:
    """How many of the finest unit one unit is; ValueError if that is no whole number."""
    times = convert(Fraction(1), unit, finest)
    if times.denominator != 1:
        raise ValueError(f"1 {unit} is {times} {finest}: no whole number")
    return int(times)


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
