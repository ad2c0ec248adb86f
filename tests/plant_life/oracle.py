"""What must hold at the end of a world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.plant_life.account import Frame, amounts_of, booked
from tests.plant_life.calendar import local_day

if TYPE_CHECKING:
    from tests.plant_life.world import World

SETTLE_MS = 600_000  # TANMAI_SETTLE_S


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at: a check that saw nothing proves nothing."""

    entries: int


def check(world: World) -> Looked:
    """AssertionError where something does not hold."""
    looked = _entries_are_the_truth(world)
    return Looked(looked)


def _entries_are_the_truth(world: World) -> int:
    standing = {(one.enterprise, one.source, one.day): one for one in world.books.standing()}
    for plant in world.plants:
        open_day = local_day(world.now_ms - SETTLE_MS, plant.zone)
        frame = Frame(world.factors, local_day(world.now_ms, plant.zone), open_day)
        due = amounts_of(plant, world.papers[plant.id], frame)
        sources = {source.id: source for source in plant.sources}
        for (source, day), amount in due.items():
            entry = standing.pop((plant.id, source, day), None)
            where = f"{plant.name} {source} {day}"
            assert entry is not None, f"{where}: nothing is booked, and {amount} passed"
            assert amount.low <= entry.amount_u <= amount.high, f"{where}: booked {entry.amount_u}, passed {amount}"
            own = booked(plant, sources[source], day, entry.amount_u, frame)
            figures = own.emission_g, own.energy_gce
            assert (entry.emission_g, entry.energy_gce) == figures, f"{where}: {entry} should have {own}"
            quality = amount.coverage_ppm, amount.estimated_ppm
            assert (entry.coverage_ppm, entry.estimated_ppm) == quality, f"{where}: {entry} should be known {amount}"
    assert not standing, f"booked, and nothing passed: {next(iter(standing.values()))}"
    return len(world.books.standing())
