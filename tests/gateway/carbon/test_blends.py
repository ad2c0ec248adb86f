"""Blends of refrigerants: their GWP follows from their composition in every set, and what is lacking is said."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.blends import load_blends
from gateway.carbon.factor_files import load_factor_files
from gateway.carbon.factors import FactorBook

# Whole numbers as inventories publish them for AR4 and AR5, to compare with; half is rounded up there.
PUBLISHED = {
    "r-404a": (3922, 3943),
    "r-407a": (2107, 1923),
    "r-407b": (2804, 2547),
    "r-407c": (1774, 1624),
    "r-407d": (1627, 1487),
    "r-407e": (1552, 1425),
    "r-410a": (2088, 1924),
    "r-421a": (2631, 2385),
    "r-421b": (3190, 2890),
    "r-507a": (3985, 3985),
    "r-508a": (13214, 11607),
    "r-508b": (13396, 11698),
}
GASES = """
edition: sets
title: {zh: 集, en: sets}
publisher: nobody
published_on: 2020-01-01
source: a test
confidence: B
valid_from: 2000-01-01
factors:
- {id: gwp.ar5.hfc-32, series: gwp.ar5.hfc-32, kind: gwp, value: 677, unit: kgCO2e/kg}
- {id: gwp.ar5.hfc-125, series: gwp.ar5.hfc-125, kind: gwp, value: 3170, unit: kgCO2e/kg}
- {id: gwp.ar6.hfc-32, series: gwp.ar6.hfc-32, kind: gwp, value: 771, unit: kgCO2e/kg}
"""
BLENDS = """
edition: blends
title: {{zh: 混合物, en: blends}}
source: a test
confidence: A
blends:
- {blend}
"""


def write(tmp_path: Path, blend: str) -> Path:
    for folder, name, text in (("gwp", "sets", GASES), ("refrigerant_blends", "blends", BLENDS.format(blend=blend))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("blend", PUBLISHED)
def test_the_gwp_out_of_the_composition_is_the_published_one(book: FactorBook, blend: str) -> None:
    for name, published in zip(("ar4", "ar5"), PUBLISHED[blend], strict=True):
        exact = book.factors[f"gwp.{name}.{blend}"].value
        assert exact.quantize(Decimal(1), ROUND_HALF_UP) == published


def test_every_blend_has_a_kind_and_every_kind_a_value_in_every_set(book: FactorBook) -> None:
    kinds = {kind.series for kind in ACTIVITIES.values() if kind.kind.startswith("gas.r_")}
    blends = {key.rpartition(".")[2] for key in book.factors if key.startswith("gwp.ar5.r-")}
    assert kinds == blends
    assert book.gwp_sets == {"ar4", "ar5", "ar6"}
    assert all(f"gwp.{name}.{blend}" in book.factors for name in book.gwp_sets for blend in blends)


def test_a_value_says_what_it_is_made_of_and_where_that_stands(book: FactorBook) -> None:
    factor = book.factors["gwp.ar5.r-407c"]
    assert str(factor.value) == "1624.21"
    assert book.notes[factor.id] == "R-407C = 23 % HFC-32 + 25 % HFC-125 + 52 % HFC-134a by mass"
    assert "AR5" in factor.source
    assert "ASHRAE" in factor.source


@pytest.mark.parametrize(
    ("blend", "words"),
    [
        ("{id: r-1, designation: R-1, mass_percent: {hfc-32: 50, hfc-125: 50}}", "hfc-125 of R-1 has no GWP in ar6"),
        ("{id: r-1, designation: R-1, mass_percent: {hfc-32: 60, hfc-9: 40}}", "hfc-9 of R-1 has no GWP in ar5, ar6"),
        ("{id: r-1, designation: R-1, mass_percent: {hfc-32: 99.9}}", "add up to 100 %, not 99.9"),
        ("{id: r-1, designation: R-1, mass_percent: {hfc-32: 110, hfc-125: -10}}", "above 0"),
        ("{id: r-1, designation: R-1, parts: {hfc-32: 100}}", "parts"),
    ],
)  # fmt: skip
def test_a_wrong_composition_is_refused_with_its_place(tmp_path: Path, blend: str, words: str) -> None:
    config = write(tmp_path, blend)
    with pytest.raises(ConfigurationError) as caught:
        load_blends(config, load_factor_files(config))
    assert words in str(caught.value)
    assert "blends.yaml" in str(caught.value)
