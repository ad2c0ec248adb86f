"""The shipped knowledge, and makers of activities and entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import draft_of
from gateway.carbon.factors import FactorBook, MissingFactor
from gateway.carbon.model import Activity, Draft
from gateway.registry.model import Method

CONFIG = Path(__file__).parents[3] / "config"
ENTERPRISE = "91350500M00000000Y"

MakeActivity = Callable[..., Activity]
MakeDraft = Callable[..., Draft]


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
def make_draft(book: FactorBook, make_activity: MakeActivity) -> MakeDraft:
    """A draft of an activity with the factor of 1 November 2026."""

    def make(kind: str, amount: float = 1.0, unit: str = "", **fields: object) -> Draft:
        activity = make_activity(kind, amount, unit, **fields)
        chosen = book.choose(activity, Method(), date(2026, 11, 1))
        assert not isinstance(chosen, MissingFactor)
        return draft_of(activity, chosen)

    return make
