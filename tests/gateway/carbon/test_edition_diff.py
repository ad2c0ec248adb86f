"""What differs between two editions, in one unit and by what the values stand for."""

from __future__ import annotations

from decimal import Decimal

from gateway.carbon.edition_diff import difference, editions, have_something_in_common
from gateway.carbon.factors import FactorBook


def test_two_years_of_grid_factors_differ_by_region_with_the_change(book: FactorBook) -> None:
    found = {(one.series, one.region): one for one in difference(book.loaded, "mee-nbs-grid-2022", "mee-nbs-grid-2023")}
    nation = found["grid.national", "CN"]
    assert (nation.older, nation.newer) == ("0.5366 kgCO2/kWh", "0.5306 kgCO2/kWh")
    assert nation.change_percent == Decimal("-1.12")


def test_two_fuel_sets_are_compared_fuel_by_fuel(book: FactorBook) -> None:
    found = {one.series: one for one in difference(book.loaded, "ndrc-24-industries", "gbt32151-34-2024")}
    assert found["lng.ncv"].older == "41.868 GJ/t"
    assert found["jet_kerosene.ncv"].newer is None
    assert "natural_gas.ncv" not in found  # the same in both


def test_two_sets_of_gwps_are_compared_gas_by_gas(book: FactorBook) -> None:
    found = {one.series: one for one in difference(book.loaded, "ipcc-ar5", "ipcc-ar6")}
    assert (found["gwp.ch4"].older, found["gwp.ch4"].newer) == ("28 kgCO2e/kgCH4", "27.9 kgCO2e/kgCH4")
    assert (found["gwp.r-410a"].older, found["gwp.r-410a"].newer) == ("1923.5 kgCO2e/kg", "2255.5 kgCO2e/kg")
    assert "gwp.co2" not in found


def test_editions_of_different_things_have_nothing_in_common(book: FactorBook) -> None:
    assert have_something_in_common(book.loaded, "ipcc-ar5", "ipcc-ar6")
    assert not have_something_in_common(book.loaded, "ipcc-ar5", "mee-nbs-grid-2023")


def test_an_edition_does_not_differ_from_itself(book: FactorBook) -> None:
    for edition in editions(book.loaded):
        assert difference(book.loaded, edition, edition) == []
