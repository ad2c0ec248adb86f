"""Dirty hours -> hourly usage -> dirty days.

A reading changes the usage between it and its neighbours, and can change how a fall near by is judged. So each window
of dirty hours is recomputed from the hour of the REACHth reading before it to that of the REACHth after it, out of all
readings in those hours and CONTEXT more on each side to judge by. That is all it reaches: one late reading costs a few
hours, however old it is.

Derived points change with the hours of their inputs (`derived_stage`), and are stored by the same write.

What stays true: running it again changes nothing. Days are marked before their usage is stored, and that before the
dirty hours are cleared: whatever crashes in between, usage that differs from what was booked has its day marked. An
enterprise whose usage cannot be made holds up nobody else's. Limits: CLAIM_HOURS at once, and what `windows` bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreUnavailable
from gateway.carbon.calendar import day_start_ms, local_day
from gateway.carbon.derived import in_order
from gateway.carbon.derived_plan import condition_points
from gateway.carbon.oddities import PointFinding
from gateway.carbon.point_rule import PointRule
from gateway.carbon.usage import CONTEXT, REACH, rule_of, usable, usage_from
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.bounded_reads import bounded_windows
from gateway.scheduler.day_digests import DayDigests
from gateway.scheduler.days import days_fed_by
from gateway.scheduler.derived_stage import DerivedStage
from gateway.scheduler.near import InSlices, Readings, near
from gateway.scheduler.reached_days import ReachedDays
from gateway.scheduler.windows import DAY_MS, Reach, Window, difference, windows_of
from gateway.store.columns import one_after_another, sorted_readings, take_readings
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.dirty_log import DirtyHoursOf
from gateway.store.findings_repository import FindingsRepository, Judged
from gateway.store.lease_repository import LeaseLost
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.timeseries import DirtyHours, ReadingColumns, TimeSeriesStore, UsageColumns

log = structlog.get_logger(__name__)

# Says nothing against an enterprise: the whole run is tried again.
PASSING = (StoreUnavailable, MemoryError, LeaseLost)

CLAIM_HOURS = 200_000  # dirty (point, hour) notes worked off at once
NEIGHBOURS_GROWTH = 8  # so many times more are asked for where the nearest neighbours are not usable
FINDING_PREFIXES = ("counter.", "gauge.", "delta.")  # findings that this stage makes and takes back


@dataclass(frozen=True, slots=True)
class UsageDone:
    """What a run did."""

    hours_due: int = 0
    hours_changed: int = 0

    def __add__(self, other: UsageDone) -> UsageDone:
        return UsageDone(self.hours_due + other.hours_due, self.hours_changed + other.hours_changed)


@dataclass(frozen=True, slots=True)
class UsageStage:
    """Recomputes hourly usage where readings touched it."""

    engine: Engine
    timeseries: TimeSeriesStore
    derived: DerivedStage
    # Enterprise -> instant before which raw readings were dropped: hours before it stay as they are.
    horizons: Callable[[], Mapping[str, int]] = dict
    digests: DayDigests = field(default_factory=DayDigests)  # of days that a run has at hand, for who books them
    reached: ReachedDays = field(default_factory=ReachedDays)  # which days need not be booked again

    def run(
        self, registry: Registry, now_ms: int, failed: dict[str, str], hours: DirtyHoursOf | None = None
    ) -> UsageDone:
        """Work off the dirty hours there are; those that become dirty meanwhile are the next run's.

        `hours` None = of all enterprises. An enterprise whose usage cannot be made is put into `failed` with the
        reason, and its hours stay dirty.
        """
        done = UsageDone()
        listed = hours or self.timeseries
        left = listed.dirty_count()
        while left > 0:
            claimed = listed.claim_dirty(min(CLAIM_HOURS, left))
            if not len(claimed):
                break
            bad: set[int] = set()
            self.digests.forget(claimed.point_id)
            for window in _windows(self.timeseries, registry, claimed, now_ms):
                done += self._isolated(registry, window, now_ms, failed, bad)
            fine = ~np.isin(claimed.point_id, np.array(sorted(bad), np.int32))
            listed.clear_dirty(DirtyHours(claimed.point_id[fine], claimed.hour_ms[fine], claimed.token))
            done += UsageDone(hours_due=int(fine.sum()))
            left -= len(claimed)
        return done

    def _isolated(
        self, registry: Registry, window: Window, now_ms: int, failed: dict[str, str], bad: set[int]
    ) -> UsageDone:
        """A window, or, if that fails, the part of one enterprise after another, so that one holds nobody else up."""
        try:
            return self.recompute(registry, window, now_ms, self.digests)
        except PASSING:
            raise
        except Exception as error:
            log.warning("usage_one_by_one", points=len(window.point_ids), why=repr(error))
        owners: dict[str, list[int]] = {}
        for point_id in window.point_ids:
            ref = registry.refs_by_id.get(point_id)
            if ref is not None:
                owners.setdefault(ref.enterprise, []).append(point_id)
        done = UsageDone()
        for name, point_ids in sorted(owners.items()):
            try:
                own = Window(tuple(point_ids), window.start_ms, window.end_ms)
                done += self.recompute(registry, own, now_ms, self.digests)
            except PASSING:
                raise
            except Exception as error:
                log.exception("usage_failed", enterprise=name, next="its hours stay due; the others are computed")
                failed[name] = repr(error)
                bad.update(point_ids)
        return done

    def recompute(
        self, registry: Registry, window: Window, now_ms: int, digests: DayDigests | None = None
    ) -> UsageDone:
        """Usage of a window's hours and of what its readings reach; `digests` keeps those of whole days."""
        rules = rules_of(registry, window.point_ids)
        if not rules:
            return UsageDone()
        readings = near(self.timeseries, sorted(rules), window.start_ms, window.end_ms)
        windows = kept_parts(registry, reach_of(readings, rules, window).windows(), self.horizons())
        made = (self._replace(registry, rules, one, now_ms, readings, came=window, digests=digests) for one in windows)
        return sum(made, UsageDone())

    def replace(self, registry: Registry, window: Window, now_ms: int) -> UsageDone:
        """Usage of just a window's hours, and not of what its readings reach: for who looks at all hours anyway."""
        rules = rules_of(registry, window.point_ids)
        if not rules:
            return UsageDone()
        known = Window(tuple(sorted(rules)), window.start_ms, window.end_ms)
        windows = kept_parts(registry, list(bounded_windows(self.timeseries, known)), self.horizons())
        made = (self._replace(registry, rules, one, now_ms, self.timeseries, came=one) for one in windows)
        return sum(made, UsageDone())

    def _replace(
        self,
        registry: Registry,
        rules: dict[int, PointRule],
        window: Window,
        now_ms: int,
        source: Readings,
        *,
        came: Window,
        digests: DayDigests | None = None,
    ) -> UsageDone:
        """Make usage and findings of a window's hours what all of their readings give, and mark the days to be booked.

        Hours are replaced whole, so every reading in them must be at hand, and not only those near the change. The
        change itself lies in the hours in which readings `came`.
        """
        known, start_ms, end_ms = window.point_ids, window.start_ms, window.end_ms
        readings = _readings_around(source, known, start_ms, end_ms, rules)
        result = usage_from(readings, rules, start_ms, end_ms)
        changed = difference(self.timeseries.usage(known, start_ms, end_ms), result.usage)
        self._note(registry, rules, window, came, readings, changed, result.findings, now_ms)
        if len(changed):
            # By one write: a crash between two would leave derived hours that nothing asks to be computed anew.
            self.timeseries.put_usage(in_order([changed, self.derived.changed_by(registry, changed)]))
        if digests is not None:
            digests.keep(registry, readings, window, now_ms)
        return UsageDone(hours_changed=len(changed))

    def recompute_derived(self, registry: Registry, window: Window) -> None:
        """Derived points of a window whose definition is another one, what is made from them, and their days."""
        stretch = window.start_ms, window.end_ms
        changed = self.derived.recomputed(registry, window.point_ids, stretch)
        if len(changed):
            self.timeseries.put_usage(changed)
        days = set[SourceDay]().union(*(days_fed_by(registry, point_id, *stretch) for point_id in window.point_ids))
        DirtyDaysRepository(self.engine).mark(days, "late-data")

    def _note(
        self,
        registry: Registry,
        rules: dict[int, PointRule],
        window: Window,
        came: Window,
        readings: ReadingColumns,
        changed: UsageColumns,
        found: Sequence[PointFinding],
        now_ms: int,
    ) -> None:
        """Findings of the window's points and the days that are due, in one transaction."""
        of_subject = {(rules[point_id].enterprise, rules[point_id].subject): point_id for point_id in window.point_ids}
        judged = [Judged(*subject, window.start_ms, window.end_ms) for subject in of_subject]
        changes = list(zip(changed.point_id.tolist(), changed.hour_ms.tolist(), strict=True))
        with writing(self.engine) as connection:
            differing = FindingsRepository(connection).replace_all(
                judged, [one.finding for one in found], now_ms, prefixes=FINDING_PREFIXES
            )
            changes += [(of_subject[enterprise, subject], at_ms) for enterprise, subject, at_ms in differing]
            first_ms: dict[int, int] = {}
            for point_id, at_ms in changes:
                first_ms[point_id] = min(at_ms, first_ms.get(point_id, at_ms))
            heads_of = LedgerRepository(connection).last_seqs
            due = self.reached.due(registry, window, came, readings, first_ms, heads_of)
            DirtyDaysRepository(connection).mark(due, "late-data")


