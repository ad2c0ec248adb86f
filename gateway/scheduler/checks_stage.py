"""Dirty days -> what whole days show: balances, silence, meters that stand still, bills, output without energy.

Works off the same marks as the entries, after them. Usage of many enterprises is read at once and summed by day in
columns; what is odd is rare and looked at one by one (`gateway.carbon.day_checks`).

What stays true: running it again changes nothing; a finding that a day no longer shows is resolved. Limits: memory is
bounded by CHUNK_POINT_DAYS; a point that was silent all day is a finding only if it has readings from before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from gateway.carbon.calendar import ONE_DAY, day_start_ms
from gateway.carbon.day_checks import (
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
USUAL_DAYS = timedelta(days=92)  # of a product's earlier records that say what energy is usual


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

    def run(self, registry: Registry, due: Sequence[DirtyDay], now_ms: int) -> None:
        """Judge the due days of all enterprises anew; one that is no longer registered keeps its findings."""
        days_of: dict[str, set[date]] = {}
        for mark in due:
            if mark.enterprise in registry.enterprises:
                days_of.setdefault(mark.enterprise, set()).add(mark.day)
        for span in _spans(registry, days_of):
            self._judge(registry, span, now_ms)

    def _judge(self, registry: Registry, span: _Span, now_ms: int) -> None:
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
        of_records, subjects = self._records(registry, span)
        with_records = [*found, *of_records]
        FindingsRepository(self.engine).replace_all(
            [*judged, *subjects], with_records, now_ms, prefixes=FINDING_PREFIXES
        )

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

    def _records(self, registry: Registry, span: _Span) -> tuple[list[Finding], list[Judged]]:
        """Bills, hand readings and outputs that share a day with the span, each judged whole."""
        first, end = span.days.days[0], span.days.days[-1] + ONE_DAY
        ids = [enterprise.id for enterprise in span.enterprises]
        records = RecordsRepository(self.engine).of_kinds(ids, ("bill", "reading", "product"), first, end)
        if not records:
            return [], []
        by_enterprise: dict[str, list[ActivityRecord]] = {}
        for record in records:
            by_enterprise.setdefault(record.enterprise, []).append(record)
        found: list[Finding] = []
        judged: list[Judged] = []
        for name, own in by_enterprise.items():
            enterprise, timezone = registry.enterprises[name], registry.park_of(name).timezone
            for record in own:
                at_ms = day_start_ms(record.start_day, timezone)
                subject = f"output.{record.subject}" if record.kind == "product" else record.subject
                judged.append(Judged(name, subject, at_ms, at_ms + 1))
                stated, ends_ms = _stated(record, at_ms), day_start_ms(record.end_day, timezone)
                if record.kind == "bill":
                    found += self._bill(enterprise, stated, ends_ms)
                elif record.kind == "reading":
                    found += self._reading(enterprise, stated, ends_ms)
            found += self._outputs(enterprise, timezone, [one for one in own if one.kind == "product"])
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
        energy = LedgerRepository(self.engine).energy_by_day(enterprise.id, first, end)
        if not any(energy.values()):
            return  # nothing is booked yet: an account without data is no plant without energy
        names = {one.record_id for one in due}
        for product in sorted({one.subject for one in due}):
            records = RecordsRepository(self.engine).overlapping(enterprise.id, product, first, end, "product")
            outputs = [_stated(one, day_start_ms(one.start_day, timezone)) for one in records if one.start_day >= first]
            used = {
                one.record_id: sum(gce for day, gce in energy.items() if one.start_day <= day < one.end_day)
                for one in records
            }
            yield from output_findings(enterprise, outputs, used, names)


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
