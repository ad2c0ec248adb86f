"""Digests of whole days that the usage stage had at hand, so that booking those days need not read them again.

A bulk load brings whole days: their readings are in memory while usage is made of them, and the digest that the entry
will carry is that of the very readings its amount came from. What arrives bit by bit is never in memory as a whole day;
then whoever books reads it.

What stays true:
- A digest is kept only for the run that made it, and only of a day whose readings, with the neighbours whose steps
  reach into it, were all at hand; a point that is claimed again is forgotten first. A reading that comes after its day
  was digested leaves its hour dirty: the next run books the day anew.
- Whoever checks what was booked is not answered from here (`SeriesSource.without_memory`, and a source of its own in
  verification): every digest is then computed from the raw readings.

Limit: KEPT_LIMIT digests of about 300 bytes; a day beyond it is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from collectors.clock import HOUR_MS
from gateway.carbon.calendar import ONE_DAY, day_window_ms, days_between, local_day
from gateway.carbon.evidence import digest_of_readings
from gateway.carbon.runs import Runs
from gateway.registry.model import Registry
from gateway.scheduler.activities import points_behind
from gateway.scheduler.series import Digests, Stretch, around
from gateway.scheduler.windows import Window
from gateway.store.columns import take_readings
from gateway.store.timeseries import Int32s, ReadingColumns

KEPT_LIMIT = 200_000
SHORTEST_MS = 20 * HOUR_MS  # windows shorter than this hold no whole day: live polling is not looked at


@dataclass(frozen=True, slots=True)
class DayDigests:
    """Point -> start of a day -> digest of the readings it rests on."""

    of_point: dict[int, dict[int, str]] = field(default_factory=dict)
    zones: dict[int, dict[int, str]] = field(default_factory=dict)  # registry version -> point that is evidence -> zone

    @contextmanager
    def of_one_run(self) -> Iterator[None]:
        """Everything is forgotten when the run ends, however it ends."""
        try:
            yield
        finally:
            self.of_point.clear()

    def forget(self, point_ids: Int32s) -> None:
        """These points have new readings."""
        for point_id in np.unique(point_ids).tolist() if self.of_point else ():
            self.of_point.pop(point_id, None)

    def keep(self, registry: Registry, readings: ReadingColumns, window: Window, now_ms: int) -> None:
        """Digest the ended days that are whole in a window; `readings` are all of its hours' and their neighbours."""
        zones = self._zones(registry)
        days = {zone: list(_days(window, zone, now_ms)) for zone in {zones.get(one, "") for one in window.point_ids}}
        if not any(days.values()):
            return
        room = KEPT_LIMIT - sum(map(len, self.of_point.values()))
        runs = Runs.of(readings.point_id)
        for point_id, first, count in zip(runs.points, runs.firsts.tolist(), runs.counts.tolist(), strict=True):
            due = days.get(zones.get(point_id, ""), ())
            if not due or room < len(due):
                continue
            own = take_readings(readings, slice(first, first + count))
            kept = self.of_point.setdefault(point_id, {})
            kept |= {day[0]: digest_of_readings(around(own, *day)) for day in due if is_whole(own, window, day)}
            room -= len(due)

    def known(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> Digests:
        """What is kept of these points and of days that begin between two instants."""
        kept = {point_id: self.of_point[point_id] for point_id in point_ids if point_id in self.of_point}
        return {
            point_id: {day_ms: digest for day_ms, digest in own.items() if start_ms <= day_ms < end_ms}
            for point_id, own in kept.items()
        }

    def _zones(self, registry: Registry) -> Mapping[int, str]:
        """Of every point whose readings an entry rests on: the zone of its days."""
        found = self.zones.get(registry.version)
        if found is None:
            found = dict(_evidence(registry))
            self.zones.clear()
            self.zones[registry.version] = found
        return found


def _evidence(registry: Registry) -> Iterator[tuple[int, str]]:
    for enterprise in registry.enterprises.values():
        zone = registry.park_of(enterprise.id).timezone
        for source in enterprise.sources:
            yield from ((point.point_id, zone) for point in points_behind(enterprise, source.id))


def _days(window: Window, zone: str, now_ms: int) -> Iterator[Stretch]:
    """Local days that overlap a window and have ended."""
    if not zone or window.end_ms - window.start_ms < SHORTEST_MS:
        return
    first, last = local_day(window.start_ms, zone), local_day(window.end_ms - 1, zone)
    for day in days_between(first, last + ONE_DAY):
        start_ms, end_ms = day_window_ms(day, zone)
        if end_ms <= now_ms:
            yield start_ms, end_ms


def is_whole(own: ReadingColumns, window: Window, day: Stretch) -> bool:
    """Are all readings of a day at hand, and the last before it and the first after it if there are such?

    A window's readings have no hole, and reach as far as the neighbours read with them.
    """
    begins = window.start_ms <= day[0] or int(own.at_ms[0]) < day[0]
    ends = window.end_ms >= day[1] or int(own.at_ms[-1]) >= day[1]
    return begins and ends
