"""Derived points: exact where they add and divide, by the formula where they multiply, hour by hour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.clock import HOUR_MS
from gateway.carbon.derived import COMPUTE, derive
from gateway.carbon.derived_plan import DerivedPlan, Item
from gateway.carbon.shares import divided, times_ppm
from gateway.carbon.steam import SteamTable
from gateway.registry.formulas import FORMULAS
from gateway.registry.model import Derived, Input, Point
from gateway.store.timeseries import UsageColumns

CONFIG = Path(__file__).parents[3] / "config"
STEAM = SteamTable.load(CONFIG)
FULL = HOUR_MS

Hours = dict[tuple[int, int], tuple[float, float, int]]  # (point, hour number) -> amount, estimated, covered ms


def columns(hours: Hours) -> UsageColumns:
    rows = sorted(hours.items())
    return UsageColumns(
        np.array([point for (point, _), _ in rows], np.int32),
        np.array([hour * HOUR_MS for (_, hour), _ in rows], np.int64),
        np.array([round(amount * 1e6) for _, (amount, _, _) in rows], np.int64),
        np.array([round(estimated * 1e6) for _, (_, estimated, _) in rows], np.int64),
        np.array([covered for _, (_, _, covered) in rows], np.int64),
    )


def hours(usage: UsageColumns) -> Hours:
    return {
        (int(point), int(hour // HOUR_MS)): (amount / 1e6, estimated / 1e6, int(covered))
        for point, hour, amount, estimated, covered in zip(
            usage.point_id, usage.hour_ms, usage.amount_u, usage.estimated_u, usage.covered_ms, strict=True
        )
    }


def item(formula: str, inputs: list[tuple[str, int, str]], points: tuple[int, ...] = (100,), **rest: Any) -> Item:
    derived = Derived(
        "own",
        formula,
        tuple(Input(role, "meter", str(number), share) for role, number, share in inputs),
        tuple(Point(number, "derived", str(number), "energy_import") for number in points),
        **rest,
    )
    return Item(derived, points, tuple(zip(derived.inputs, [number for _, number, _ in inputs], strict=True)))


def test_every_formula_of_the_registry_is_computed() -> None:
    assert COMPUTE.keys() == FORMULAS.keys()


def test_sum_takes_off_what_is_signed_and_is_covered_as_its_worst_input() -> None:
    own = item("sum", [("sum", 1, "1"), ("sum", 2, "-1"), ("sum", 3, "0.5")])
    usage = columns(
        {
            (1, 0): (300, 0, FULL), (2, 0): (100, 40, 1000), (3, 0): (10, 0, FULL),
            (1, 1): (300, 0, FULL), (3, 1): (10, 0, FULL),
        }
    )  # fmt: skip
    assert hours(derive([own], usage, STEAM)) == {(100, 0): (205, 40, 1000), (100, 1): (305, 0, 0)}


def test_hours_that_no_input_has_are_not_made() -> None:
    own = item("sum", [("sum", 1, "1"), ("sum", 2, "-1")])
    assert len(derive([own], columns({(7, 0): (1, 0, FULL), (1, 1): (0, 0, 0)}), STEAM)) == 0


def test_first_of_falls_back_where_the_counter_is_silent_and_says_so() -> None:
    own = item("first_of", [("first_of", 1, "1"), ("first_of", 2, "1")])
    usage = columns(
        {
            (1, 0): (10, 0, FULL), (2, 0): (11, 0, FULL),  # both: the counter
            (2, 1): (12, 0, FULL),  # no counter: power × time, estimated
            (1, 2): (13, 13, 0), (2, 2): (14, 0, FULL),  # the counter bridges a gap: its total stays whole
            (1, 3): (5, 0, FULL // 3), (2, 3): (15, 0, FULL),  # the counter died within the hour
        }
    )  # fmt: skip
    assert hours(derive([own], usage, STEAM)) == {
        (100, 0): (10, 0, FULL),
        (100, 1): (12, 12, FULL),
        (100, 2): (13, 13, 0),
        (100, 3): (15, 15, FULL),
    }


def test_split_by_fixed_shares_adds_up_to_the_whole() -> None:
    third = item("split", [("split", 1, "1")], (100, 101, 102), shares=("0.333333", "0.333333", "0.333334"))
    found = hours(derive([third], columns({(1, 0): (100, 10, FULL)}), STEAM))
    assert sum(round(amount * 1e6) for amount, _, _ in found.values()) == 100_000_000
    assert sum(round(estimated * 1e6) for _, estimated, _ in found.values()) == 10_000_000
    assert found[100, 0] == (33.3333, 3.33333, FULL)


def test_split_by_sub_meters_follows_them_hour_by_hour() -> None:
    own = item("split", [("split", 1, "1"), ("by", 2, "1"), ("by", 3, "1")], (100, 101))
    usage = columns(
        {
            (1, 0): (90, 0, FULL), (2, 0): (20, 0, FULL), (3, 0): (10, 0, FULL),
            (1, 1): (90, 0, FULL), (2, 1): (0, 0, FULL), (3, 1): (0, 0, FULL),
            (1, 2): (90, 0, FULL), (2, 2): (5, 0, FULL),
        }
    )  # fmt: skip
    assert hours(derive([own], usage, STEAM)) == {
        (100, 0): (60, 0, FULL),
        (101, 0): (30, 0, FULL),
        (100, 1): (45, 45, FULL),  # nothing to divide by: evenly, and estimated
        (101, 1): (45, 45, FULL),
        (100, 2): (90, 0, 0),  # a silent sub-meter has no share, and the hour does not count as covered
        (101, 2): (0, 0, 0),
    }


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 10**15), min_size=1, max_size=6)),
        min_size=1,
        max_size=8,
    )
)
def test_parts_add_up_to_the_whole_and_are_within_one_millionth_of_their_share(
    wholes: list[tuple[int, list[int]]],
) -> None:
    weight = np.array([one for _, weights in wholes for one in weights], np.int64)
    counts = [len(weights) for _, weights in wholes]
    starts = np.cumsum([0, *counts[:-1]])
    parts = divided(np.array([whole for whole, _ in wholes], np.int64), starts, weight)
    for (whole, weights), first in zip(wholes, starts.tolist(), strict=True):
        own = parts[first : first + len(weights)].tolist()
        assert sum(own) == whole
        total = sum(weights) or len(weights)
        for part, one in zip(own, weights if sum(weights) else [1] * len(weights), strict=True):
            assert abs(part - whole * one / total) <= 1 + abs(whole) * 2**-28


@given(st.integers(-(10**15), 10**15), st.integers(-(10**6), 10**6))
def test_shares_are_rounded_half_to_even_exactly(amount_u: int, ppm: int) -> None:
    exact, rest = divmod(amount_u * ppm, 10**6)
    expected = exact + (rest * 2 > 10**6 or (rest * 2 == 10**6 and exact % 2 == 1))
    assert times_ppm(np.array([amount_u]), np.array([ppm])).tolist() == [expected]


def test_mass_is_volume_times_density() -> None:
    own = item("mass_of", [("mass_of", 1, "1")], constants={"density_t_per_m3": "0.84"})
    assert hours(derive([own], columns({(1, 0): (2.5, 1, FULL)}), STEAM)) == {(100, 0): (2.1, 0.84, FULL)}


def test_normal_volume_is_at_0_degc_and_101_325_kpa() -> None:
    roles = [("normal_volume_of", 1, "1"), ("pressure", 2, "1"), ("temperature", 3, "1")]
    own = item("normal_volume_of", roles, constants={"temperature_degc": "20"})
    usage = columns(
        {
            (1, 0): (100, 0, FULL), (2, 0): (202.65, 0, FULL), (3, 0): (0, 0, FULL),
            # Half an hour of gauges: their mean is the integral over the time they cover.
            (1, 1): (100, 0, FULL), (2, 1): (101.325, 0, FULL // 2), (3, 1): (13.6575, 0, FULL // 2),
            (1, 2): (100, 0, FULL), (2, 2): (101.325, 0, FULL),  # silent thermometer: the stated 20 °C, estimated
            (1, 3): (100, 0, FULL), (3, 3): (20, 0, FULL),  # silent pressure gauge and nothing stated: a hole
        }
    )  # fmt: skip
    found = hours(derive([own], usage, STEAM))
    assert found[100, 0] == (200, 0, FULL)
    assert found[100, 1] == (pytest.approx(200 * 273.15 / (273.15 + 27.315)), 0, FULL // 2)
    assert found[100, 2] == (pytest.approx(100 * 273.15 / 293.15, abs=1e-6), pytest.approx(93.177554), 0)
    assert (100, 3) not in found


def test_compressibility_makes_more_gas_of_a_volume() -> None:
    constants = {"pressure_kpa": "101.325", "temperature_degc": "0", "compressibility": "0.98"}
    own = item("normal_volume_of", [("normal_volume_of", 1, "1")], constants=constants)
    assert hours(derive([own], columns({(1, 0): (98, 0, FULL)}), STEAM)) == {(100, 0): (100, 0, FULL)}


def test_saturated_steam_as_gb_t_32151_computes_purchased_heat() -> None:
    """Heat = mass × (enthalpy − 83.74) ÷ 1000, enthalpy by linear interpolation in table C.4."""
    own = item("steam_heat_of", [("steam_heat_of", 1, "1")], constants={"pressure_kpa": "850"})
    found = hours(derive([own], columns({(1, 0): (10, 0, FULL)}), STEAM))
    assert found[100, 0][0] == pytest.approx(10 * ((2768.4 + 2773.0) / 2 - 83.74) / 1000, abs=1e-6)


# Table C.5 of GB/T 32151.34-2024 (excerpt): the table that ships is IAPWS-IF97 and agrees with it.
SUPERHEATED = [(1000, 200, 2827.5), (1000, 300, 3051.3), (3000, 350, 3115.7), (3000, 450, 3344.4), (10000, 540, 3475.4)]


@pytest.mark.parametrize(("kpa", "degc", "enthalpy"), SUPERHEATED)
def test_superheated_steam_agrees_with_the_standard(kpa: float, degc: float, enthalpy: float) -> None:
    assert STEAM.enthalpy_kj_per_kg(np.array([kpa]), np.array([degc])) == pytest.approx([enthalpy], rel=5e-4)


def test_steam_outside_of_the_tables_is_not_known() -> None:
    """A gauge pressure of 0 kPa given as absolute, or water, must not pass as steam at the table's edge."""
    asked = np.array([20.0, 50_000.0, 800.0]), np.array([np.nan, 300.0, 900.0])
    assert np.isnan(STEAM.enthalpy_kj_per_kg(*asked)).all()


