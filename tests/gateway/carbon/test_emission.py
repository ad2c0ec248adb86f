"""Emissions are exact, rounded once, and can be computed again from the entry alone."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import decimal_text, draft_of, emission_of, recomputed, round_half_even
from gateway.carbon.evidence import canonical_json
from gateway.carbon.explain import BASES, computed, energy_computed
from gateway.carbon.factors import FactorBook
from gateway.carbon.formula import per_unit
from gateway.carbon.model import Activity, ChosenFactor, MissingFactor, Term
from gateway.carbon.units import GRAM_CO2E, UnknownUnit, WrongDimensions, convert, read_unit
from gateway.registry.model import Method

AS_OF = date(2026, 11, 1)
IN_ONE_SET = {"jet_kerosene", "closed_cac2_furnace_gas", "other_coal_products"}  # the other fuel set has none


def booked(book: FactorBook, activity: Activity, **method: str) -> tuple[ChosenFactor, Any]:
    chosen = book.choose(activity, Method(**method), AS_OF)
    assert isinstance(chosen, ChosenFactor)
    return chosen, emission_of(activity, chosen)


@pytest.mark.parametrize(
    ("value", "rounded"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-0.5", 0), ("-1.5", -2), ("2.500001", 3), ("7", 7)]
)
def test_a_half_goes_to_the_even_integer(value: str, rounded: int) -> None:
    assert round_half_even(Decimal(value)) == rounded


@pytest.mark.parametrize("kind", sorted(ACTIVITIES))
def test_every_kind_recomputes_from_its_own_calculation(
    book: FactorBook, make_activity: Any, own_of: Any, kind: str
) -> None:
    seen = 0
    for unit in ACTIVITIES[kind].units:
        for fuel_set in sorted(book.fuel_sets):
            activity = make_activity(kind, 1234.567891, unit)
            chosen = book.choose(activity, Method(fuel_set=fuel_set), AS_OF)
            if isinstance(chosen, MissingFactor):
                activity = make_activity(kind, 1234.567891, unit, own=own_of(kind, unit))
                chosen = book.choose(activity, Method(fuel_set=fuel_set), AS_OF)
            if isinstance(chosen, MissingFactor):
                assert kind.partition(".")[2] in IN_ONE_SET
                continue
            draft = draft_of(activity, chosen)
            kept = json.loads(canonical_json(draft.calculation))  # as the ledger keeps it
            assert recomputed(kept) == (draft.emission_g, draft.energy_gce)
            assert kept["emission_g"] == str(draft.emission_g)
            by_factor = activity.amount_u * Fraction(chosen.g_per_unit) / 1_000_000 * ACTIVITIES[kind].sign
            assert abs(draft.emission_g - by_factor) <= 1
            assert str(draft.emission_g) in computed(draft)
            assert draft.basis in BASES
            seen += 1
    assert seen >= len(ACTIVITIES[kind].units)


def test_formula_in_words(book: FactorBook, make_draft: Any) -> None:
    assert computed(make_draft("electricity.purchased", 120.5)) == "120.5 kWh × 0.5306 kgCO2/kWh = 63937 gCO2e"
    exported = make_draft("electricity.exported", 100)
    assert computed(exported) == "-(100 kWh × 0.5306 kgCO2/kWh) = -53060 gCO2e"
    assert energy_computed(exported) == "-(100 kWh × 0.1229 kgce/kWh) = -12290 gce"
    assert energy_computed(make_draft("carbonate.caco3")) == ""
    gas = computed(make_draft("fuel.natural_gas", 10_000))
    assert gas == "10000 Nm3 × 389.31 GJ/1e4Nm3 × 0.0153 tC/GJ × 99 % × 44/12 = 21621888 gCO2e"


def test_exporting_takes_off_what_importing_adds(make_draft: Any) -> None:
    taken, given_away = make_draft("electricity.purchased", 987.654321), make_draft("electricity.exported", 987.654321)
    assert given_away.emission_g == -taken.emission_g
    assert given_away.energy_gce == -taken.energy_gce


@given(amount_u=st.integers(-(10**15), 10**15))
def test_doubling_the_activity_doubles_the_emission_but_for_the_rounding(book: FactorBook, amount_u: int) -> None:
    activity = Activity("e", "s", "fuel.natural_gas", date(2026, 10, 5), amount_u, "Nm3", 1, "production", 1, "fujian")
    twice = Activity("e", "s", "fuel.natural_gas", date(2026, 10, 5), 2 * amount_u, "Nm3", 1, "production", 1, "fujian")
    once_g, twice_g = booked(book, activity)[1].emission_g, booked(book, twice)[1].emission_g
    assert abs(twice_g - 2 * once_g) <= 1


@given(amount_u=st.integers(-(10**18), 10**18))
def test_decimal_text_is_the_amount(amount_u: int) -> None:
    text = decimal_text(amount_u)
    assert Fraction(text) == Fraction(amount_u, 1_000_000)
    assert not text.endswith(".")


# --- units ----------------------------------------------------------------------------------------------------------


def test_a_formula_whose_units_do_not_give_grams_is_refused() -> None:
    terms = {"EF": Term("0.5306", "kgCO2/kWh", "f")}
    assert per_unit("AD × EF", terms, "MWh", GRAM_CO2E) == 530_600
    with pytest.raises(WrongDimensions):
        per_unit("AD × EF", terms, "t", GRAM_CO2E)
    with pytest.raises(WrongDimensions):
        per_unit("AD × EF × 44/12", terms, "kWh", GRAM_CO2E)
    with pytest.raises(ValueError, match="is no formula"):
        per_unit("EF × AD", terms, "kWh", GRAM_CO2E)


def test_metered_and_normal_gas_are_not_the_same_unit() -> None:
    with pytest.raises(WrongDimensions):
        convert(Fraction(1), "m3", "Nm3")
    assert convert(Fraction(1), "1e4Nm3", "Nm3") == 10_000


@pytest.mark.parametrize(
    ("amount", "unit", "to", "converted"),
    [
        ("1", "MWh", "kWh", "1000"),
        ("1", "kWh", "MJ", "3.6"),
        ("1", "GJ", "kWh", "277.7777777"),
        ("1", "t", "kg", "1000"),
    ],
)
def test_conversions(amount: str, unit: str, to: str, converted: str) -> None:
    assert float(convert(Fraction(amount), unit, to)) == pytest.approx(float(converted), rel=1e-9)


def test_unknown_units_are_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownUnit, match="kWh"):
        read_unit("kwh")
