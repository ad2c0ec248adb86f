"""Which days are due after usage was made anew: those in which readings came, and those that they changed from outside.

A reading reaches back over several readings, so for a while after midnight each one reaches into the day before. That
day is another one only if its usage or its findings changed, or the first reading after it, on which its digest rests.
The first two are seen where usage is made; the third is remembered here, from the moment in which the day was booked.

What stays true: a day is left out only if its source was booked with the very reading that follows the day now, and the
enterprise's chain still has the head that it had then. So whatever another process books in between makes this one look
again, and so does a restart, which forgets everything. Limits: the newest day of each source; KEPT_LIMIT sources. A
day that lies after the readings which came, or more than a day before them, is always due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from gateway.carbon.calendar import ONE_DAY, day_start_ms, local_day
from gateway.carbon.runs import Runs
from gateway.registry.model import Registry
from gateway.scheduler.days import days_fed_by
from gateway.scheduler.windows import Window
from gateway.store.columns import take_readings
from gateway.store.dirty_days_repository import SourceDay
from gateway.store.timeseries import ReadingColumns

KEPT_LIMIT = 200_000

Follower = tuple[int, float, int]  # instant, value and quality of a reading
HeadsOf = Callable[[Collection[str]], Mapping[str, int]]  # enterprises -> heads of their chains


@dataclass(frozen=True, slots=True)
class Booked:
    """What followed the last day of a source that was booked, or found to be booked so."""

    end_ms: int  # of the day
    followers: Mapping[int, Follower | None]  # point -> the first reading from then on
    head: int  # of the enterprise's chain at that moment


@dataclass(frozen=True, slots=True)
class ReachedDays:
    """What is remembered of the days that were booked last."""

    booked: dict[tuple[str, str], Booked] = field(default_factory=dict)  # of (enterprise, source)

    def note(self, enterprise: str, source: str, booked: Booked) -> None:
        """Remember how a source's day was booked."""
        if len(self.booked) >= KEPT_LIMIT:
            self.booked.clear()
        self.booked[enterprise, source] = booked

    def due(
        self,
        registry: Registry,
        window: Window,
        came: Window,
        readings: ReadingColumns,
        changed_ms: Mapping[int, int],
        heads_of: HeadsOf,
    ) -> set[SourceDay]:
        """The days to look at after a window was computed because of readings that came in a part of it.

        `readings` are those of the window, with neighbours; `changed_ms` says of points in which anything differs from
        what stood since when.
        """
        due: set[SourceDay] = set()
        doubtful: list[tuple[set[SourceDay], Mapping[SourceDay, int]]] = []
        own = _by_point(readings) if window.start_ms < came.start_ms else {}
        for point_id in window.point_ids:
            days = days_fed_by(registry, point_id, window.start_ms, window.end_ms)
            known = self._as_booked(registry, point_id, window, came, own.get(point_id), changed_ms.get(point_id), days)
            if known:
                doubtful.append((days, known))
            else:
                due |= days
        heads = heads_of({enterprise for _, known in doubtful for enterprise, _, _ in known}) if doubtful else {}
        for days, known in doubtful:
            due |= {day for day in days if day not in known or known[day] != heads.get(day[0], 0)}
        return due

    def _as_booked(
        self,
        registry: Registry,
        point_id: int,
        window: Window,
        came: Window,
        own: ReadingColumns | None,
        changed_ms: int | None,
        days: Collection[SourceDay],
    ) -> Mapping[SourceDay, int]:
        """Those of the days that a point only reaches, with the head that the chain must still have."""
        zone = registry.park_of(registry.refs_by_id[point_id].enterprise).timezone
        today = local_day(came.start_ms, zone)
        end_ms = day_start_ms(today, zone)
        if own is None or not window.start_ms < end_ms or (changed_ms is not None and changed_ms < end_ms):
            return {}
        found: dict[SourceDay, int] = {}
        for enterprise, source, day in days:
            known = self.booked.get((enterprise, source)) if day == today - ONE_DAY else None
            if known is None or known.end_ms != end_ms or point_id not in known.followers:
                continue
            if known.followers[point_id] == follower(own, end_ms):
                found[enterprise, source, day] = known.head
        return found


def follower(readings: ReadingColumns, end_ms: int) -> Follower | None:
    """The first of one point's readings at or after an instant."""
    place = int(np.searchsorted(readings.at_ms, end_ms, "left"))
    if place == len(readings):
        return None
    return int(readings.at_ms[place]), float(readings.value[place]), int(readings.quality[place])


def _by_point(readings: ReadingColumns) -> dict[int, ReadingColumns]:
    runs = Runs.of(readings.point_id)
    return {
        point_id: take_readings(readings, slice(first, first + count))
        for point_id, first, count in zip(runs.points, runs.firsts.tolist(), runs.counts.tolist(), strict=True)
    }
