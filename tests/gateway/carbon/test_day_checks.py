"""Outputs beside the energy of their days."""

from __future__ import annotations

from gateway.carbon.day_checks import Stated, output_findings
from gateway.registry.model import Enterprise, Name

PLANT = Enterprise("91350505M00000019R", Name("厂", "Plant"), "park", "C3130")


def findings(*energy_gce: int) -> list[str]:
    """What is found at 100 tonnes a day with these grams of standard coal, all of them judged."""
    names = [f"p-{number}" for number in range(len(energy_gce))]
    outputs = [
        Stated(name, "plate", f"2026-10-{day:02}", f"2026-10-{day + 1:02}", day, 100_000_000, "t")
        for day, name in enumerate(names, 1)
    ]
    used = dict(zip(names, energy_gce, strict=True))
    return [one.name for one in output_findings(PLANT, outputs, used, names)]


def test_little_energy_is_told_only_beside_what_is_usual() -> None:
    assert findings(100, 100, 100, 100, 20) == ["output.little_energy"]
    assert findings(100, 20) == []


def test_a_plant_that_gave_off_more_energy_than_it_took_breaks_no_roll_up() -> None:
    assert findings(-100) == []  # an adjustment, or more exported than used
    assert findings(100, 100, 100, 100, -20) == ["output.little_energy"]
