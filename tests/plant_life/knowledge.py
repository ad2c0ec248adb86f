"""The published factors that the oracle computes with, and the editions that are published while the worlds live.

Values of SHIPPED are copied from the publications named in `config/`; those of LATER are made up, and stand in a
configuration directory that a house is reopened with in the middle of a world.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path

from gateway.settings import SHIPPED_CONFIG_DIR

NATION = "CN"
NATIONAL, PROVINCIAL = "grid.national", "grid.provincial"
RESIDUAL = "grid.national_without_traded_nonfossil"


@dataclass(frozen=True, slots=True)
class GridFactor:
    """Grams CO2 per kWh of one year and region."""

    series: str
    region: str
    year: int
    published_on: date
    g_per_kwh: Fraction


def _edition(year: int, published_on: date, values: dict[tuple[str, str], str]) -> list[GridFactor]:
    return [
        GridFactor(series, region, year, published_on, Fraction(value) * 1000)
        for (series, region), value in values.items()
    ]


# MEE and NBS, notice 2025 no. 47.
SHIPPED = _edition(2023, date(2025, 12, 31), {
    (NATIONAL, NATION): "0.5306", (RESIDUAL, NATION): "0.6096",
    (PROVINCIAL, "fujian"): "0.4211", (PROVINCIAL, "shandong"): "0.6191",
})  # fmt: skip
LATER = [
    *_edition(2024, date(2026, 5, 20), {
        (NATIONAL, NATION): "0.5187", (RESIDUAL, NATION): "0.6021",
        (PROVINCIAL, "fujian"): "0.4093", (PROVINCIAL, "shandong"): "0.6077",
    }),
    *_edition(2025, date(2026, 7, 10), {
        (NATIONAL, NATION): "0.5049", (RESIDUAL, NATION): "0.5903", (PROVINCIAL, "fujian"): "0.3981",
    }),
    *_edition(2026, date(2026, 9, 1), {
        (NATIONAL, NATION): "0.4931", (RESIDUAL, NATION): "0.5807", (PROVINCIAL, "shandong"): "0.5873",
    }),
    *_edition(2027, date(2027, 1, 20), {
        (NATIONAL, NATION): "0.4817", (RESIDUAL, NATION): "0.5702", (PROVINCIAL, "fujian"): "0.3877",
    }),
]  # fmt: skip

# GB/T 32151.34-2024, annex C: GJ/1e4Nm3 and GJ/t × tC/GJ × oxidised × 44/12, in grams per Nm3 and per t.
CARBON = Fraction(44, 12)
NATURAL_GAS_G_PER_NM3 = Fraction("389.31") / 10_000 * Fraction("0.0153") * Fraction("0.99") * CARBON * 1_000_000
DIESEL_G_PER_T = Fraction("42.652") * Fraction("0.0202") * Fraction("0.98") * CARBON * 1_000_000
# Regulation (EU) 2025/2621 as corrected, default of semi-finished steel made in China.
BILLETS_G_PER_T = Fraction("3.314") * 1_000_000
# GB/T 2589-2020, in grams of standard coal.
ELECTRICITY_GCE_PER_KWH = Fraction("0.1229") * 1000
NATURAL_GAS_GCE_PER_NM3 = Fraction("1.33") * 1000
DIESEL_GCE_PER_T = Fraction("1.4571") * 1_000_000


def grid_g_per_kwh(series: str, region: str, year: int, known: list[GridFactor], as_of: date) -> Fraction:
    """The newest for that year, else the latest earlier year; a province without any falls back to the nation."""
    published = [one for one in known if one.published_on <= as_of and one.year <= year]
    own = [one for one in published if (one.series, one.region) == (series, region)]
    if not own:
        assert series == PROVINCIAL, f"{series} of {region}: nothing was published by {as_of}"
        return grid_g_per_kwh(NATIONAL, NATION, year, known, as_of)
    return max(own, key=lambda one: (one.year, one.published_on)).g_per_kwh


@cache
def later_config_dir() -> Path:
    """The shipped configuration with the later editions beside it; made once per process."""
    made = Path(tempfile.mkdtemp(prefix="tanmai-config-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    shutil.copytree(SHIPPED_CONFIG_DIR, made / "config")
    for year in sorted({one.year for one in LATER}):
        own = [one for one in LATER if one.year == year]
        lines = [
            f"edition: simulated-grid-{year}",
            f'title: {{zh: "模拟 {year}", en: "simulated, {year}"}}',
            "publisher: simulation",
            f"published_on: {own[0].published_on}",
            "source: made up for the simulation",
            "confidence: A",
            f"valid_from: {year}-01-01",
            f"valid_to: {year + 1}-01-01",
            "names: {fujian: 福建, shandong: 山东}",
            "factors:",
            *(
                f"- {{id: {one.series}.{one.region}.{year}, series: {one.series}, kind: grid, "
                f"value: {float(one.g_per_kwh / 1000)}, unit: kgCO2/kWh, region: {one.region}, "
                f'name: {{zh: "{one.region}", en: "{one.region}"}}}}'
                for one in own
            ),
        ]
        file = made / "config" / "emission_factors" / f"simulated-grid-{year}.yaml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made / "config"