def _windows(timeseries: TimeSeriesStore, registry: Registry, claimed: DirtyHours, now_ms: int) -> Iterator[Window]:
    """Windows of claimed hours, long ones by the days of the zone that their points are in."""
    points, place = np.unique(claimed.point_id, return_inverse=True)
    begin_ms = np.zeros(points.size, np.int64)
    for own, point_id in enumerate(points.tolist()):
        ref = registry.refs_by_id.get(point_id)
        if ref is not None:
            zone = registry.park_of(ref.enterprise).timezone
            begin_ms[own] = day_start_ms(local_day(now_ms, zone), zone) % DAY_MS
    for begins_ms in np.unique(begin_ms).tolist():
        mine = (begin_ms == begins_ms)[place]
        for window in windows_of(DirtyHours(claimed.point_id[mine], claimed.hour_ms[mine], claimed.token), begins_ms):
            yield from bounded_windows(timeseries, window)


def rules_of(registry: Registry, point_ids: Sequence[int]) -> dict[int, PointRule]:
    """Rules of those points that are registered and give usage."""
    rules: dict[int, PointRule] = {}
    wanted = set(point_ids)
    enterprises: dict[str, Enterprise] = {
        ref.enterprise: registry.enterprises[ref.enterprise]
        for ref in (registry.refs_by_id.get(point_id) for point_id in wanted)
        if ref is not None
    }
    for enterprise in enterprises.values():
        conditions = condition_points(enterprise)
        for point in enterprise.points():
            is_condition = (point.device, point.id) in conditions
            rule = rule_of(enterprise, point, is_condition=is_condition) if point.point_id in wanted else None
            if rule is not None:
                rules[point.point_id] = rule
    return rules


