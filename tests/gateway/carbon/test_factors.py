"""Which factor is chosen and why; and that a factor file is either right or refused."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from gateway.carbon.activities import ACTIVITIES, group_of
from gateway.carbon.choices import CHOICES, DOUBTS, findings_of
from gateway.carbon.factor_files import load_factor_files
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import Activity, ChosenFactor, MissingFactor
from gateway.carbon.units import UNITS
from gateway.registry.model import STAGES, Method

AS_OF = date(2026, 11, 1)

# Kinds that no cited value could be found for. They are holes in an account, never zero.
WITHOUT_FACTOR = {
    *("material.clay", "material.feldspar", "material.scrap_steel", "material.other", "material.pieces"),
    *("material.water", "upstream.fuel", "upstream.electricity", "commuting"),
    *("process.steel_electrodes", "fixed.steel", "fixed.pig_iron", "fixed.product"),
    *("wastewater.cod_removed", "wastewater.volume", "incineration.fossil_waste"),
    *(f"waste.{way}" for way in ("landfill", "incineration", "recycling", "composting", "wastewater")),
    *(f"freight_in.{mode}" for mode in ("road", "rail", "sea", "inland_water", "air", "pipeline")),
    *(f"freight_out.{mode}" for mode in ("road", "rail", "sea", "inland_water", "air", "pipeline")),
    *("travel.air", "travel.rail", "travel.road", "travel.hotel", "use.product"),
    *(f"end_of_life.{way}" for way in ("landfill", "incineration", "recycling", "product")),
}
# Only in the older fuel set.
OTHER_SET = {
    *("fuel.jet_kerosene", "mobile.jet_kerosene", "energy_only.jet_kerosene"),
    *("fuel.closed_cac2_furnace_gas", "energy_only.closed_cac2_furnace_gas"),
}


def choose(book: FactorBook, activity: Any, as_of: date = AS_OF, **method: str) -> ChosenFactor:
    chosen = book.choose(activity, Method(**method), as_of)
    assert isinstance(chosen, ChosenFactor), chosen
    return chosen


# --- electricity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "as_of", "series", "factor", "value", "basis", "provisional"),
    [
        (date(2023, 5, 1), date(2026, 1, 5), "national", "grid.national.2023", "0.5306", "exact", False),
        (date(2023, 5, 1), date(2025, 12, 30), "national", "grid.national.2022", "0.5366", "older_edition", True),
        (date(2023, 5, 1), date(2025, 12, 31), "national", "grid.national.2023", "0.5306", "exact", False),
        (date(2026, 10, 5), AS_OF, "national", "grid.national.2023", "0.5306", "older_edition", True),
        (date(2022, 12, 31), AS_OF, "national", "grid.national.2022", "0.5366", "exact", False),
        (date(2021, 3, 1), AS_OF, "provincial", "grid.fujian.2021", "0.4711", "exact", False),
        (date(2026, 10, 5), AS_OF, "provincial", "grid.fujian.2023", "0.4211", "older_edition", True),
    ],
)
def test_electricity_uses_what_was_published_by_then(
    book: FactorBook,
    make_activity: Any,
    day: date,
    as_of: date,
    series: str,
    factor: str,
    value: str,
    basis: str,
    provisional: bool,
) -> None:
    chosen = choose(book, make_activity("electricity.purchased", day=day), as_of, electricity=series)
    assert (chosen.id, chosen.terms["EF"].value) == (factor, value)
    assert (chosen.basis, chosen.provisional) == (basis, provisional)
    assert chosen.g_per_unit == Decimal(value) * 1000


def test_a_province_without_a_value_falls_back_to_the_nation(book: FactorBook, make_activity: Any) -> None:
    activity = make_activity("electricity.purchased", region="tibet", day=date(2023, 5, 1))
    chosen = choose(book, activity, electricity="provincial")
    assert (chosen.id, chosen.basis, chosen.provisional) == ("grid.national.2023", "regional_fallback", False)


def test_the_national_value_of_2021_is_missing_and_not_guessed_from_later_years(
    book: FactorBook, make_activity: Any
) -> None:
    missing = book.choose(make_activity("electricity.purchased", day=date(2021, 5, 1)), Method(), AS_OF)
    assert isinstance(missing, MissingFactor)
    assert "2021-05-01" in missing.en
    assert "2021-05-01" in missing.zh


def test_nothing_is_used_before_it_was_published(book: FactorBook, make_activity: Any) -> None:
    activity = make_activity("electricity.purchased", day=date(2023, 5, 1))
    assert isinstance(book.choose(activity, Method(), date(2024, 12, 19)), MissingFactor)


@pytest.mark.parametrize("kind", ["electricity.green", "electricity.self_used_pv"])
def test_green_power_is_zero_only_with_evidence(book: FactorBook, make_activity: Any, kind: str) -> None:
    proven = choose(book, make_activity(kind, evidenced=True))
    assert (proven.g_per_unit, proven.basis, proven.doubts) == (0, "zero_with_evidence", ())
    assert proven.gce_per_unit == Decimal("122.9")
    claimed = choose(book, make_activity(kind))
    assert (claimed.id, claimed.doubts) == ("grid.national.2023", ("source.evidence_missing",))
    assert [finding.name for finding in findings_of(make_activity(kind), claimed, 0)] == ["source.evidence_missing"]


# --- everything else ------------------------------------------------------------------------------------------------


def is_own(kind: str, unit: str) -> bool:
    """Amounts that always need a number of the plant's own: litres a density, tonnes of steam an enthalpy."""
    activity = ACTIVITIES[kind]
    liquid = activity.calculation in ("fuel", "energy_only") and unit in ("L", "m3") and "Nm3" not in activity.units
    return liquid or (activity.series == "heat" and unit in ("t", "kg"))


