"""Methods as data: docs/adding-a-method.md followed literally, and what a method may not say."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from gateway.carbon.emission import draft_of, side_g
from gateway.carbon.factors import FactorBook
from gateway.carbon.ledger import append, diff
from gateway.carbon.methods import load_methods
from gateway.carbon.model import ChosenFactor, Draft, OwnValue, Statement
from gateway.carbon.statement import statement_of
from gateway.registry.model import COMPLIANCE_GROUPS, GROUPS, Enterprise, Method, Name

ROOT = Path(__file__).parents[3]
SAVE_AS = re.compile(r"Save this as `([^`]+)` in `(config/[^`]+)`[^\n]*\n+```yaml\n(.*?)```", re.DOTALL)
DAY, AS_OF = date(2023, 5, 1), date(2026, 11, 1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "config" / "methods", tmp_path / "config" / "methods")
    return tmp_path / "config"


def methods(config: Path, book: FactorBook) -> dict[str, Method]:
    return {name: file.method for name, file in load_methods(config, book.fuel_sets, book.gwp_sets).items()}


def booked(book: FactorBook, method: Method, activity: Any) -> Draft:
    chosen = book.choose(replace(activity, day=DAY), method, AS_OF)
    assert isinstance(chosen, ChosenFactor)
    return draft_of(activity, chosen)


def summed(method: Method, drafts: list[Draft]) -> Statement:
    named = [replace(draft, source=f"{draft.source}-{place}") for place, draft in enumerate(drafts)]
    plant = Enterprise(named[0].enterprise, Name("厂", "Plant"), "park", "C3130", method=method)
    entries = append(None, diff([], named, "automatic"), 1)
    return statement_of(plant, "2023-05", entries, days=1, findings_open=0, last_seq=len(entries))


def test_the_method_of_the_page_is_one_file(config: Path, book: FactorBook, make_activity: Any) -> None:
    page = (ROOT / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    ((name, folder, text),) = SAVE_AS.findall(page)
    (config.parent / folder / name).write_text(text, encoding="utf-8")
    mine = methods(config, book)["my-city-2026"]
    assert (mine.electricity, mine.booked, mine.fuel_set) == ("provincial", "market", "ndrc-24-industries")
    bought = booked(book, mine, make_activity("electricity.purchased", 1000, "kWh"))
    given = booked(book, mine, make_activity("electricity.exported", 400, "kWh"))
    coke = booked(book, mine, make_activity("fuel.coke", 1, "t"))
    assert (bought.factor, bought.emission_g) == ("grid.national_without_traded_nonfossil.2023", 609_600)
    assert side_g(bought, "location") == 421_100  # Fujian's average
    total = summed(mine, [bought, given, coke])
    assert total.compliance_g == bought.emission_g + coke.emission_g  # exports are not taken off
    assert total.lifecycle_g == total.compliance_g + given.emission_g
    assert all(f"`{group}`" in page for group in GROUPS)


def test_the_inline_default_is_the_shipped_national_method(book: FactorBook) -> None:
    shipped = methods(ROOT / "config", book)
    assert replace(shipped["gbt32150-national"], id="") == Method()
    assert replace(shipped["gbt32150-provincial"], id="") == Method(electricity="provincial")
    assert replace(shipped["gbt32150-regional"], id="") == Method(electricity="regional")
    assert set(COMPLIANCE_GROUPS) < set(GROUPS)


@pytest.mark.parametrize("name", ["gbt32150-national", "ghg-protocol-market", "ghg-protocol-location"])
def test_both_figures_stand_beside_each_other_whichever_is_booked(
    book: FactorBook, make_activity: Any, name: str
) -> None:
    method = methods(ROOT / "config", book)[name]
    green = booked(book, method, make_activity("electricity.green", 1000, "kWh", evidenced=True))
    own = (OwnValue("EF", "0.2", "kgCO2/kWh", "contract"),)
    contract = booked(book, method, make_activity("electricity.purchased", 1000, "kWh", own=own))
    total = summed(method, [green, contract])
    assert total.by_location is not None and total.by_market is not None
    assert total.by_location.scope_2_g == 2 * 530_600
    assert total.by_market.scope_2_g == 200_000
    assert total.compliance_g == (1_061_200 if name.endswith("location") else 200_000)
    assert total.by_location.compliance_g == total.by_location.lifecycle_g == 1_061_200


def test_without_green_power_location_and_market_agree(book: FactorBook, make_activity: Any) -> None:
    for name in ("gbt32150-national", "gbt32150-provincial", "ndrc-24-industries-national"):
        method = methods(ROOT / "config", book)[name]
        kinds = ("electricity.purchased", "electricity.exported", "electricity.green", "fuel.coke", "heat.purchased")
        total = summed(method, [booked(book, method, make_activity(kind, 123.456)) for kind in kinds])
        assert total.by_location == total.by_market
        assert total.by_market is not None and total.by_market.compliance_g == total.compliance_g


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("id: gbt32150-national", "id: other", "must be the file's name"),
        ("location: national", "location: moon", "unknown location moon"),
        ("booked: market", "booked: both", "must be one of location, market"),
        ("fuel_set: gbt32151-34-2024", "fuel_set: x", "unknown fuel_set x"),
        ("gwp: ar5", "gwp: ar2", "unknown gwp ar2"),
        (
            "compliance: [direct, purchased_energy, exported_energy, fixed_carbon]",
            "compliance: []",
            "counts nothing",
        ),
        ("[direct, purchased_energy, exported_energy, fixed_carbon]", "[direct, direct]", "twice"),
        ("[direct, purchased_energy, exported_energy, fixed_carbon]", "[scope_1]", "must be one of"),
        ("gwp: ar5", "gwp: ar5\ncolour: red", "unknown key"),
    ],
)
def test_a_wrong_method_is_refused_with_its_place(
    config: Path, book: FactorBook, was: str, becomes: str, says: str
) -> None:
    path = config / "methods" / "gbt32150-national.yaml"
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, becomes, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        methods(config, book)