def kept_parts(registry: Registry, windows: Sequence[Window], horizons: Mapping[str, int]) -> Sequence[Window]:
    """The parts of windows whose raw readings are there: an hour out of some of its readings would be a wrong one."""
    if not horizons:
        return windows
    parts: list[Window] = []
    for window in windows:
        starts: dict[int, list[int]] = {}
        for point_id in window.point_ids:
            horizon_ms = horizons.get(registry.refs_by_id[point_id].enterprise, window.start_ms)
            starts.setdefault(max(window.start_ms, horizon_ms), []).append(point_id)
        parts += [Window(tuple(own), first, window.end_ms) for first, own in starts.items() if first < window.end_ms]
    return parts


def reach_of(timeseries: Readings, rules: Mapping[int, PointRule], window: Window) -> Reach:
    """The hours that the readings of a window can change, of those of its points that have a rule."""
    known = tuple(sorted(rules))
    before = usable(neighbours(timeseries.before, known, window.start_ms, REACH, rules), rules)
    after = usable(neighbours(timeseries.after, known, window.end_ms, REACH, rules), rules)
    return Reach.of(Window(known, window.start_ms, window.end_ms), before, after)


def recomputed_usage(
    timeseries: TimeSeriesStore, registry: Registry, point_ids: Sequence[int], start_ms: int, end_ms: int
) -> UsageColumns:
    """Usage of whole hours as the readings give it now, whatever is stored: for verification."""
    rules = rules_of(registry, point_ids)
    whole = Window(tuple(point_ids), start_ms, -(-end_ms // HOUR_MS) * HOUR_MS)
    parts = [
        usage_from(
            _readings_around(InSlices(timeseries), one.point_ids, one.start_ms, one.end_ms, rules),
            rules,
            one.start_ms,
            one.end_ms,
        )
        for one in (bounded_windows(timeseries, whole) if start_ms < end_ms else ())
    ]
    return in_order([part.usage for part in parts])


def usage_over_horizon(
    timeseries: TimeSeriesStore,
    registry: Registry,
    horizon_ms: int,
    point_ids: Sequence[int],
    start_ms: int,
    end_ms: int,
) -> UsageColumns:
    """The same, where raw readings before an instant were dropped: up to there what is stored stands for it."""
    cut_ms = min(max(start_ms, horizon_ms), end_ms)
    stored = timeseries.usage(point_ids, start_ms, cut_ms) if start_ms < cut_ms else UsageColumns.empty()
    fresh = (
        recomputed_usage(timeseries, registry, point_ids, cut_ms, end_ms) if cut_ms < end_ms else UsageColumns.empty()
    )
    return in_order([stored, fresh])


def _readings_around(
    timeseries: Readings, point_ids: Sequence[int], start_ms: int, end_ms: int, rules: Mapping[int, PointRule]
) -> ReadingColumns:
    """All readings of whole hours with what is needed to judge them."""
    return one_after_another(
        [
            neighbours(timeseries.before, point_ids, start_ms, CONTEXT, rules),
            timeseries.read(point_ids, start_ms, end_ms),
            neighbours(timeseries.after, point_ids, end_ms, CONTEXT, rules),
        ]
    )


def neighbours(
    ask: Callable[[Sequence[int], int, int], ReadingColumns],
    point_ids: Sequence[int],
    at_ms: int,
    count: int,
    rules: Mapping[int, PointRule],
) -> ReadingColumns:
    """Readings on one side of an instant, so many that `count` of each point are usable, or all there are.

    A meter can call its readings bad for hours: then the nearest `count` say nothing, and a step over them would be
    lost where a window begins or ends.
    """
    parts: list[ReadingColumns] = []
    lacking, asked = [point_id for point_id in point_ids if point_id in rules], count
    while lacking:
        found = ask(lacking, at_ms, asked)
        rows, good = _rows_per_point(found), _rows_per_point(usable(found, rules))
        short = [one for one in lacking if good.get(one, 0) < count and rows.get(one, 0) >= asked]
        parts.append(take_readings(found, ~np.isin(found.point_id, short)))
        lacking, asked = short, asked * NEIGHBOURS_GROWTH
    return sorted_readings(ReadingColumns.concatenate(parts))


def _rows_per_point(readings: ReadingColumns) -> dict[int, int]:
    points, counts = np.unique(readings.point_id, return_counts=True)
    return dict(zip(points.tolist(), counts.tolist(), strict=True))