def test_every_kind_has_a_factor_or_is_known_to_have_none(book: FactorBook, make_activity: Any, own_of: Any) -> None:
    missing = set()
    for kind, activity in ACTIVITIES.items():
        for unit in activity.units:
            found = book.choose(make_activity(kind, unit=unit), Method(), AS_OF)
            if is_own(kind, unit):
                assert isinstance(found, MissingFactor)
                found = book.choose(make_activity(kind, unit=unit, own=own_of(kind, unit)), Method(), AS_OF)
            if isinstance(found, MissingFactor):
                missing.add(kind)
    assert missing == WITHOUT_FACTOR | OTHER_SET
    older = Method(fuel_set="ndrc-24-industries")
    for kind in OTHER_SET:
        assert isinstance(book.choose(make_activity(kind), older, AS_OF), ChosenFactor)


@pytest.mark.parametrize(
    ("kind", "unit", "grams", "coal_grams"),
    [
        # GB/T 32151.34-2024, annex C: 389.31 GJ/10^4 Nm3 × 0.0153 tC/GJ × 99 % × 44/12 = 21.621888 tCO2/10^4 Nm3
        ("fuel.natural_gas", "Nm3", "2162.188809", "1330"),
        # 26.7 GJ/t × 0.0274 tC/GJ × 94 % × 44/12 = 2.521512 tCO2/t; 26.7 GJ ÷ 29.3076 MJ/kgce
        ("fuel.anthracite", "kg", "2521.5124", "911.0264914220202268353601114"),
        # 42.652 × 0.0202 × 98 % × 44/12
        ("fuel.diesel", "t", "3095909.637333333333333333333", "1457100"),
        ("heat.purchased", "GJ", "110000", "34120"),
        ("carbonate.caco3", "t", "440000", "0"),
        # 90 % carbonate × 0.440 tCO2/t × 100 %
        ("process.desulphurisation", "t", "396000", "0"),
        # 7 kgN2O/t × 265
        ("process.nitric_acid", "t", "1855000", "0"),
        ("co2.measured", "kg", "1000", "0"),
    ],
)
def test_grams_per_unit_by_hand(
    book: FactorBook, make_activity: Any, kind: str, unit: str, grams: str, coal_grams: str
) -> None:
    chosen = choose(book, make_activity(kind, unit=unit))
    assert (chosen.g_per_unit, chosen.gce_per_unit) == (Decimal(grams), Decimal(coal_grams))


