"""What happens in a world and when, all of it drawn before it begins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.plant_life.deliveries import outages_of, parcels_of, readings_of, turn_of
from tests.plant_life.instruments import DAY_MS, HOUR_MS
from tests.plant_life.layouts import LAYOUTS
from tests.plant_life.plants import Plant

if TYPE_CHECKING:
    from tests.plant_life.world import World

JOBS = ("rollup", "close_months", "daily_roots")


class Script:
    """Writes the timeline of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng

    def write(self) -> None:
        world, rng = self._world, self._rng
        for layout in LAYOUTS[:1]:
            plant = layout(rng, world.start_ms, world.end_ms)
            world.plants.append(plant)
            world.papers[plant.id] = []
            self._readings(plant, world.start_ms)
        at_ms = world.start_ms
        while at_ms < world.end_ms:
            at_ms += rng.choice((rng.randrange(HOUR_MS, 30 * HOUR_MS), rng.randrange(30 * HOUR_MS, 6 * DAY_MS)))
            world.at(at_ms, partial(world.tick, "one", 0, JOBS, 0))

    def _readings(self, plant: Plant, first_due_ms: int) -> None:
        world, rng = self._world, self._rng
        for point in plant.points.values():
            outages = outages_of(rng, world.start_ms, world.end_ms)
            turn = turn_of(rng, point, world.start_ms, world.end_ms)
            if turn == "replacement":
                plant.declared.append(point.device)
            point.readings = readings_of(rng, point, outages, world.start_ms, world.end_ms)
            for parcel in parcels_of(rng, plant.id, point, outages, first_due_ms):
                world.at(parcel.due_ms, partial(world.arrive, parcel))
