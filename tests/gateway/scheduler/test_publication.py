"""A new edition counts from its day on, and that day begins in each park at its own midnight."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.clock import HOUR_MS
from gateway.settings import Settings
from gateway.wiring import build
from tests.gateway.scheduler.plant import REGISTRY, Plant, steady
from tests.plant_life.calendar import day_start_ms
from tests.plant_life.knowledge import LATER, later_config_dir

PUBLISHED_ON = min(one.published_on for one in LATER)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
def test_an_edition_restates_at_the_first_roll_up_of_its_local_day_whatever_ran_before(
    zone: str, settings: Settings
) -> None:
    """East or west of UTC, a roll-up between the two midnights must not use up the news."""
    midnight_ms = day_start_ms(PUBLISHED_ON, zone)
    house = build(replace(settings, config_dir=str(later_config_dir())))
    try:
        house.operations.call("registry_apply", text=REGISTRY.replace("Asia/Shanghai", zone), file="registry.yaml")
        plant = Plant(house)
        plant.put("incomer", "energy_import", steady("2026-05-10 00:00", 96, 0.0, 100.0, every_min=60))
        for hours in (-30, -3, 3, 30):
            house.pipeline.run(midnight_ms + hours * HOUR_MS)
            factor = "0.5306" if hours < 0 else "0.5187"
            grams = {round(2400 * 1000 * float(factor))}
            whole_days = [day for _, day in plant.standing() if "2026-05-11" <= day <= "2026-05-12"]
            assert {plant.standing()["grid", day] for day in whole_days} == grams, f"{hours} h after midnight"
    finally:
        house.close()
