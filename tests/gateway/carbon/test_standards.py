"""The formulas of the standards with their units, one test per clause."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from gateway.carbon.factors import FactorBook
from gateway.carbon.formula import per_unit
from gateway.carbon.ledger import append, diff
from gateway.carbon.model import Activity, ChosenFactor, MissingFactor, OwnValue, Term
from gateway.carbon.statement import statement_of
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, WrongDimensions
from gateway.registry.model import Enterprise, Method, Name

AS_OF = date(2026, 11, 1)


def choose(book: FactorBook, activity: Activity, **method: Any) -> ChosenFactor:
    chosen = book.choose(activity, Method(**method), AS_OF)
    assert isinstance(chosen, ChosenFactor), chosen
    return chosen


def test_gbt32151_34_2024_c1_fuel_is_ad_ncv_cc_of_44_12(book: FactorBook, make_activity: Any) -> None:
    chosen = choose(book, make_activity("fuel.diesel"))
    assert chosen.formula == "AD × NCV × CC × OF × 44/12"
    assert {name: term.unit for name, term in chosen.terms.items()} == {"NCV": "GJ/t", "CC": "tC/GJ", "OF": "%"}
    grams = per_unit(chosen.formula, chosen.terms, "t", GRAM_CO2E)
    assert grams == Fraction("42.652") * Fraction("0.0202") * Fraction("0.98") * Fraction(44, 12) * 10**6


def test_gbt32151_a_measured_carbon_content_stands_for_heat_value_and_carbon_per_heat(
    book: FactorBook, make_activity: Any
) -> None:
    own = (OwnValue("W", "0.55", "tC/t", "LAB-10"),)
    chosen = choose(book, make_activity("fuel.bituminous", own=own))
    assert (chosen.formula, chosen.basis) == ("AD × W × OF × 44/12", "own_analysis")
    assert chosen.terms["W"] == Term("0.55", "tC/t", "", "LAB-10")
    liquid = (OwnValue("RHO", "0.84", "kg/L", "QC"), OwnValue("W", "0.86", "tC/t", "LAB"))
    assert choose(book, make_activity("fuel.diesel", unit="L", own=liquid)).formula == "AD × RHO × W × OF × 44/12"
    both = (OwnValue("NCV", "21.3", "GJ/t", "LAB"), *own)
    assert choose(book, make_activity("fuel.bituminous", unit="GJ", own=both)).formula == "AD ÷ NCV × W × OF × 44/12"


def test_gbt32151_34_2024_c2_carbonate_is_ad_purity_factor(book: FactorBook, make_activity: Any) -> None:
    own = (OwnValue("I", "95", "%", "LAB"),)
    assert choose(book, make_activity("carbonate.caco3", own=own)).g_per_unit == 418_000
    assert choose(book, make_activity("process.desulphurisation")).formula == "AD × I × EF × TR"


def test_gbt32151_34_2024_c3_heat_is_0_11_t_per_gj(book: FactorBook, make_activity: Any) -> None:
    heat = choose(book, make_activity("heat.purchased"))
    assert (heat.terms["EF"].value, heat.terms["EF"].unit, heat.g_per_unit) == ("0.11", "tCO2/GJ", 110_000)


def test_gbt32151_34_2024_c4_steam_by_mass_goes_through_its_enthalpy(book: FactorBook, make_activity: Any) -> None:
    own = (OwnValue("H", "2691.96", "kJ/kg", "table"),)
    steam = choose(book, make_activity("steam.purchased", unit="t", own=own))
    assert steam.formula == "AD × H × EF"
    assert per_unit(steam.formula, steam.terms, "t", GRAM_CO2E) == Fraction("2.69196") * 110_000
    missing = book.choose(make_activity("steam.purchased", unit="t"), Method(), AS_OF)
    assert isinstance(missing, MissingFactor) and "enthalpy" in missing.en


def test_gbt32151_34_2024_c4_stated_conditions_give_the_enthalpy_of_the_table(
    book: FactorBook, make_activity: Any
) -> None:
    """What is measured comes before the table; its entry names table, conditions and paper."""
    at = (OwnValue("P", "1", "MPa", "supply contract"), OwnValue("T", "250", "degC", "supply contract"))
    steam = choose(book, make_activity("steam.purchased", unit="t", own=at))
    assert (steam.formula, steam.energy_formula) == ("AD × H × EF", "AD × H × SC")
    assert (steam.terms["H"].value, steam.terms["H"].unit) == ("2859.36", "kJ/kg")
    for words in ("gbt32151-34-2024-c4", "1 MPa, 250 degC", "less 83.74 kJ/kg", "supply contract"):
        assert words in steam.terms["H"].edition
    measured = (*at, OwnValue("H", "2700", "kJ/kg", "LAB"))
    assert choose(book, make_activity("steam.purchased", unit="t", own=measured)).terms["H"].value == "2700"
    outside = (OwnValue("P", "20", "MPa", "supply contract"),)
    missing = book.choose(make_activity("steam.purchased", unit="t", own=outside), Method(), AS_OF)
    assert isinstance(missing, MissingFactor) and "saturated steam goes from 100 to 5000 kPa" in missing.en


def test_gbt2589_2020_energy_is_heat_value_over_29_3076_mj_per_kgce(book: FactorBook, make_activity: Any) -> None:
    chosen = choose(book, make_activity("fuel.bituminous", own=(OwnValue("NCV", "29.3076", "GJ/t", "LAB"),)))
    assert chosen.energy_formula == "AD × NCV ÷ QCE"
    assert per_unit(chosen.energy_formula, chosen.energy_terms, "kg", GRAM_STANDARD_COAL) == 1000


def test_gbt32150_2025_compliance_is_direct_plus_purchased_less_exported_less_fixed(
    make_draft: Any, book: FactorBook
) -> None:
    drafts = {
        "fuel": make_draft("fuel.coke", 10),
        "bought": make_draft("electricity.purchased", 1000),
        "given": make_draft("electricity.exported", 300),
        "fixed": make_draft("fixed.carbon", 2),
        "ore": make_draft("material.pig_iron", 5),
    }
    named = [replace(draft, source=name) for name, draft in drafts.items()]
    plant = Enterprise(named[0].enterprise, Name("厂", "Plant"), "park", "C3130")
    entries = append(None, diff([], named, "automatic"), 1)
    total = statement_of(plant, "2026-10", entries, days=1, findings_open=0, last_seq=5)
    g = {name: draft.emission_g for name, draft in drafts.items()}
    assert g["given"] < 0 and g["fixed"] < 0 and g["ore"] > 0
    assert total.compliance_g == g["fuel"] + g["bought"] + g["given"] + g["fixed"]
    assert total.lifecycle_g == total.compliance_g + g["ore"]


def test_a_fuel_whose_co2_a_stack_measures_counts_energy_and_no_emission(make_draft: Any) -> None:
    draft = make_draft("energy_only.bituminous", 10)
    assert (draft.emission_g, draft.basis) == (0, "measured_elsewhere")
    assert draft.energy_gce == make_draft("fuel.bituminous", 10).energy_gce > 0


def test_a_liquid_without_density_is_a_hole_that_says_what_is_lacking(book: FactorBook, make_activity: Any) -> None:
    missing = book.choose(make_activity("mobile.diesel", unit="L"), Method(), AS_OF)
    assert isinstance(missing, MissingFactor)
    assert "density" in missing.en and "density" in missing.zh


@pytest.mark.parametrize(("kind", "basis"), [("material.pig_iron", "default"), ("freight_out.road", None)])
def test_an_expired_footprint_is_told_and_never_used(
    book: FactorBook, make_activity: Any, kind: str, basis: str | None
) -> None:
    expired = make_activity(kind, footprint_expired=True)
    chosen = book.choose(expired, Method(), AS_OF)
    if basis is None:
        assert isinstance(chosen, MissingFactor)
    else:
        assert isinstance(chosen, ChosenFactor)
        assert (chosen.basis, chosen.doubts) == (basis, ("source.footprint_expired",))


def test_units_that_do_not_give_grams_of_co2e_are_refused() -> None:
    with pytest.raises(WrongDimensions):
        per_unit("AD × EF", {"EF": Term("1", "kgCO2/kWh", "x")}, "t", GRAM_CO2E)
