"""What happens in a world and when, all of it drawn before it begins; what depends on the books is chosen then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from tests.plant_life.calendar import day_start_ms, local_day, next_month
from tests.plant_life.deliveries import Span, outages_of, parcels_of, readings_of, turn_of
from tests.plant_life.instruments import DAY_MS, HOUR_MS, MINUTE_MS, Point
from tests.plant_life.knowledge import LATER
from tests.plant_life.layouts import METHODS, POLICIES, foundry, mill, workshop
from tests.plant_life.papers import Paper
from tests.plant_life.plants import Plant
from tests.plant_life.process import SCHEDULERS
from tests.plant_life.receivers import receiver_of

if TYPE_CHECKING:
    from tests.plant_life.world import World

JOBS = ("rollup", "close_months", "daily_roots", "webhooks")
UPKEEP = ("retention", "archive")  # in worlds that give up raw readings or archive them
EARLIEST_MS = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)
NEW_YEAR_MS = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)
BEFORE_NEW_YEAR_DAYS, AFTER_NEW_YEAR_DAYS = 20, 10  # at least, of worlds that live through it
LATE_MS = 60 * DAY_MS
LATE_WHERE_RAW_GOES_MS = 8 * DAY_MS  # ingest takes nothing older than what is kept: outages and absences come on top
PARKS = ((mill,), (foundry,), (mill, foundry), (mill, workshop), (foundry, workshop))
PLATFORMS = ("city", "bank")  # one sees every plant, the other the first
CLOCKS_OFF_MS = (-40 * HOUR_MS, -2 * HOUR_MS, 3 * HOUR_MS, 30 * HOUR_MS)


def life_of(rng: random.Random, seed: int) -> tuple[int, int]:
    """When a world begins, and how many days it lives. One in three lives through a New Year."""
    start_ms = EARLIEST_MS + rng.randrange(130) * DAY_MS + rng.randrange(24) * HOUR_MS
    days = rng.randrange(50, 115)
    if seed % 3 == 2:
        start_ms = NEW_YEAR_MS - rng.randrange(BEFORE_NEW_YEAR_DAYS, days - AFTER_NEW_YEAR_DAYS) * DAY_MS
    return start_ms, days


class Script:
    """Writes the timeline of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self.raw_goes = world.terms.raw_retention_days > 0
        self.jobs = (*JOBS, *(UPKEEP if self.raw_goes or world.terms.archive_after_days else ()))

    def write(self) -> None:
        world, rng = self._world, self._rng
        for layout in rng.choice(PARKS):
            plant = layout(rng, world.start_ms, world.end_ms)
            joins_ms = world.start_ms
            if layout is workshop:
                plant.registered = False
                joins_ms = self._some_time(0.2, 0.7)
                world.at(joins_ms, partial(self._join, plant))
            plant.consents = PLATFORMS[: 1 if world.plants else None]
            world.plants.append(plant)
            world.papers[plant.id] = []
            self._readings(plant, joins_ms)
            self._records(plant, joins_ms)
            self._changes_of_mind(plant, joins_ms)
            self._operator(plant, joins_ms)
            self._redrawn(plant, joins_ms)
            if layout is not workshop and rng.random() < 0.25:
                leaves_ms = self._some_time(0.2, 0.7)
                world.at(leaves_ms, partial(world.leave, plant))
                away_ms = rng.randrange(1, LATE_WHERE_RAW_GOES_MS if self.raw_goes else 15 * DAY_MS)
                world.at(leaves_ms + away_ms, partial(self._join, plant))
        if rng.random() < 0.85:
            world.at(self._some_time(0.1, 0.95), world.later_editions)
        self._rebuilds()
        self._ticks()
        self._platforms()

    def _some_time(self, first: float, end: float) -> int:
        """An instant in a part of the world's life."""
        world = self._world
        length_ms = world.end_ms - world.start_ms
        return world.start_ms + self._rng.randrange(int(first * length_ms), int(end * length_ms))

    # --- plants -----------------------------------------------------------------------------------------------------

    def _join(self, plant: Plant) -> None:
        plant.registered, plant.left = True, False
        self._world.apply_registry(f"{plant.name} joins")

    def _readings(self, plant: Plant, joins_ms: int) -> None:
        world, rng = self._world, self._rng
        longest_late_ms = LATE_WHERE_RAW_GOES_MS if self.raw_goes else LATE_MS
        first_ms = max(world.start_ms, joins_ms - longest_late_ms) if self.raw_goes else world.start_ms
        for point in plant.points.values():
            outages = outages_of(rng, world.start_ms, world.end_ms)
            if turn_of(rng, point, world.start_ms, world.end_ms) == "replacement":
                self._declaration(plant, point, joins_ms)
            point.readings = readings_of(rng, point, outages, first_ms, world.end_ms)
            for parcel in parcels_of(rng, plant.id, point, outages, joins_ms, longest_late_ms):
                world.at(parcel.due_ms, partial(world.arrive, parcel))

    def _declaration(self, plant: Plant, point: Point, joins_ms: int) -> None:
        """Weeks late, and where raw readings go half of them only when those around it are about to."""
        world, turn_ms = self._world, point.instrument.turn_ms  # type: ignore[union-attr]
        declared_ms = turn_ms + self._rng.randrange(30 * DAY_MS)
        if self.raw_goes and turn_ms // MINUTE_MS % 2:
            declared_ms += 45 * DAY_MS
        world.undeclared.append((plant, point.device, turn_ms))
        world.at(max(declared_ms, joins_ms), partial(world.declare, plant, point.device))

    def _changes_of_mind(self, plant: Plant, joins_ms: int) -> None:
        """Certificates that come in month by month, another method, another policy."""
        world, rng = self._world, self._rng
        for month, end in self._months(plant):
            arrives_ms = max(day_start_ms(end, plant.zone) + rng.randrange(40 * DAY_MS), joins_ms)
            for source in plant.sources:
                if source.activity == "electricity.green" and rng.random() < 0.7:
                    world.at(arrives_ms, partial(self._certify, plant, source.id, (month, end)))
        for name, choices in (("method", METHODS), ("policy", POLICIES)):
            if rng.random() < 0.4:
                chosen = rng.choice(choices)
                world.at(max(self._some_time(0.1, 0.95), joins_ms), partial(self._choose, plant, name, chosen))

    def _certify(self, plant: Plant, source: str, days: tuple[date, date]) -> None:
        plant.papers.setdefault(source, []).append(days)
        self._world.apply_registry(f"{plant.name} proves green power of {days[0]:%Y-%m}")

    def _choose(self, plant: Plant, name: str, chosen: str) -> None:
        setattr(plant, name, chosen)
        self._world.apply_registry(f"{plant.name} takes the {name} {chosen}")

    def _redrawn(self, plant: Plant, joins_ms: int) -> None:
        """What is measured and accounted for is told otherwise, for all that was and will be."""
        world, rng = self._world, self._rng
        for _ in range(rng.choice((0, 0, 1, 2))):
            at_ms = max(self._some_time(0.1, 0.95), joins_ms)
            source = rng.choice(plant.sources).id
            point = rng.choice(list(plant.points.values()))
            tell = rng.choice((
                ("drops", source, partial(plant.drop, source)),
                ("takes half of the last feed of", source, partial(plant.halve, source)),
                ("takes half of the last part of", "its sums", plant.halve_sums),
                ("calls other pauses gaps at", point.device, partial(setattr, point, "gap_max_ms", 5 * HOUR_MS)),
            ))  # fmt: skip
            if not (self.raw_goes and tell[0].startswith("calls")):  # hours without raw readings stay as they are
                world.at(at_ms, partial(world.redraw, plant, *tell))

    # --- records ----------------------------------------------------------------------------------------------------

    def _months(self, plant: Plant) -> list[tuple[date, date]]:
        """First days of the months that the plant lives in, and of the months after them."""
        month = local_day(self._world.start_ms, plant.zone).replace(day=1)
        last = local_day(self._world.end_ms, plant.zone)
        found = []
        while month <= last:
            found.append((month, next_month(month)))
            month = next_month(month)
        return found

    def _records(self, plant: Plant, joins_ms: int) -> None:
        rng = self._rng
        for month, end in self._months(plant):
            if rng.random() < 0.9:
                output = Paper(f"output-{month:%Y-%m}", "product", "plate", month, end, self._output_milli(plant), "t")
                self._send(plant, output, end, joins_ms)
            for source in plant.sources:
                if not source.feeds:
                    self._purchases(plant, source.id, month, end, joins_ms)

    def _output_milli(self, plant: Plant) -> int:
        """Tonnes that make any colour possible."""
        return self._rng.randrange(200_000, 6_000_000) // (20 if plant.name == "Workshop" else 1)

    def _purchases(self, plant: Plant, source: str, month: date, end: date, joins_ms: int) -> None:
        """Several a month, some over the month's edge, none over the days of another; one now and then on top."""
        rng, day, number = self._rng, month, 0
        while day < end:
            last = min(day + timedelta(days=rng.randint(1, 12)), end)
            if rng.random() < 0.7:
                name = f"{source}-{month:%Y-%m}-{number}"
                twice = rng.random() < 0.1
                for own in (name, f"{name}-extra")[: 1 + twice]:
                    milli = rng.randrange(1, 900_000)
                    paper = Paper(own, "source", source, day, last, milli, "t", parallel=twice)
                    self._send(plant, paper, last, joins_ms)
            day, number = last, number + 1

    def _send(self, plant: Plant, paper: Paper, known: date, joins_ms: int) -> None:
        """A record is sent days after what it tells of, sometimes before its last day, and sometimes corrected."""
        world, rng = self._world, self._rng
        sent_ms = day_start_ms(known, plant.zone) + rng.randrange(-3 * DAY_MS, rng.choice((3, 12, 50)) * DAY_MS)
        sent_ms = max(sent_ms, joins_ms)
        world.at(sent_ms, partial(world.import_paper, plant, paper))
        while rng.random() < 0.2:
            paper = paper.corrected(rng, f"{paper.id}-corrected")
            sent_ms += rng.randrange(1, 30 * DAY_MS)
            world.at(sent_ms, partial(world.import_paper, plant, paper))

    # --- operators --------------------------------------------------------------------------------------------------

    def _operator(self, plant: Plant, joins_ms: int) -> None:
        world, rng = self._world, self._rng
        for _ in range(rng.choice((0, 1, 3))):
            at_ms = max(self._some_time(0.1, 0.95), joins_ms + 2 * DAY_MS)
            line = rng.choice(plant.sources).id
            grams = rng.randrange(-9_000_000, 9_000_000), rng.randrange(-900_000, 900_000)
            later_ms = tuple(rng.randrange(1, 12 * DAY_MS) for _ in range(2))
            approved, withdrawn = rng.random() < 0.8, rng.random() < 0.3
            back_days = rng.randrange(1, 40)
            world.at(at_ms, partial(self._adjust, plant, line, grams, back_days, approved, withdrawn, later_ms))
        if rng.random() < 0.5:
            world.at(max(self._some_time(0.4, 1.0), joins_ms), partial(world.close_early, plant))
        for _ in range(rng.choice((0, 1, 2))):
            close_after_ms = rng.randrange(1, 20 * DAY_MS) if rng.random() < 0.7 else 0
            world.at(max(self._some_time(0.4, 1.0), joins_ms), partial(world.reopen, plant, close_after_ms))

    def _adjust(
        self, plant: Plant, line: str, grams: tuple[int, int], back_days: int, approved: bool, withdrawn: bool,
        later_ms: tuple[int, ...],
    ) -> None:  # fmt: skip
        world = self._world
        if not plant.registered or all(source.id != line for source in plant.sources):
            return
        day = local_day(world.now_ms, plant.zone) - timedelta(days=back_days)
        one = world.adjust(plant, line, day, *grams)
        if approved:
            world.at(world.now_ms + later_ms[0], partial(world.decide, one, "approve"))
        if withdrawn:
            world.at(world.now_ms + sum(later_ms), partial(world.decide, one, "withdraw"))

    def _rebuilds(self) -> None:
        world, rng = self._world, self._rng
        for _ in range(rng.choice((0, 1, 2))):
            at_ms = self._some_time(0.2, 1.0)
            plant = rng.choice((None, *world.plants))
            days_ago = sorted((rng.randrange(2, 90) for _ in range(2)), reverse=True)
            first, last = (local_day(at_ms - days * DAY_MS, "UTC") for days in days_ago)
            world.at(at_ms, partial(world.rebuild, plant, first, last, rng.choice((-1, 1, 2))))

    def _platforms(self) -> None:
        """Platforms that have the feed brought, from the first change on or from where they are."""
        world, rng = self._world, self._world.platforms_rng
        length_ms = world.end_ms - world.start_ms
        for platform in PLATFORMS:
            world.at(world.start_ms + rng.randrange(length_ms * 3 // 4), partial(self._subscribe, platform))
            world.at(world.start_ms + rng.randrange(length_ms), world.resume_platforms)

    def _subscribe(self, platform: str) -> None:
        world, rng = self._world, self._world.platforms_rng
        after = rng.choice((0, len(world.books.feed)))
        world.subscribe(receiver_of(rng, platform, world.start_ms, world.end_ms, after))

    # --- schedulers -------------------------------------------------------------------------------------------------

    def _ticks(self) -> None:
        """The jobs run at odd times; for some days nobody runs them, and on some they run from hour to hour."""
        world, rng = self._world, self._rng
        down = self._spans(0.4, 4 * DAY_MS, 25 * DAY_MS)
        off = {name: [(span, rng.choice(CLOCKS_OFF_MS)) for span in self._spans(0.4, DAY_MS, 20 * DAY_MS)]
               for name in SCHEDULERS}  # fmt: skip
        crashes = rng.choice((0.0, 0.1, 0.4))
        for when_ms in self._instants():
            scheduler = SCHEDULERS[rng.random() < 0.3]
            ahead_ms = next((by for span, by in off[scheduler] if span[0] <= when_ms < span[1]), 0)
            crash_after = rng.randint(1, rng.choice((10, 90))) if rng.random() < crashes else 0
            if not any(first <= when_ms < end for first, end in down):
                jobs = self.jobs if rng.random() < 0.7 else self.jobs[::-1]  # in truth each has its own pace
                world.at(when_ms, partial(world.tick, scheduler, ahead_ms, jobs, crash_after))
        for _ in range(0 if world.terms.duckdb else rng.choice((0, 1, 3))):  # one process owns a DuckDB file
            world.at(self._some_time(0.1, 1.0), world.race)

    def _instants(self) -> Iterator[int]:
        """When somebody looks whether there is work: now and then, and around the instants at which something turns."""
        world, rng = self._world, self._rng
        at_ms = world.start_ms
        while at_ms < world.end_ms + 20 * DAY_MS:
            at_ms += rng.choice((rng.randrange(HOUR_MS, 48 * HOUR_MS), rng.randrange(4 * DAY_MS, 14 * DAY_MS)))
            yield from (at_ms + hours * HOUR_MS for hours in range(5 if rng.random() < 0.05 else 1))
        turning = {one.published_on for one in LATER}
        turning |= {
            month.replace(day=day) for plant in world.plants for month, _ in self._months(plant) for day in (1, 5)
        }
        for day in sorted(turning):
            at_ms = day_start_ms(day, "UTC") + rng.randrange(-12 * HOUR_MS, 12 * HOUR_MS)
            if rng.random() < 0.4 and world.start_ms < at_ms < world.end_ms:
                yield at_ms

    def _spans(self, worlds: float, shortest_ms: int, longest_ms: int) -> list[Span]:
        """None, one or two stretches of time."""
        rng = self._rng
        starts = [self._some_time(0.05, 0.95) for _ in range(rng.randint(1, 2) if rng.random() < worlds else 0)]
        return [(start_ms, start_ms + rng.randrange(shortest_ms, longest_ms)) for start_ms in starts]
