"""What must be computed again because knowledge changed: a point's rule, a source, a method, a factor file.

Fingerprints of what was last computed with are kept in the database. On a difference the usage of the points concerned
is recomputed and the days concerned are marked, and only then is the new fingerprint kept: a crash repeats the work.
A newly published factor edition thus restates what it is for by itself. While neither the registry nor what is
published changes, a run costs one fingerprint. An enterprise whose rules cannot be compared holds up nobody else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import structlog
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from gateway.carbon.adjustments import line_of
from gateway.carbon.calendar import ONE_DAY, days_between, local_day
from gateway.carbon.derived_plan import items_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.steam import SteamTable
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.activities import points_behind
from gateway.scheduler.turns import Part, Turns
from gateway.scheduler.usage_stage import CLAIM_HOURS, PASSING, UsageStage, rules_of
from gateway.scheduler.windows import Window
from gateway.store.adjustments_repository import AdjustmentsRepository
from gateway.store.canonical_json import sha256_of
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.drops_repository import DropsRepository
from gateway.store.kept_repository import KeptRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import RecordsRepository
from gateway.store.timeseries import TimeSeriesStore

EVER = (date(2000, 1, 1), date(2200, 1, 1))
LONG_AGO_MS, FAR_AHEAD_MS = 0, 2**52  # before and after every reading


# Under which the fingerprints are kept: of an enterprise's points, of its sources.
POINTS, SOURCES = "rules.", "sources."

# Of the usage engine and its stage: raised by whoever changes what they give, so that stored usage is computed anew.
# 2: an hour is replaced out of all its readings, and readings marked bad are bridged.
# 3: a bad zero as the very first reading of an unrated counter is doubted.
ENGINE = 3
DERIVED_ENGINE = 1  # of gateway.carbon.derived, in the same way

NOTHING = "{}"  # the fingerprints, as they are kept, of an enterprise that left the registry
Prints = dict[str, str]  # point or source -> fingerprint
Extents = Mapping[int, tuple[int, int]]  # point -> whole hours around its readings; a point without any is missing


Published = Mapping[str, str]  # zone -> fingerprint of what is published there by now
Kept = Mapping[str, Mapping[str, str]]  # POINTS or SOURCES -> enterprise -> its fingerprints as they are kept

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RulesDone:
    """What a run did."""

    points_changed: int = 0
    sources_changed: int = 0

    def __add__(self, other: RulesDone) -> RulesDone:
        return RulesDone(self.points_changed + other.points_changed, self.sources_changed + other.sources_changed)


@dataclass(frozen=True, slots=True)
class _Changed:
    """What of an enterprise differs from what was last computed with."""

    enterprise: Enterprise
    names: frozenset[str]
    fresh: Prints


@dataclass(frozen=True, slots=True)
class ChangedRules:
    """Finds and marks what a change of knowledge concerns."""

    engine: Engine
    timeseries: TimeSeriesStore
    usage: UsageStage
    factors: FactorBook
    # The registry version and publication that were last worked off: nothing differs from them until they do.
    done_with: list[tuple[int, Published]] = field(default_factory=list)
    # The fingerprints of the days that it is now somewhere: files do not change meanwhile.
    by_day: dict[date, str] = field(default_factory=dict)

    def run(self, registry: Registry, now_ms: int, failed: dict[str, str], turns: Turns) -> RulesDone:
        """Compare all fingerprints with those kept; mark and recompute what differs.

        An enterprise with which that does not work is put into `failed` with the reason, and compared again next time.
        """
        published = self._published(registry, now_ms)
        if (registry.version, published) in self.done_with:
            return RulesDone()
        kept = self._kept()
        self._forget_those_who_left(registry, kept)
        found: list[RulesDone] = []
        bad: dict[str, str] = {}

        def compare(part: Part) -> None:
            own = replace(registry, enterprises=part.of(registry.enterprises))
            found.append(self._isolated(registry, own, published, kept, now_ms, bad))

        turns.each(self._differing(registry, published, kept) if turns.is_shared else registry.enterprises, compare)
        failed |= bad
        if not bad:
            self.done_with[:] = [(registry.version, published)]
        return sum(found, RulesDone())

    def awaits(self, registry: Registry, enterprise: str) -> bool:
        """Whether a point of an enterprise means something else than its hours were computed with."""
        own = replace(registry, enterprises={enterprise: registry.enterprises[enterprise]})
        kept = KeptRepository(self.engine).get(POINTS + enterprise)
        return bool(_changed(own, _point_prints(own, self.usage.derived.steam), {enterprise: kept or NOTHING}))

    def _differing(self, registry: Registry, published: Published, kept: Kept) -> Collection[str]:
        """Who has to be compared; everybody if somebody's fingerprints cannot be taken: he is found one by one."""
        try:
            points, sources = self._changed(registry, published, kept)
        except Exception as error:
            log.warning("rules_of_all", why=repr(error))
            return registry.enterprises
        return {one.enterprise.id for one in (*points, *sources)}

    def _isolated(
        self, registry: Registry, part: Registry, published: Published, kept: Kept, now_ms: int, bad: dict[str, str]
    ) -> RulesDone:
        """All together, or, if that fails, one by one, so that one holds nobody else up: who does is put into `bad`."""
        try:
            return self._compared(registry, part, published, kept, now_ms)
        except PASSING:
            raise
        except Exception as error:
            log.warning("rules_one_by_one", enterprises=len(part.enterprises), why=repr(error))
        done = RulesDone()
        for name, enterprise in sorted(part.enterprises.items()):
            only = replace(registry, enterprises={name: enterprise})
            try:
                done += self._compared(registry, only, published, kept, now_ms)
            except PASSING:
                raise
            except Exception as error:
                log.exception("rules_failed", enterprise=name, next="its days stay due; the others are compared")
                bad[name] = repr(error)
        return done

    def _compared(self, registry: Registry, part: Registry, published: Published, kept: Kept, now_ms: int) -> RulesDone:
        """Work off what differs of the enterprises that are in a part of the registry."""
        points, sources = self._changed(part, published, kept)
        self._recompute(registry, points, now_ms)
        self._mark(registry, sources)
        return RulesDone(sum(len(one.names) for one in points), sum(len(one.names) for one in sources))

    def _changed(self, part: Registry, published: Published, kept: Kept) -> tuple[list[_Changed], list[_Changed]]:
        """By points and by sources."""
        points = _changed(part, _point_prints(part, self.usage.derived.steam), kept[POINTS])
        return points, _changed(part, _source_prints(part, published), kept[SOURCES])

    def _kept(self) -> Kept:
        return {prefix: KeptRepository(self.engine).under(prefix) for prefix in (POINTS, SOURCES)}

    def _forget_those_who_left(self, registry: Registry, kept: Kept) -> None:
        """Compared with nothing, an enterprise that returns is computed anew: what was due when it left was dropped."""
        for prefix, prints in kept.items():
            gone = {name for name, own in prints.items() if name not in registry.enterprises and own != NOTHING}
            if gone:
                KeptRepository(self.engine).put_all(prefix, dict.fromkeys(gone, NOTHING))

    def _published(self, registry: Registry, now_ms: int) -> Published:
        """Per zone what is published there by now: a new edition counts from the midnight of its day in the park."""
        today = {zone: local_day(now_ms, zone) for zone in {park.timezone for park in registry.parks.values()}}
        known = {day: self.by_day.get(day) or self._published_by(day) for day in today.values()}
        self.by_day.clear()
        self.by_day.update(known)
        return {zone: known[day] for zone, day in today.items()}

    def _published_by(self, day: date) -> str:
        """Fingerprint of every value that is published by a day, and of tables."""
        known = [one for one in self.factors.factors.values() if one.published_on <= day]
        steam, grids = self.factors.steam.print_of("steam_heat_of"), sorted(self.factors.grid_of.items())
        return sha256_of(f"{known!r} {steam} {grids}")

    def _recompute(self, registry: Registry, changed: Sequence[_Changed], now_ms: int) -> None:
        """The usage of points whose rule is another one; the readings of a point without a rule stay as they are."""
        point_ids = [int(name) for one in changed for name in one.names if name in one.fresh]
        for window in _windows(self._extents(point_ids)):
            self.usage.recompute(registry, window, now_ms)
        for window in _windows(self._derived_extents(registry, point_ids)):
            self.usage.recompute_derived(registry, window)
        KeptRepository(self.engine).put_all(POINTS, {one.enterprise.id: json.dumps(one.fresh) for one in changed})

    def _mark(self, registry: Registry, changed: Sequence[_Changed]) -> None:
        """The days of sources whose definition, method or factors are others than those last booked with."""
        feeds = [
            point.point_id for one in changed for name in one.names for point in points_behind(one.enterprise, name)
        ]
        extents = self._whole_extents(feeds)
        marks: set[SourceDay] = set()
        for one in changed:
            name = one.enterprise.id
            for entry in LedgerRepository(self.engine).standing(name, sorted(one.names), *EVER):
                marks.add((name, entry.draft.source, entry.draft.day))
            for adjustment in AdjustmentsRepository(self.engine).of_enterprise(name):
                if adjustment.source in one.names:
                    marks.add((name, line_of(adjustment.source), adjustment.day))
            for source in one.names:
                marks |= {(name, source, day) for day in self._days(registry, one.enterprise, source, extents)}
        with writing(self.engine) as connection:
            DirtyDaysRepository(connection).mark(marks, "restated-factor")
            KeptRepository(connection).put_all(SOURCES, {one.enterprise.id: json.dumps(one.fresh) for one in changed})

    def _days(self, registry: Registry, enterprise: Enterprise, source_id: str, extents: Extents) -> set[date]:
        """All local days for which a source has readings or records."""
        source = enterprise.source(source_id)
        if source is None:
            return set()
        days: set[date] = set()
        if source.records:
            for record in RecordsRepository(self.engine).overlapping(enterprise.id, source.id, *EVER):
                days.update(days_between(record.start_day, record.end_day))
        timezone = registry.park_of(enterprise.id).timezone
        for point in points_behind(enterprise, source_id):
            if point.point_id in extents:
                start_ms, end_ms = extents[point.point_id]
                days.update(days_between(local_day(start_ms, timezone), local_day(end_ms - 1, timezone) + ONE_DAY))
        return days

    def _derived_extents(self, registry: Registry, point_ids: Sequence[int]) -> Extents:
        """Of those points that are derived: the hours that any of their inputs has, or had, readings in."""
        plan = self.usage.derived.plan(registry)
        behind = {point_id: plan.inputs([point_id]) for point_id in point_ids if point_id in plan.of_point}
        known = self._whole_extents(sorted(set[int]().union(*behind.values())))
        extents: dict[int, tuple[int, int]] = {}
        for point_id, inputs in behind.items():
            own = [known[one] for one in inputs if one in known]
            if own:
                extents[point_id] = min(start_ms for start_ms, _ in own), max(end_ms for _, end_ms in own)
        return extents

    def _whole_extents(self, point_ids: Sequence[int]) -> Extents:
        """The same, and the hours whose raw readings were dropped: their usage is kept, and its meaning may change."""
        extents = dict(self._extents(point_ids))
        for point_id, (start_ms, end_ms) in DropsRepository(self.engine).extents(sorted(set(point_ids))).items():
            own = extents.get(point_id, (start_ms, end_ms // HOUR_MS * HOUR_MS))
            extents[point_id] = min(own[0], start_ms) // HOUR_MS * HOUR_MS, own[1]
        return extents

    def _extents(self, point_ids: Sequence[int]) -> Extents:
        """Of those points that have readings; one question about all of them costs as much as about one."""
        if not point_ids:
            return {}
        first = self.timeseries.after(point_ids, LONG_AGO_MS, 1)
        last = self.timeseries.before(point_ids, FAR_AHEAD_MS, 1)
        starts = dict(zip(first.point_id.tolist(), (first.at_ms // HOUR_MS * HOUR_MS).tolist(), strict=True))
        ends = dict(zip(last.point_id.tolist(), (last.at_ms // HOUR_MS * HOUR_MS + HOUR_MS).tolist(), strict=True))
        return {point_id: (start_ms, ends[point_id]) for point_id, start_ms in starts.items() if point_id in ends}


def _changed(registry: Registry, fresh: Mapping[str, Prints], kept: Mapping[str, str]) -> list[_Changed]:
    changed = []
    for name, own in fresh.items():
        stood: Prints = json.loads(kept[name]) if name in kept else {}
        names = {key for key in own.keys() | stood.keys() if own.get(key) != stood.get(key)}
        if names:
            changed.append(_Changed(registry.enterprises[name], frozenset(names), own))
    return changed


def _point_prints(registry: Registry, steam: SteamTable) -> dict[str, Prints]:
    rules = rules_of(registry, list(registry.refs_by_id))
    prints: dict[str, Prints] = {name: {} for name in registry.enterprises}
    for point_id, rule in rules.items():
        prints[rule.enterprise][str(point_id)] = sha256_of(f"{ENGINE} {rule!r}")
    for enterprise in registry.enterprises.values():
        for item in items_of(enterprise):
            print_ = sha256_of(f"{DERIVED_ENGINE} {item.derived!r} {steam.print_of(item.derived.formula)}")
            prints[enterprise.id] |= dict.fromkeys(map(str, item.point_ids), print_)
    return prints


def _source_prints(registry: Registry, published: Published) -> dict[str, Prints]:
    prints: dict[str, Prints] = {}
    for enterprise in registry.enterprises.values():
        park = registry.park_of(enterprise.id)
        frame = f"{enterprise.method!r} {park.region} {park.timezone} {published[park.timezone]}"
        prints[enterprise.id] = {source.id: sha256_of(f"{source!r} {frame}") for source in enterprise.sources}
    return prints


def _windows(extents: Extents) -> Iterator[Window]:
    """Every point's extent in one window; points of like extents share one of at most CLAIM_HOURS point hours."""
    held: list[int] = []
    start_ms, end_ms = 0, 0
    for point_id, (first_ms, last_ms) in sorted(extents.items(), key=lambda item: (item[1], item[0])):
        widened = (min(start_ms, first_ms), max(end_ms, last_ms)) if held else (first_ms, last_ms)
        if held and (widened[1] - widened[0]) // HOUR_MS * (len(held) + 1) > CLAIM_HOURS:
            yield Window(tuple(sorted(held)), start_ms, end_ms)
            held, widened = [], (first_ms, last_ms)
        held.append(point_id)
        start_ms, end_ms = widened
    if held:
        yield Window(tuple(sorted(held)), start_ms, end_ms)
