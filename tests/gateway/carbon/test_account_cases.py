"""Worked examples of every kind of activity: tests/cases/accounts, each computed by hand in a comment above it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import draft_of, side_g
from gateway.carbon.explain import BASES, computed
from gateway.carbon.factors import FactorBook
from gateway.carbon.ledger import append, diff, verify_chain
from gateway.carbon.model import ChosenFactor, Draft, OwnValue
from gateway.registry.model import Method

CASES = Path(__file__).parents[2] / "cases" / "accounts"
AS_OF = date(2026, 11, 1)


def load() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        for number, case in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")), 1):
            found.append(pytest.param(case, id=f"{path.stem}-{number}-{case['kind']}"))
    return found


def booked(book: FactorBook, make_activity: Any, case: dict[str, Any]) -> Draft:
    own = tuple(OwnValue(*numbers, "a report") for numbers in case.get("own", ()))
    activity = make_activity(case["kind"], float(case["amount"]), case["unit"])
    activity = replace(activity, own=own, evidenced=case.get("evidenced", False))
    if "day" in case:
        activity = replace(activity, day=date.fromisoformat(case["day"]))
    chosen = book.choose(activity, Method(**case.get("method", {})), AS_OF)
    assert isinstance(chosen, ChosenFactor), chosen
    return draft_of(activity, chosen)


@pytest.mark.parametrize("case", load())
def test_the_worked_example_comes_out_to_the_gram(book: FactorBook, make_activity: Any, case: dict[str, Any]) -> None:
    draft = booked(book, make_activity, case)
    assert (draft.emission_g, draft.energy_gce) == (case["emission_g"], case["energy_gce"])
    assert side_g(draft, "location") == case.get("location_g", case["emission_g"])
    assert side_g(draft, "market") == case["emission_g"]
    assert str(draft.emission_g) in computed(draft)
    assert draft.basis in BASES
    assert verify_chain(append(None, diff([], [draft], "automatic"), 1)) is None


def test_every_kind_of_activity_has_a_worked_example() -> None:
    assert {case.values[0]["kind"] for case in load()} == set(ACTIVITIES)
