"""Outputs beside the energy of their days."""

from __future__ import annotations

from datetime import date, timedelta

from gateway.carbon.day_checks import Stated, output_findings
from gateway.registry.model import Enterprise, Name

PLANT = Enterprise("91350505M00000019R", Name("厂", "Plant"), "park", "C3130")


def output(name: str, day: date) -> Stated:
    """A hundred tonnes on one day."""
    end = day + timedelta(days=1)
    return Stated(name, "plate", day.isoformat(), end.isoformat(), day.toordinal(), 100_000_000, "t")


def findings(*energy_gce: int) -> list[str]:
    """What is found at 100 tonnes a day with these grams of standard coal, all of them judged."""
    days = [date(2026, 10, number) for number in range(1, len(energy_gce) + 1)]
    outputs = [output(f"p-{day.day}", day) for day in days]
    used = dict(zip(days, energy_gce, strict=True))
    return [one.name for one in output_findings(PLANT, outputs, used, [one.record for one in outputs])]


def test_little_energy_is_told_only_beside_what_is_usual() -> None:
    assert findings(100, 100, 100, 100, 20) == ["output.little_energy"]
    assert findings(100, 20) == []


def test_a_plant_that_gave_off_more_energy_than_it_took_breaks_no_roll_up() -> None:
    assert findings(-100) == []  # an adjustment, or more exported than used
    assert findings(100, 100, 100, 100, -20) == ["output.little_energy"]


def test_an_output_is_judged_alike_whatever_else_is_due() -> None:
    days = [date(2026, 1, 1) + timedelta(days=20 * number) for number in range(12)]
    outputs = [output(f"p-{day}", day) for day in days]
    energy = {day: 1_000 if day < date(2026, 4, 1) else 200 for day in days}
    every = [one.record for one in outputs]
    together = [one.values for one in output_findings(PLANT, outputs, energy, every)]
    alone = [one.values for name in every for one in output_findings(PLANT, outputs, energy, [name])]
    assert together == alone != []


def test_what_was_before_anything_was_booked_is_no_plant_without_energy() -> None:
    days = [date(2026, 1, 1), date(2026, 6, 1), date(2026, 6, 2)]
    outputs = [output(f"p-{day}", day) for day in days]
    found = output_findings(PLANT, outputs, {days[1]: 1_000}, [one.record for one in outputs])
    assert [(one.name, one.values["from"]) for one in found] == [("output.without_energy", "2026-06-02")]