def test_gas_at_the_meters_conditions_is_taken_as_normal_visibly(book: FactorBook, make_activity: Any) -> None:
    activity = make_activity("fuel.natural_gas", unit="m3")
    metered, normal = choose(book, activity), choose(book, make_activity("fuel.natural_gas"))
    assert metered.g_per_unit == normal.g_per_unit
    assert metered.terms["VN"].unit == "Nm3/m3"
    assert metered.doubts == ("source.gas_conditions_assumed",)
    assert normal.doubts == ()
    assert [finding.severity for finding in findings_of(activity, metered, 0)] == ["warning"]


def test_gwp_follows_the_method(book: FactorBook, make_activity: Any) -> None:
    activity = make_activity("process.nitric_acid")
    assert choose(book, activity, gwp="ar5").g_per_unit == 7 * 265 * 1000
    newer = choose(book, activity, gwp="ar6")
    assert (newer.g_per_unit, newer.gwp) == (7 * 273 * 1000, "ar6")


def test_general_defaults_say_so(book: FactorBook, make_activity: Any) -> None:
    assert choose(book, make_activity("material.pig_iron")).basis == "default"
    assert choose(book, make_activity("material.lime")).note
    assert choose(book, make_activity("fuel.coke")).basis == "exact"


def test_a_registered_factor_replaces_the_choice(book: FactorBook, make_activity: Any) -> None:
    named = make_activity("material.clay", factor_override="material.calcined_kaolinic_clay.cbam2026")
    assert choose(book, named).basis == "supplier_specific"
    unknown = make_activity("electricity.purchased", factor_override="no.such.factor")
    assert isinstance(book.choose(unknown, Method(), AS_OF), MissingFactor)
    wrong_unit = make_activity("electricity.purchased", factor_override="heat.default.none")
    assert isinstance(book.choose(wrong_unit, Method(), AS_OF), MissingFactor)


def test_a_unit_that_the_kind_does_not_take_is_missing_with_the_units_it_takes(
    book: FactorBook, make_activity: Any
) -> None:
    missing = book.choose(make_activity("fuel.diesel", unit="kWh"), Method(), AS_OF)
    assert isinstance(missing, MissingFactor)
    assert "t, kg" in missing.en


def test_the_table_of_kinds_is_whole() -> None:
    assert len(ACTIVITIES) > 70
    for kind, activity in ACTIVITIES.items():
        assert activity.kind == kind
        assert activity.calculation in CHOICES
        assert set(activity.units) <= UNITS
        assert activity.stage in STAGES
        assert activity.scope in (1, 2, 3)
        assert 1 <= activity.category <= 6
        assert activity.zh
        assert activity.en
    exported = {"electricity.exported", "heat.exported", "steam.exported"}
    fixed = {"fixed.carbon", "fixed.steel", "fixed.pig_iron", "fixed.product", "fixed.co2_recovered"}
    assert {kind for kind, one in ACTIVITIES.items() if one.sign < 0} == exported | fixed
    assert {group_of(ACTIVITIES[kind], 2) for kind in exported} == {"exported_energy"}
    assert {group_of(ACTIVITIES[kind], 1) for kind in fixed} == {"fixed_carbon"}
    assert all("{" not in text for pair in DOUBTS.values() for text in pair)


# --- the shipped files ----------------------------------------------------------------------------------------------


def test_every_shipped_value_has_its_source(book: FactorBook) -> None:
    assert len(book.factors) > 350
    for factor in book.factors.values():
        assert factor.source
        assert factor.confidence in "AB"
        assert factor.published_on.year >= 2000
        assert factor.valid_from < factor.valid_to
    assert "grid.national.2021" not in book.factors


