"""Dirty days -> what whole days show: balances, silence, meters that stand still, bills, output without energy.

Works off the same marks as the entries, after them. Usage of many enterprises is read at once and summed by day in
columns; what is odd is rare and looked at one by one (`gateway.carbon.day_checks`).

What stays true: running it again changes nothing; a finding that a day no longer shows is resolved. What is found
depends on the data alone, and not on which days happened to be due together: an output is judged once its days have
ended, and again whenever a day changed that it, or what is usual for it, rests on. Limits: memory is bounded by
CHUNK_POINT_DAYS; a point that was silent all day is a finding only if it has readings from before. A day is judged only
if it was ever due: silence before the gateway first ran is found by whoever rebuilds those days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from gateway.carbon.calendar import ONE_DAY, day_start_ms
from gateway.carbon.day_checks import (
    USUAL_DAYS,
    Day,
    PointDay,
    Stated,
    bill_finding,
    day_findings,
    output_findings,
    reading_finding,
)
from gateway.carbon.model import Finding
from gateway.registry.model import DERIVED, Enterprise, Point, Registry
from gateway.scheduler.activities import Days, consecutive_spans
from gateway.scheduler.days import first_open_day, month_of
from gateway.scheduler.months import EnterpriseMonth
from gateway.scheduler.usage_stage import rules_of
from gateway.store.columns import take_usage
from gateway.store.dirty_days_repository import DirtyDay
from gateway.store.findings_repository import FindingsRepository, Judged
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import ActivityRecord, RecordsRepository
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns

CHUNK_POINT_DAYS = 40_000  # of points × days looked at together: a million hours
LONG_AGO_MS = 0  # before every reading
FINDING_PREFIXES = ("balance.", "point.", "flatline.", "derived.", "output.", "reconcile.")


@dataclass(frozen=True, slots=True)
class _Span:
    """Consecutive days of some enterprises of one zone."""

    days: Days
    enterprises: tuple[Enterprise, ...]


@dataclass(frozen=True, slots=True)
class ChecksStage:
    """Looks at whole days."""

    engine: Engine
    timeseries: TimeSeriesStore
    settle_s: float  # after midnight until a day has ended

    def run(self, registry: Registry, due: Sequence[DirtyDay], now_ms: int) -> set[EnterpriseMonth]:
        """Judge the due days of all enterprises anew; one that is no longer registered keeps its findings.

        Gives the months in which findings about records may be others now: they may begin in other months than these.
        """
        days_of: dict[str, set[date]] = {}
        for mark in due:
            if mark.enterprise in registry.enterprises:
                days_of.setdefault(mark.enterprise, set()).add(mark.day)
        months: set[EnterpriseMonth] = set()
        for span in _spans(registry, days_of):
            months |= self._judge(registry, span, now_ms)
        return months

    def _judge(self, registry: Registry, span: _Span, now_ms: int) -> set[EnterpriseMonth]:
        points = [point for enterprise in span.enterprises for point in enterprise.every_point()]
        usage = self.timeseries.usage(sorted(point.point_id for point in points), *span.days.stretch)
        sums = _by_day(usage, span.days)
        first_ms = self._first_readings(registry, points, sums, span.days)
        found: list[Finding] = []
        judged: list[Judged] = []
        for enterprise in span.enterprises:
            own = {point.point_id for point in enterprise.every_point()}
            for place in range(len(span.days.days)):
                day = Day(
                    enterprise,
                    int(span.days.edges_ms[place]),
                    int(span.days.edges_ms[place + 1]),
                    {number: sums[number, place] for number in own if (number, place) in sums},
                    frozenset(
                        number
                        for number in own & first_ms.keys()
                        if (number, place) not in sums and first_ms[number] < span.days.edges_ms[place]
                    ),
                )
                found += day_findings(day)
            judged += [Judged(enterprise.id, subject, *span.days.stretch) for subject in _subjects(enterprise)]
        records = self._records_about(registry, span, now_ms)
        for name, own_records in records.items():
            of_records, subjects = self._judged_records(registry, name, own_records)
            found += of_records
            judged += subjects
        FindingsRepository(self.engine).replace_all(judged, found, now_ms, prefixes=FINDING_PREFIXES)
        return {(name, month_of(one.start_day)) for name, own_records in records.items() for one in own_records}

    def _first_readings(
        self, registry: Registry, points: Sequence[Point], sums: Mapping[tuple[int, int], PointDay], days: Days
    ) -> dict[int, int]:
        """When the points that were silent on a whole day were first read; no others are asked for."""
        silent = [
            point.point_id
            for point in points
            if point.device != DERIVED and any((point.point_id, place) not in sums for place in range(len(days.days)))
        ]
        known = sorted(rules_of(registry, silent))
        first = self.timeseries.after(known, LONG_AGO_MS, 1) if known else ReadingColumns.empty()
        return dict(zip(first.point_id.tolist(), first.at_ms.tolist(), strict=True))

    # --- records ----------------------------------------------------------------------------------------------------

    def _records_about(self, registry: Registry, span: _Span, now_ms: int) -> dict[str, list[ActivityRecord]]:
        """By enterprise: bills, hand readings and outputs of these days, and outputs that these days are usual for."""
        first, end = span.days.days[0], span.days.days[-1] + ONE_DAY
        ids = [enterprise.id for enterprise in span.enterprises]
        stored = RecordsRepository(self.engine)
        outputs = stored.of_kinds(ids, ("product",), first, end + USUAL_DAYS)
        found: dict[str, list[ActivityRecord]] = {}
        for record in stored.of_kinds(ids, ("bill", "reading"), first, end):
            found.setdefault(record.enterprise, []).append(record)
        for record in outputs:
            timezone = registry.park_of(record.enterprise).timezone
            if record.end_day <= first_open_day(now_ms, self.settle_s, timezone):
                found.setdefault(record.enterprise, []).append(record)
        return found

    def _judged_records(
        self, registry: Registry, name: str, records: Sequence[ActivityRecord]
    ) -> tuple[list[Finding], list[Judged]]:
        """Records of an enterprise, each judged whole."""
        enterprise, timezone = registry.enterprises[name], registry.park_of(name).timezone
        found: list[Finding] = []
        judged: list[Judged] = []
        for record in records:
            at_ms = day_start_ms(record.start_day, timezone)
            subject = _output_subject(record.subject) if record.kind == "product" else record.subject
            judged.append(Judged(name, subject, at_ms, at_ms + 1))
            stated, ends_ms = _stated(record, at_ms), day_start_ms(record.end_day, timezone)
            if record.kind == "bill":
                found += self._bill(enterprise, stated, ends_ms)
            elif record.kind == "reading":
                found += self._reading(enterprise, stated, ends_ms)
        found += self._outputs(enterprise, timezone, [one for one in records if one.kind == "product"])
        return found, judged

    def _bill(self, enterprise: Enterprise, bill: Stated, end_ms: int) -> Iterable[Finding]:
        point = _named(enterprise, bill.subject)
        usage = self.timeseries.usage([point.point_id], bill.at_ms, end_ms) if point else UsageColumns.empty()
        if not len(usage) or int(usage.hour_ms[-1]) + HOUR_MS < end_ms:
            return ()  # the bill's days are not all metered yet
        return bill_finding(enterprise, bill, int(usage.amount_u.sum()))

    def _reading(self, enterprise: Enterprise, hand: Stated, end_ms: int) -> Iterable[Finding]:
        point = _named(enterprise, hand.subject)
        if point is None:
            return ()
        before = self.timeseries.before([point.point_id], hand.at_ms + 1, 1)
        after = self.timeseries.after([point.point_id], end_ms, 1)
        if not len(before) or not len(after):
            return ()
        return reading_finding(enterprise, hand, float(before.value[0]), float(after.value[0]))

    def _outputs(self, enterprise: Enterprise, timezone: str, due: Sequence[ActivityRecord]) -> Iterator[Finding]:
        if not due:
            return
        first, end = min(one.start_day for one in due) - USUAL_DAYS, max(one.end_day for one in due)
        stored = RecordsRepository(self.engine)
        records = {
            product: stored.overlapping(enterprise.id, product, first, end, "product")
            for product in sorted({one.subject for one in due})
        }
        last = max(one.end_day for own in records.values() for one in own)
        energy = LedgerRepository(self.engine).energy_by_day(enterprise.id, first, last)
        names = {one.record_id for one in due}
        for own in records.values():
            outputs = [_stated(one, day_start_ms(one.start_day, timezone)) for one in own]
            yield from output_findings(enterprise, outputs, energy, names)


def _stated(record: ActivityRecord, at_ms: int) -> Stated:
    days = record.start_day.isoformat(), record.end_day.isoformat()
    return Stated(record.record_id, record.subject, *days, at_ms, record.amount_u, record.unit)


def _named(enterprise: Enterprise, name: str) -> Point | None:
    return next((point for point in enterprise.every_point() if f"{point.device}.{point.id}" == name), None)


def _subjects(enterprise: Enterprise) -> Iterator[str]:
    """Everything that a day of an enterprise can have a finding about."""
    yield from (f"balance.{balance.id}" for balance in enterprise.balances)
    yield from (device.id for device in enterprise.devices)
    yield from (f"{point.device}.{point.id}" for point in enterprise.every_point())
    yield from (_output_subject(product.id) for product in enterprise.products)


def _output_subject(product: str) -> str:
    return f"output.{product}"


def _spans(registry: Registry, days_of: Mapping[str, Iterable[date]]) -> Iterator[_Span]:
    """Enterprises with the same days and zone together, as many as CHUNK_POINT_DAYS allow."""
    shared: dict[tuple[str, tuple[date, ...]], list[Enterprise]] = {}
    for name, due in days_of.items():
        timezone = registry.park_of(name).timezone
        for span in consecutive_spans(due):
            shared.setdefault((timezone, tuple(span)), []).append(registry.enterprises[name])
    for (timezone, days), enterprises in shared.items():
        chunk: list[Enterprise] = []
        held = 0
        for enterprise in enterprises:
            weight = len(enterprise.every_point()) * len(days)
            if chunk and held + weight > CHUNK_POINT_DAYS:
                yield _Span(Days.of(days, timezone), tuple(chunk))
                chunk, held = [], 0
            chunk.append(enterprise)
            held += weight
        yield _Span(Days.of(days, timezone), tuple(chunk))


def _by_day(usage: UsageColumns, days: Days) -> dict[tuple[int, int], PointDay]:
    """(point, place of the day) -> its sums, of those that anything is known of."""
    usage = take_usage(usage, (usage.covered_ms > 0) | (usage.amount_u != 0))
    if not len(usage):
        return {}
    place = np.searchsorted(days.edges_ms, usage.hour_ms, side="right") - 1
    new = np.ones(len(usage), dtype=bool)
    new[1:] = (np.diff(usage.point_id) != 0) | (np.diff(place) != 0)
    starts = np.flatnonzero(new)
    hours = np.diff(np.append(starts, len(usage)))
    columns = zip(
        usage.point_id[starts].tolist(),
        place[starts].tolist(),
        np.add.reduceat(usage.amount_u, starts).tolist(),
        hours.tolist(),
        np.minimum.reduceat(usage.covered_ms, starts).tolist(),
        np.minimum.reduceat(usage.amount_u, starts).tolist(),
        np.maximum.reduceat(usage.amount_u, starts).tolist(),
        strict=True,
    )
    all_hours = (np.diff(days.edges_ms) // HOUR_MS).tolist()
    found = {}
    for point_id, at, amount_u, known, least_ms, low_u, high_u in columns:
        full = known == all_hours[at] and least_ms == HOUR_MS
        found[point_id, at] = PointDay(amount_u, known, full, low_u if low_u == high_u else None)
    return found
