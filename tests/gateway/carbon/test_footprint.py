"""Products share an account to the gram, electricity is counted by its life cycle, and CBAM's cut is its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import ConfigurationError
from gateway.carbon.allocation import NotAllocable, parts_of
from gateway.carbon.cbam import embedded_of, load_defaults
from gateway.carbon.footprint import Boundary, footprint_of
from gateway.carbon.ledger import NO_HASH
from gateway.carbon.model import Draft, Entry, Factor
from gateway.registry.model import Enterprise, Name, Product, Source

CONFIG = Path(__file__).parents[3] / "config"
PLANT = "91350500M00000000L"
DAY = date(2026, 10, 5)
KWH = Factor(
    "grid.footprint.2024", "grid.footprint", "CN", date(2024, 1, 1), date(2025, 1, 1), date(2025, 10, 23),
    Decimal("0.5777"), "kgCO2e/kWh", "MEE", "mee-electricity-footprint-2025", "B",
)  # fmt: skip

TILE = Product("tile", "m2", mass_kg="20", value_cny="40", share="0.75")
CLINKER = Product("clinker", "t", value_cny="300", share="0.25")


def source(source_id: str, activity: str, stage: str = "production", scope: int = 1, **more: object) -> Source:
    return Source(source_id, activity, scope, stage, **more)  # type: ignore[arg-type]


def plant(*sources: Source, products: tuple[Product, ...] = (TILE, CLINKER), allocation: str = "mass") -> Enterprise:
    return Enterprise(
        PLANT, Name("厂", "Plant"), "park", "C3071", sources=sources, products=products, allocation=allocation
    )


def entry(
    seq: int, own: Source, emission_g: int, amount: float = 1.0, unit: str = "kWh", basis: str = "exact"
) -> Entry:
    draft = Draft(
        PLANT, own.id, DAY, own.activity, own.scope, own.stage, 1, round(amount * 1_000_000), unit, "own.factor",
        "own-edition", basis, "ar5", emission_g, 0, False, 1_000_000, 0, "d", {},
    )  # fmt: skip
    return Entry(draft, seq, "automatic", None, 0, NO_HASH, "h")


def footprint(own: Enterprise, product: str, *entries: Entry, boundary: Boundary = "cradle_to_gate", **made: float):  # type: ignore[no-untyped-def]
    made_u = {name: round(value * 1_000_000) for name, value in made.items()}
    return footprint_of(own, product, entries, made_u, lambda day: KWH, boundary)


@given(st.integers(-(10**15), 10**15), st.lists(st.fractions(0, 10**6), min_size=1, max_size=8).filter(any))
def test_parts_add_up_to_the_whole_and_are_off_by_less_than_one(amount: int, weights: list[Fraction]) -> None:
    parts = parts_of(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - amount * weight / sum(weights)) < 1


@given(
    grams=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=5),
    tiles=st.integers(1, 10**6),
    tonnes=st.integers(1, 10**6),
    rule=st.sampled_from(["mass", "value", "shares"]),
)
def test_products_share_each_source_to_the_gram(grams: list[int], tiles: int, tonnes: int, rule: str) -> None:
    sources = [source(f"s{index}", "fuel.natural_gas") for index in range(len(grams))]
    own = plant(*sources, allocation=rule)
    entries = [entry(index + 1, one, grams[index]) for index, one in enumerate(sources)]
    both = [footprint(own, name, *entries, tile=tiles, clinker=tonnes) for name in ("tile", "clinker")]
    for index, one in enumerate(sources):
        parts = [part.emission_g for made in both for part in made.contributions if part.source == one.id]
        assert sum(parts) == grams[index]
    assert sum(made.emission_g for made in both) == sum(grams)


@pytest.mark.parametrize(
    ("rule", "tile_g"),
    [
        ("mass", 400_000),  # 1,000 m2 × 20 kg = 20 t of 50 t
        ("value", 816_327),  # 40,000 of 49,000 CNY: 816,326.53 g, the larger remainder
        ("shares", 750_000),
    ],
)
def test_iso_14067_allocation_by_mass_value_or_stated_share(rule: str, tile_g: int) -> None:
    gas = source("gas", "fuel.natural_gas")
    made = footprint(plant(gas, allocation=rule), "tile", entry(1, gas, 1_000_000), tile=1_000, clinker=30)
    assert made.emission_g == tile_g
    assert made.kg_per_unit == Fraction(tile_g, 1_000_000)


def test_a_source_that_serves_one_product_is_not_allocated() -> None:
    kiln = source("kiln", "fuel.natural_gas", products=("tile",))
    own = plant(kiln)
    assert footprint(own, "tile", entry(1, kiln, 1_000), tile=1, clinker=1_000).emission_g == 1_000
    assert footprint(own, "clinker", entry(1, kiln, 1_000), tile=1, clinker=1_000).contributions == ()


def test_electricity_is_counted_by_its_life_cycle_and_exports_are_taken_off() -> None:
    """100 kWh × 0.5777 kgCO2e/kWh = 57.77 kg; the account has 0.5306."""
    grid, out = source("grid", "electricity.purchased", scope=2), source("out", "electricity.exported", scope=2)
    own = plant(grid, out, products=(TILE,))
    made = footprint(own, "tile", entry(1, grid, 53_060, 100), entry(2, out, -5_306, 0.01, "MWh"), tile=1)
    assert [(one.source, one.emission_g, one.account_g) for one in made.contributions] == [
        ("grid", 57_770, 53_060),
        ("out", -5_777, -5_306),
    ]
    assert made.electricity == ("grid.footprint.2024",)


def test_electricity_without_a_published_life_cycle_keeps_its_figure_and_says_so() -> None:
    green = source("green", "electricity.green", scope=2)
    made = footprint(plant(green, products=(TILE,)), "tile", entry(1, green, 0, 100), tile=1)
    assert made.emission_g == 0
    assert "no life-cycle factor is published" in made.notes[0][1]


def test_boundaries_take_their_stages_and_primary_is_what_was_measured_or_declared() -> None:
    gas = source("gas", "fuel.natural_gas")
    clay = source("clay", "material.clay", "raw_material", 3)
    lime = source("lime", "material.lime", "raw_material", 3)
    truck = source("truck", "freight_out.road", "distribution", 3)
    own = plant(gas, clay, lime, truck, products=(TILE,))
    entries = (
        entry(1, gas, 500),
        entry(2, clay, 300, basis="default"),
        entry(3, lime, 200, basis="supplier_specific"),
        entry(4, truck, 1_000),
    )
    gate = footprint(own, "tile", *entries, tile=1)
    assert [one.source for one in gate.contributions] == ["clay", "lime", "gas"]
    assert (gate.emission_g, gate.primary_share) == (1_000, 0.7)
    assert footprint(own, "tile", *entries, boundary="cradle_to_grave", tile=1).emission_g == 2_000


@pytest.mark.parametrize(
    ("products", "rule", "made", "why"),
    [
        ((replace(TILE, mass_kg=None), CLINKER), "mass", {"tile": 1, "clinker": 1}, "tile has no mass"),
        ((TILE, replace(CLINKER, value_cny=None)), "value", {"tile": 1, "clinker": 1}, "clinker has no value"),
        ((TILE, CLINKER), "mass", {"tile": 0, "clinker": 0}, "no output of tile, clinker"),
    ],
)
def test_what_an_allocation_needs_is_asked_for(
    products: tuple[Product, ...], rule: str, made: dict[str, float], why: str
) -> None:
    gas = source("gas", "fuel.natural_gas")
    with pytest.raises(NotAllocable, match=why):
        footprint(plant(gas, products=products, allocation=rule), "tile", entry(1, gas, 10), **made)


# --- CBAM -----------------------------------------------------------------------------------------------------------


def test_cbam_cuts_direct_indirect_and_precursors_by_the_accounts_own_electricity() -> None:
    gas = source("gas", "fuel.natural_gas")
    steam = source("steam", "steam.purchased", scope=2)
    grid = source("grid", "electricity.purchased", scope=2)
    billets = source("billets", "material.steel_semi_finished", "raw_material", 3)
    clay = source("clay", "material.clay", "raw_material", 3)
    own = plant(gas, steam, grid, billets, clay, products=(CLINKER,))
    made = footprint(
        own, "clinker", entry(1, gas, 700_000), entry(2, steam, 100_000), entry(3, grid, 53_060, 100),
        entry(4, billets, 300_000), entry(5, clay, 999_999), clinker=2,
    )  # fmt: skip
    embedded = embedded_of("25231000-grey", load_defaults(CONFIG), made.contributions, Fraction(2))
    assert dict(embedded.grams) == {"direct": 800_000, "indirect": 53_060, "precursors": 300_000}
    assert embedded.total_kg_per_tonne == Fraction(1_153_060, 2_000)
    assert float(embedded.of_default) == pytest.approx(576.53 / 1390)


def test_shipped_defaults_have_a_source_and_parts_that_fit_their_total() -> None:
    defaults = load_defaults(CONFIG)
    assert len(defaults.goods) == 55
    for good, file in defaults.goods.values():
        assert "2025/2621" in file.source
        if good.direct is not None and good.indirect is not None:
            assert abs(good.direct + good.indirect - good.total) <= Decimal("0.01")


def test_a_wrong_defaults_file_is_refused_with_every_problem(tmp_path: Path) -> None:
    (tmp_path / "cbam").mkdir()
    (tmp_path / "cbam" / "mine.yaml").write_text(
        "edition: other\ntitle: {zh: 甲, en: a}\npublisher: p\nsource: s\nconfidence: B\n"
        "goods: [{id: a, name: a, total: 0}, {id: a, name: a, total: 1}]\nprecursors: [material.moon]\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_defaults(tmp_path)
    for words in ("must be the file's name", "must be above 0", "a stands twice", "material.moon is no activity"):
        assert words in str(caught.value)