def test_derived_fuel_factors_agree_with_an_independent_calculation(book: FactorBook) -> None:
    """NCV × CC × OF × 44/12 in plain floats from the YAML text, against the formula engine."""
    text = (Path(__file__).parents[3] / "config/emission_factors/gbt32151-34-2024.yaml").read_text()
    values: dict[str, dict[str, tuple[float, str]]] = {}
    for line in text.splitlines():
        if not line.startswith("- {id: gbt32151-34-2024."):
            continue
        cells = next(csv.reader(io.StringIO(line.strip("- {}")), skipinitialspace=True))
        fields = dict(cell.split(": ", 1) for cell in cells if ": " in cell)
        _, fuel, part = fields["id"].split(".")
        values.setdefault(fuel, {})[part] = (float(fields["value"]), fields["unit"].strip('"'))
    assert len(values) > 20
    for fuel, parts in values.items():
        tonnes = parts["ncv"][0] * parts["cc"][0] * parts["of"][0] / 100 * 44 / 12
        per = 1e4 if "1e4Nm3" in parts["ncv"][1] else 1.0
        grams = choose_fuel(book, fuel, "Nm3" if per > 1 else "t")
        assert grams == pytest.approx(tonnes * 1e6 / per, rel=1e-12), fuel


def choose_fuel(book: FactorBook, fuel: str, unit: str) -> float:
    activity = Activity("e", "s", f"fuel.{fuel}", date(2026, 10, 5), 1, unit, 1, "production", 1, "fujian")
    return float(choose(book, activity).g_per_unit)


# --- refusing files -------------------------------------------------------------------------------------------------

GOOD = """\
edition: test-2030
title: {zh: 测试, en: test}
publisher: nobody
published_on: 2030-01-01
source: a page
confidence: A
valid_from: 2029-01-01
valid_to: 2030-01-01
names: {fujian: 福建}
factors:
- {id: grid.x.2029, series: grid.x, kind: grid, value: 0.5, unit: kgCO2/kWh}
"""


def write(config: Path, text: str, name: str = "test-2030") -> Path:
    folder = config / "emission_factors"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return config


def refusal(config: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_factor_files(config)
    return str(caught.value)


def test_a_good_file_loads(tmp_path: Path) -> None:
    (loaded,) = load_factor_files(write(tmp_path, GOOD))
    assert (loaded.factor.value, loaded.factor.valid_to) == (Decimal("0.5"), date(2030, 1, 1))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{id: a, series: s, kind: grid, value: 530.6, unit: kgCO2/kWh}", "outside of 0.01 to 1.5"),
        ("{id: a, series: s, kind: grid, value: 0.5306, unit: gCO2/kWh}", "outside of 0.01 to 1.5"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/t}", "is no unit of a grid value"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kwh}", "is not known"),
        ("{id: a, series: s, kind: grid, value: 0.5}", "unit: is missing"),
        ("{id: a, series: s, kind: guess, value: 0.5, unit: kgCO2/kWh}", "must be one of"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kWh, confidence: C}", "must be one of A, B"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kWh, source: ''}", "must say where"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kWh, colour: red}", "unknown key"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kWh, valid_to: 2028-01-01}", "not after it begins"),
        ("{id: a, series: s, kind: grid, value: 0.5, unit: kgCO2/kWh, region: atlantis}", "add atlantis"),
        ("{id: a, series: grid.x, kind: grid, value: 0.6, unit: kgCO2/kWh}", "overlaps grid.x.2029"),
        ("{id: grid.x.2029, series: t, kind: grid, value: 0.6, unit: kgCO2/kWh}", "stands already"),
        (
            "{id: a, series: s, kind: ncv_by_volume, value: 0.038931, unit: GJ/1e4Nm3}",
            "outside of 20 to 500",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    message = refusal(write(tmp_path, f"{GOOD}- {line}\n"))
    assert words in message
    assert "test-2030.yaml:12" in message


def test_a_file_without_source_or_publication_day_is_refused_for_both(tmp_path: Path) -> None:
    text = GOOD.replace("source: a page\n", "").replace("published_on: 2030-01-01\n", "")
    message = refusal(write(tmp_path, text))
    assert "source: is missing" in message
    assert "published_on: is missing" in message


def test_a_file_is_named_as_its_edition(tmp_path: Path) -> None:
    assert "must be the file's name" in refusal(write(tmp_path, GOOD, "other"))


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    assert "no factor files" in refusal(tmp_path)
