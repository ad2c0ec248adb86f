"""Where raw readings are given up: how far that went, what is left, and what verification can still say.

A day goes when it is older than the setting and one day more, and its month is closed. Of each point those readings
before the horizon stay that judging the first ones after it needs.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tests.plant_life.calendar import day_start_ms, local_day, month_of
from tests.plant_life.expected import Account
from tests.plant_life.plants import Plant

if TYPE_CHECKING:
    from tests.plant_life.world import World

MARGIN_DAYS = 1
MOST_LEFT = 48  # readings of a point: six by which what follows is judged, or 48 where one of these is bad


def raw_readings_went(world: World, accounts: dict[str, Account], report: dict[str, Any]) -> int:
    """Horizons, what lies before them, and the report of `verify`; gives how many entries stand on kept proofs."""
    horizons = horizons_of(world)
    assert world.terms.raw_retention_days or not horizons, "raw readings went, and nobody asked for it"
    on_proofs = 0
    for name, account in accounts.items():
        if world.terms.raw_retention_days:
            _went_as_far_as_it_may(world, account, horizons.get(name))
        if name in horizons:
            _little_is_left(world, account, horizons[name])
            metered = {source.id for source in account.plant.sources if source.feeds}
            on_proofs += sum(source in metered and day < horizons[name] for source, day in account.lines)
    said = report["checked"]["entries_on_kept_digests"]
    assert said == on_proofs, f"verify counts {said} entries on kept proofs, {on_proofs} are"
    assert any("dropped under retention" in note for note in report["notes"]) == (on_proofs > 0), report["notes"]
    return on_proofs


def horizons_of(world: World) -> dict[str, date]:
    """Enterprise -> the first local day that still has all of its raw readings."""
    zones = {plant.id: plant.zone for plant in world.plants}
    rows = world.books.ask("SELECT enterprise, max(before_ms) FROM raw_drops GROUP BY enterprise")
    return {name: local_day(before_ms, zones[name]) for name, before_ms in rows}


def gone_for_sure(world: World) -> set[str]:
    """Enterprises that lack readings: of a first day's few all may be left, since what follows is judged by them."""
    plants = {plant.id: plant for plant in world.plants}
    return {name for name, day in horizons_of(world).items() if day > _began(plants[name]) + timedelta(days=1)}


def _began(plant: Plant) -> date:
    """The local day of its first reading."""
    return min(local_day(point.readings[0].at_ms, plant.zone) for point in plant.points.values() if point.readings)


def _went_as_far_as_it_may(world: World, account: Account, horizon: date | None) -> None:
    plant, newest = account.plant, {}
    for one in world.books.versions():
        if one.enterprise == plant.id:
            newest[one.period] = one.status
    last = local_day(world.now_ms, plant.zone) - timedelta(days=world.terms.raw_retention_days + MARGIN_DAYS)
    began = _began(plant)
    here = horizon or began
    where = f"{plant.name}: raw readings went up to {horizon}, began {began}, may go up to {last}"
    assert horizon is None or horizon <= last, where
    assert here >= last or newest.get(month_of(here)) == "open", where


def _little_is_left(world: World, account: Account, horizon: date) -> None:
    house, plant = world.machine.house, account.plant
    numbers = [house.registry().points_by_name[plant.id, *key].point_id for key in plant.points]
    left = house.timeseries.read(numbers, 0, day_start_ms(horizon, plant.zone))
    counts = Counter(left.point_id.tolist())
    assert max(counts.values()) <= MOST_LEFT, f"{plant.name}: {counts} readings before {horizon} are left"
