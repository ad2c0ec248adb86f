"""The shipped knowledge, and makers of activities and entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import draft_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import Activity, Draft, MissingFactor, OwnValue
from gateway.registry.model import Method

CONFIG = Path(__file__).parents[3] / "config"
ENTERPRISE = "91350500M00000000Y"

MakeActivity = Callable[..., Activity]
MakeDraft = Callable[..., Draft]


def own_numbers(kind: str, unit: str) -> tuple[OwnValue, ...]:
    """What an amount in this unit needs of a laboratory or supplier where no published value covers it."""
    activity = ACTIVITIES[kind]
    if activity.calculation in ("fuel", "energy_only"):
        return (OwnValue("RHO", "0.84", "kg/L", "test"),) if unit in ("L", "m3") and "Nm3" not in activity.units else ()
    if activity.series == "heat":
        return (OwnValue("H", "2691.9", "kJ/kg", "test"),)
    gas = "CH4" if activity.calculation == "gas_process" else "CO2e"
    return (OwnValue("EF", "1.5", f"kg{gas}/{unit}", "test"),)


@pytest.fixture(scope="session")
def config_dir() -> Path:
    return CONFIG


@pytest.fixture(scope="session")
def book() -> FactorBook:
    return FactorBook.load(CONFIG)


@pytest.fixture(scope="session")
def make_activity() -> MakeActivity:
    """`make_activity("fuel.diesel", 12.5, "t", day=…)`: an activity with the kind's usual scope and stage."""

    def make(kind: str, amount: float = 1.0, unit: str = "", **fields: object) -> Activity:
        usual = ACTIVITIES[kind]
        activity = Activity(
            enterprise=ENTERPRISE,
            source=kind.replace(".", "-"),
            kind=kind,
            day=date(2026, 10, 5),
            amount_u=round(amount * 1_000_000),
            unit=unit or usual.units[0],
            scope=usual.scope,
            stage=usual.stage,
            category=usual.category,
            region="fujian",
            digest="d" * 64,
        )
        return replace(activity, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def own_of() -> Callable[[str, str], tuple[OwnValue, ...]]:
    return own_numbers


@pytest.fixture(scope="session")
def make_draft(book: FactorBook, make_activity: MakeActivity) -> MakeDraft:
    """A draft of an activity with the factor of 1 November 2026."""

    def make(kind: str, amount: float = 1.0, unit: str = "", **fields: object) -> Draft:
        activity = make_activity(kind, amount, unit, **fields)
        chosen = book.choose(activity, Method(), date(2026, 11, 1))
        assert not isinstance(chosen, MissingFactor)
        return draft_of(activity, chosen)

    return make
