"""The plant is a pure function of time that history, live registers and records share."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.quantities import QUANTITIES
from gateway.demo.plant import DAY_MS, Plant, local, midnight_ms, monday_ms
from gateway.demo.scenario import RecordPlan

HOUR_MS = 3_600_000


def test_anchor_is_a_monday_midnight_in_local_time(plant: Plant) -> None:
    anchor = local(plant.anchor_ms)
    assert (anchor.weekday(), anchor.hour, anchor.minute) == (0, 0, 0)


def test_recorded_mondays_fall_on_mondays(plant: Plant) -> None:
    """The steel series was recorded from a Monday on and lasts whole weeks, so that weekends stay weekends."""
    assert plant.scenario.series["steel-energy"].loop_ms % (7 * DAY_MS) == 0
    assert all(point.shift_days % 7 == 0 for _, _, point in plant.scenario.points())


def test_counters_begin_at_their_start(plant: Plant) -> None:
    for _, _, point in plant.scenario.points():
        if point.reading == "total":
            assert plant.value_at(point, plant.anchor_ms) == point.start


@settings(max_examples=40)
@given(offset_ms=st.integers(0, 400 * DAY_MS), later_ms=st.integers(1, 40 * DAY_MS))
def test_no_shown_counter_ever_falls(plant: Plant, offset_ms: int, later_ms: int) -> None:
    at_ms = plant.anchor_ms + offset_ms
    for _, device, point in plant.scenario.points():
        if point.reading == "total":
            before, after = (plant.shown_at(device, point, moment) for moment in (at_ms, at_ms + later_ms))
            assert before is not None
            assert after is not None
            assert before <= after, (device.device, point.point)


def test_power_is_the_slope_of_the_counter_behind_it(plant: Plant, noon_ms: int) -> None:
    """Inside one recorded interval: energy over ten minutes × 6 = power, and export shows as negative power."""
    for _, device, rate in plant.scenario.points():
        if rate.reading == "rate":
            total = next(p for p in device.points if p.reading == "total" and p.series == rate.series)
            passed = plant.value_at(total, noon_ms + 600_000) - plant.value_at(total, noon_ms)
            sign = -1 if total.point.startswith("energy_export") else 1
            assert abs(sign * passed * 6 - plant.value_at(rate, noon_ms)) < 1e-6 * abs(plant.value_at(rate, noon_ms))


def test_kinds_of_readings_fit_the_quantities(plant: Plant) -> None:
    for _, _, point in plant.scenario.points():
        assert QUANTITIES[point.point].kind == ("counter" if point.reading == "total" else "gauge")


def test_a_sub_meter_never_passes_its_incomer(plant: Plant, noon_ms: int) -> None:
    """The green plating line is part of what the incomer counts."""
    site = next(site for site in plant.scenario.sites if site.enterprise == "91350583M00000035E")
    incomer, plating = (device.points[0] for device in site.devices)
    for hour in range(0, 24 * 60, 7):
        start, end = noon_ms - (hour + 1) * HOUR_MS, noon_ms - hour * HOUR_MS
        taken, green = (plant.value_at(p, end) - plant.value_at(p, start) for p in (incomer, plating))
        assert 0 < green < taken


def test_output_that_follows_a_series_equals_what_the_meter_counts(plant: Plant, noon_ms: int) -> None:
    record = next(one for one in plant.scenario.records if one.id == "electricity")
    generator = next(
        point for site, _, point in plant.scenario.points()
        if site.enterprise == record.enterprise and point.point == "energy_export"
    )  # fmt: skip
    start = midnight_ms(noon_ms)
    counted_kwh = plant.value_at(generator, start + DAY_MS) - plant.value_at(generator, start)
    assert abs(plant.amount_of(record, start, start + DAY_MS) - counted_kwh / 1000) < 1e-6


def test_weekday_amounts_follow_the_local_weekday(plant: Plant, noon_ms: int) -> None:
    record = RecordPlan("e", "r", "t", "day", "x", product="p", amounts=(1, 2, 3, 4, 5, 6, 7))
    thursday = midnight_ms(noon_ms)
    assert local(thursday).date() == date(2026, 10, 15)
    assert plant.amount_of(record, thursday, thursday + DAY_MS) == 4


def test_midnight_and_monday_are_local(noon_ms: int) -> None:
    assert local(midnight_ms(noon_ms)).isoformat() == "2026-10-15T00:00:00+08:00"
    assert local(monday_ms(noon_ms)).isoformat() == "2026-10-12T00:00:00+08:00"
    assert monday_ms(monday_ms(noon_ms)) == monday_ms(noon_ms)
