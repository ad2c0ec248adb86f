"""Regional grids: which province is of which, and what is wrong with a delineation is said with its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from gateway.carbon.factors import FactorBook
from gateway.carbon.grid_regions import load_grids
from gateway.carbon.model import ChosenFactor
from gateway.registry.model import Method
from tests.gateway.carbon.conftest import CONFIG

REGIONAL = Method(electricity="regional")
AS_OF = date(2026, 11, 1)


@pytest.mark.parametrize(
    ("region", "day", "factor", "basis"),
    [
        ("fujian", date(2023, 5, 1), "grid.east-grid.2023", "exact"),
        ("fujian", date(2026, 5, 1), "grid.east-grid.2023", "older_edition"),
        ("fujian", date(2022, 5, 1), "grid.east-grid.2022", "exact"),
        ("sichuan", date(2022, 5, 1), "grid.southwest-grid.2022", "exact"),
        ("sichuan", date(2023, 5, 1), "grid.southwest-grid.2022", "older_edition"),
        ("northeast-grid", date(2023, 5, 1), "grid.northeast-grid.2023", "exact"),
        ("innermongolia", date(2023, 5, 1), "grid.national.2023", "regional_fallback"),
    ],
)
def test_electricity_by_region_takes_the_grid_of_the_province_or_says_that_it_fell_back(
    book: FactorBook, make_activity: Any, region: str, day: date, factor: str, basis: str
) -> None:
    chosen = book.choose(make_activity("electricity.purchased", region=region, day=day), REGIONAL, AS_OF)
    assert isinstance(chosen, ChosenFactor)
    assert (chosen.id, chosen.basis) == (factor, basis)


def test_every_province_with_a_value_has_a_grid_but_inner_mongolia(book: FactorBook) -> None:
    provinces = {one.factor.region for one in book.loaded if one.factor.series == "grid.provincial"}
    assert len(provinces) > 25
    assert provinces - book.grid_of.keys() == {"innermongolia"}


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("east-grid: [shanghai", "moon-grid: [shanghai", "no factor file has a value of series grid.regional for moon"),
        ("[shanghai, jiangsu", "[shanghai, atlantis", "series grid.provincial for atlantis"),
        ("[shanghai, jiangsu", "[shanghai, beijing", "beijing is of north-grid already"),
        ("edition: mee-regional-grids", "edition: x", "must be the file's name"),
        ("confidence: B", "confidence: C", "must be one of A, B"),
    ],
)
def test_a_wrong_delineation_is_refused_with_its_place(
    book: FactorBook, tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    name = "grid_regions/mee-regional-grids.yaml"
    text = (CONFIG / name).read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "grid_regions").mkdir()
    (tmp_path / name).write_text(text.replace(was, becomes, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_grids(tmp_path, book.loaded)
    assert says in str(caught.value)
    assert "mee-regional-grids.yaml" in str(caught.value)
