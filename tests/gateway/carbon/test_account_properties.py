"""Accounts against an independent calculation in plain floats, and laws that every account keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pint
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.carbon.activities import ACTIVITIES, FUELS
from gateway.carbon.emission import draft_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.ledger import append, diff
from gateway.carbon.model import Activity, ChosenFactor, Draft, Entry
from gateway.carbon.statement import statement_of
from gateway.carbon.units import convert, read_unit
from gateway.registry.model import Enterprise, Method, Name
from gateway.scheduler.activities import share_of_day
from gateway.store.records_repository import ActivityRecord
from tests.gateway.carbon.conftest import CONFIG, ENTERPRISE

AS_OF = date(2026, 11, 1)
DAY = date(2023, 5, 1)
no_deadline = settings(deadline=None)  # a loaded machine is no property of an account


def published() -> dict[str, float]:
    """id -> value of every shipped factor and of every blend by AR5, read without the engine."""
    values: dict[str, float] = {}
    for folder in ("emission_factors", "energy_factors", "gwp"):
        for path in (CONFIG / folder).glob("*.yaml"):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            values |= {one["id"]: float(one["value"]) for one in content["factors"]}
    for path in (CONFIG / "refrigerant_blends").glob("*.yaml"):
        for blend in yaml.safe_load(path.read_text(encoding="utf-8"))["blends"]:
            parts = blend["mass_percent"].items()
            values[f"gwp.ar5.{blend['id']}"] = sum(values[f"gwp.ar5.{gas}"] * part / 100 for gas, part in parts)
    return values


VALUES = published()
A_SET = "gbt32151-34-2024"
IN_A_SET = [fuel for fuel in FUELS if f"{A_SET}.{fuel}.ncv" in VALUES]
CARBONATES = [kind for kind in ACTIVITIES if kind.startswith("carbonate.")]
GASES = [kind for kind in ACTIVITIES if kind.startswith("gas.")]


def straightforward_g(kind: str, amount: float, unit: str, evidenced: bool) -> float:
    """Grams, computed as a person with a pocket calculator would."""
    family, _, name = kind.partition(".")
    if family in ("fuel", "mobile"):
        ncv, cc, of = (VALUES[f"{A_SET}.{name}.{part}"] for part in ("ncv", "cc", "of"))
        per = {"t": 1, "kg": 1e-3, "Nm3": 1e-4, "1e4Nm3": 1, "m3": 1e-4, "1e4m3": 1, "GJ": 1 / ncv, "MJ": 1e-3 / ncv}
        return amount * per.get(unit, 1e3 / ncv) * ncv * cc * of / 100 * 44 / 12 * 1e6
    if family == "electricity":
        kwh = amount * {"kWh": 1, "MWh": 1e3, "1e4kWh": 1e4}[unit]
        zero = evidenced and name in ("green", "self_used_pv")
        return 0.0 if zero else (-1 if name == "exported" else 1) * kwh * VALUES["grid.national.2023"] * 1e3
    if family == "gas":
        return amount * {"kg": 1e3, "t": 1e6, "g": 1}[unit] * VALUES[f"gwp.ar5.{name.replace('_', '-')}"]
    return amount * {"t": 1e6, "kg": 1e3}[unit] * VALUES[kind]


@st.composite
def activities(draw: st.DrawFn) -> tuple[Activity, float]:
    fuels = [f"fuel.{fuel}" for fuel in IN_A_SET] + ["mobile.diesel", "mobile.gasoline"]
    electricity = [f"electricity.{name}" for name in ("purchased", "exported", "green", "self_used_pv")]
    kind = ACTIVITIES[draw(st.sampled_from([*fuels, *electricity, *CARBONATES, *GASES]))]
    liquid = "L" in kind.units
    unit = draw(st.sampled_from([one for one in kind.units if not (liquid and one in ("L", "m3"))]))
    amount_u = draw(st.integers(0, 10**12))
    evidenced = draw(st.booleans())
    activity = Activity(
        ENTERPRISE, "s", kind.kind, DAY, amount_u, unit, kind.scope, kind.stage, kind.category, "fujian",
        evidenced=evidenced,
    )  # fmt: skip
    return activity, straightforward_g(kind.kind, amount_u / 1e6, unit, evidenced)


def booked(book: FactorBook, activity: Activity, as_of: date = AS_OF) -> Draft:
    chosen = book.choose(activity, Method(), as_of)
    assert isinstance(chosen, ChosenFactor)
    return draft_of(activity, chosen)


def entries_of(drafts: list[Draft]) -> list[Entry]:
    named = [replace(draft, source=f"s{place}") for place, draft in enumerate(drafts)]
    return append(None, diff([], named, "automatic"), 1)


def total(entries: list[Entry]) -> Any:
    plant = Enterprise(ENTERPRISE, Name("厂", "Plant"), "park", "C3130")
    return statement_of(plant, "2023-05", entries, days=1, findings_open=0, last_seq=len(entries))


@no_deadline
@given(st.lists(activities(), min_size=1, max_size=12))
def test_any_account_agrees_with_an_independent_calculation(
    book: FactorBook, plant: list[tuple[Activity, float]]
) -> None:
    drafts = [booked(book, activity) for activity, _ in plant]
    for draft, (_, grams) in zip(drafts, plant, strict=True):
        assert draft.emission_g == pytest.approx(grams, rel=1e-9, abs=1)
    summed = total(entries_of(drafts))
    assert summed.lifecycle_g == pytest.approx(sum(grams for _, grams in plant), rel=1e-9, abs=len(plant))
    assert summed.lifecycle_g == sum(draft.emission_g for draft in drafts)


@no_deadline
@given(st.lists(activities(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_no_total(book: FactorBook, plant: list[Any], random: Any) -> None:
    entries = entries_of([booked(book, activity) for activity, _ in plant])
    shuffled = entries.copy()
    random.shuffle(shuffled)
    assert total(shuffled) == total(entries)


@no_deadline
@given(activities())
def test_twice_the_activity_is_twice_the_emission(book: FactorBook, one: tuple[Activity, float]) -> None:
    once, twice = booked(book, one[0]), booked(book, replace(one[0], amount_u=2 * one[0].amount_u))
    assert abs(twice.emission_g - 2 * once.emission_g) <= 1
    assert abs(twice.energy_gce - 2 * once.energy_gce) <= 1


@no_deadline
@given(st.integers(0, 10**13), st.sampled_from(["electricity", "heat"]))
def test_export_takes_off_exactly_what_import_adds(book: FactorBook, amount_u: int, what: str) -> None:
    drafts = []
    for way in ("purchased", "exported"):
        kind = ACTIVITIES[f"{what}.{way}"]
        activity = Activity(ENTERPRISE, "s", kind.kind, DAY, amount_u, kind.units[0], 2, "production", 2, "fujian")
        drafts.append(booked(book, activity))
    assert drafts[0].emission_g == -drafts[1].emission_g
    assert total(entries_of(drafts)).compliance_g == 0


@no_deadline
@given(activities(), st.integers(1, 10**9))
def test_restating_and_restating_back_gives_the_first_totals(
    book: FactorBook, one: tuple[Activity, float], more: int
) -> None:
    first = booked(book, one[0])
    other = booked(book, replace(one[0], amount_u=one[0].amount_u + more))
    chain = append(None, diff([], [first], "automatic"), 1)
    before = total(chain)
    chain += append(chain[-1], diff(chain[:1], [other], "operator"), 2)
    chain += append(chain[-1], diff([chain[-1]], [first], "operator"), 3)
    assert len(chain) == 5
    assert replace(total(chain), last_seq=1) == before


@given(st.integers(0, 10**15), st.integers(1, 1100))
def test_a_record_spread_over_its_days_adds_up_and_no_day_differs_by_more_than_one(amount_u: int, days: int) -> None:
    start = date(2026, 1, 1).toordinal()
    span = date.fromordinal(start), date.fromordinal(start + days)
    record = ActivityRecord(ENTERPRISE, "r", "source", "s", *span, amount_u, "t")
    shares = [share_of_day(record, date.fromordinal(start + place)) for place in range(days)]
    assert sum(shares) == amount_u
    assert max(shares) - min(shares) <= 1
    cut = days // 2
    assert sum(shares[:cut]) + sum(shares[cut:]) == amount_u


# --- units, with Pint as oracle -------------------------------------------------------------------------------------

AS_PINT = {
    "1e4kWh": "1e4 * kilowatt_hour",
    "1e4m3": "1e4 * meter**3",
    "m3": "meter**3",
    "m2": "meter**2",
    "L": "liter",
    "%": "percent",
}
FAMILIES = (
    ("g", "kg", "t"),
    ("kJ", "MJ", "GJ", "TJ", "kWh", "MWh", "1e4kWh"),
    ("L", "m3", "1e4m3"),
)


@pytest.mark.parametrize(("unit", "to"), [pair for family in FAMILIES for pair in pairwise((*family, family[0]))])
def test_conversions_agree_with_pint(unit: str, to: str) -> None:
    registry = pint.UnitRegistry()
    by_pint = registry.Quantity(f"1 {AS_PINT.get(unit, unit)}").to(_of(to))
    scale = float(registry.Quantity(f"1 {AS_PINT.get(to, to)}").to(_of(to)).magnitude)
    assert float(convert(read_unit("1").scale, unit, to)) == pytest.approx(by_pint.magnitude / scale, rel=1e-12)


def _of(unit: str) -> str:
    """Pint's own unit under ours: without its power of ten."""
    return AS_PINT.get(unit, unit).removeprefix("1e4 * ")
