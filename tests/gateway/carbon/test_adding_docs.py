"""docs/adding-a-factor.md and docs/adding-a-policy.md, followed literally."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.comparison import ProductOutput, RatingInput
from gateway.carbon.factor_files import KINDS
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import ChosenFactor, Statement
from gateway.carbon.policy import load_policies
from gateway.carbon.rating import rate
from gateway.registry.model import Method

ROOT = Path(__file__).parents[3]
YAML_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
SAVE_AS = re.compile(r"Save this as `([^`]+)` in `(config/[^`]+)`[^\n]*\n+```yaml\n(.*?)```", re.DOTALL)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped knowledge to add to."""
    for folder in ("emission_factors", "energy_factors", "gwp", "benchmarks", "rating_policies"):
        shutil.copytree(ROOT / "config" / folder, tmp_path / "config" / folder)
    return tmp_path / "config"


def follow(page: str, config: Path) -> list[str]:
    """Save every file the page says to save; gives their names."""
    saved = SAVE_AS.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    for name, folder, text in saved:
        (config.parent / folder / name).write_text(text, encoding="utf-8")
    return [folder + name for name, folder, _ in saved]


def test_the_next_grid_edition_is_one_file(config: Path, make_activity: Any) -> None:
    assert follow("adding-a-factor.md", config) == ["config/emission_factors/mee-nbs-grid-2024.yaml"]
    book = FactorBook.load(config)

    def chosen(day: date, as_of: date, series: str = "national") -> ChosenFactor:
        choice = book.choose(make_activity("electricity.purchased", day=day), Method(electricity=series), as_of)
        assert isinstance(choice, ChosenFactor)
        return choice

    before, after = date(2026, 12, 19), date(2026, 12, 20)
    in_2024, in_2026 = date(2024, 6, 1), date(2026, 10, 5)
    assert (chosen(in_2024, before).id, chosen(in_2024, before).provisional) == ("grid.national.2023", True)
    assert (chosen(in_2024, after).id, chosen(in_2024, after).basis) == ("grid.national.2024", "exact")
    assert (chosen(in_2026, after).id, chosen(in_2026, after).provisional) == ("grid.national.2024", True)
    assert chosen(in_2024, after, "provincial").id == "grid.fujian.2024"


def test_a_material_gets_a_factor_by_a_file_or_by_name(config: Path, make_activity: Any) -> None:
    text = (ROOT / "docs" / "adding-a-factor.md").read_text(encoding="utf-8")
    (block,) = [block for block in YAML_BLOCK.findall(text) if "supplier-clay-2026" in block]
    (config / "emission_factors" / "supplier-clay-2026.yaml").write_text(block, encoding="utf-8")
    book = FactorBook.load(config)
    for override, basis in ((None, "default"), ("material.clay.supplier.2026", "supplier_specific")):
        chosen = book.choose(make_activity("material.clay", factor_override=override), Method(), date(2026, 11, 1))
        assert isinstance(chosen, ChosenFactor)
        assert (chosen.g_per_unit, chosen.basis, chosen.note) == (45_000, basis, "cradle to gate")


def test_the_factor_page_names_every_kind_and_only_those() -> None:
    text = (ROOT / "docs" / "adding-a-factor.md").read_text(encoding="utf-8")
    listed = text[text.index("Kinds: ") : text.index("\n\nRefused")]
    assert set(re.findall(r"`(\w+)`", listed)) == set(KINDS)
    assert "material.clay" in ACTIVITIES


def test_the_policy_of_the_page_rates(config: Path) -> None:
    saved = follow("adding-a-policy.md", config)
    assert saved == ["config/benchmarks/my-park-means.yaml", "config/rating_policies/my-park.yaml"]
    policy = load_policies(config)["my-park"]
    statement = Statement(
        "91350500M00000000Y", "2026-10", 20, 60_000_000, 60_000_000, 107_000_000, {1: 0, 2: 0, 3: 0}, {}, (),
        1.0, 0.0, 0.0, 0, 1,
    )  # fmt: skip
    output = (ProductOutput("p", "t", 1_000_000_000),)
    steel = rate(statement, policy, RatingInput("C3130", output))
    assert (steel.colour, steel.policy, steel.official) == ("yellow", "my-park", False)
    assert policy.file.weights == {"carbon_intensity": 2, "energy_intensity": 1}
    assert steel.reasons_en[-1] == "The park's own trial rule."
    assert "demo" not in steel.reasons_en[0]
    clinker = rate(statement, policy, RatingInput("C3011", output))
    assert [(metric.metric, metric.colour) for metric in clinker.metrics] == [("energy_intensity", "yellow")]