def test_steam_at_or_below_saturation_counts_as_saturated() -> None:
    dry = STEAM.enthalpy_kj_per_kg(np.array([800.0]), np.array([np.nan]))
    assert STEAM.enthalpy_kj_per_kg(np.array([800.0]), np.array([165.0])) == dry


def test_superheated_steam_with_a_silent_thermometer_is_a_hole() -> None:
    roles = [("steam_heat_of", 1, "1"), ("temperature", 3, "1")]
    own = item("steam_heat_of", roles, constants={"pressure_kpa": "1000"})
    usage = columns({(1, 0): (10, 0, FULL), (1, 1): (10, 0, FULL), (3, 1): (300, 0, FULL)})
    assert list(hours(derive([own], usage, STEAM))) == [(100, 1)]


def test_stack_co2_is_mean_concentration_times_flue_gas() -> None:
    own = item("co2_mass_of", [("co2_mass_of", 1, "1"), ("concentration", 2, "1")])
    usage = columns({(1, 0): (50_000, 0, FULL), (2, 0): (180, 0, FULL), (1, 1): (50_000, 0, FULL)})
    assert hours(derive([own], usage, STEAM)) == {(100, 0): (9_000, 0, FULL)}


ITEMS = [
    item("sum", [("sum", 1, "1"), ("sum", 2, "-0.25")], (100,)),
    item("first_of", [("first_of", 2, "1"), ("first_of", 3, "1")], (101,)),
    item("split", [("split", 1, "1"), ("by", 2, "1"), ("by", 3, "1")], (102, 103)),
    item("mass_of", [("mass_of", 3, "1")], (104,), constants={"density_t_per_m3": "0.84"}),
    item("normal_volume_of", [("normal_volume_of", 1, "1"), ("pressure", 2, "1")], (105,),
         constants={"temperature_degc": "15", "pressure_kpa": "110"}),
]  # fmt: skip


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.integers(0, 5)),
        st.tuples(st.integers(0, 500), st.just(0), st.sampled_from([0, 1000, FULL])),
        max_size=18,
    )
)
def test_an_hour_computed_alone_is_what_it_is_in_the_whole(usage: Hours) -> None:
    """Incremental equals full, to the last digit, whatever is computed together."""
    whole = hours(derive(ITEMS, columns(usage), STEAM))
    alone: Hours = {}
    for hour in range(6):
        for one in ITEMS:
            part = {key: value for key, value in usage.items() if key[1] == hour}
            alone |= hours(derive([one], columns(part), STEAM))
    assert alone == whole


def test_plan_of_nothing_asks_for_nothing() -> None:
    plan = DerivedPlan(())
    assert plan.inputs([1]) == set()
