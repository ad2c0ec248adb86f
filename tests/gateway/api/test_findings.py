"""A finding's life over the API: who may decide, what is kept, and that nothing else changes."""

from __future__ import annotations

import pytest

from collectors.clock import HOUR_MS
from gateway.carbon.model import Finding
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.findings_repository import FindingsRepository
from tests.gateway.seeded_enterprises import FITTINGS, STEEL, TODAY
from tests.gateway.seeded_park import SeededPark

AT_MS = 1_791_000_000_000 // HOUR_MS * HOUR_MS  # 2026-10-03
PATH = f"/api/v1/enterprises/{STEEL}/findings"


@pytest.fixture
def park(bare_park: SeededPark) -> SeededPark:
    """A warning (1) and an error (2)."""
    found = [
        Finding(name, STEEL, "incomer-1.energy_import", AT_MS, severity, {"before": 5}, "异常", "odd")
        for name, severity in (("counter.reset", "warning"), ("counter.quarantined", "error"))
    ]
    FindingsRepository(bare_park.engine).replace(STEEL, "incomer-1.energy_import", AT_MS, AT_MS + HOUR_MS, found, AT_MS)
    return bare_park


def test_acknowledging_keeps_who_when_and_why_and_shows_it(park: SeededPark) -> None:
    answer = park.post(f"{PATH}/1/acknowledge", {"reason": "the meter was changed on site"}, "enterprise")
    assert answer.status_code == 200
    assert answer.json["finding"]["status"] == "acknowledged"
    (decision,) = answer.json["decisions"]
    assert (decision["by"], decision["why"]) == (f"enterprise {STEEL}", "the meter was changed on site")
    again = park.get(f"{PATH}/1", "park").json
    assert again == answer.json
    (listed,) = park.get(f"{PATH}?status=acknowledged", "park").json["items"]
    assert (listed["id"], listed["acknowledged_why"]) == (1, "the meter was changed on site")


def test_reopening_adds_to_the_history(park: SeededPark) -> None:
    park.post(f"{PATH}/1/acknowledge", {"reason": "fine"}, "enterprise")
    answer = park.post(f"{PATH}/1/reopen", {"reason": "it was not"}, "park")
    assert answer.json["finding"]["status"] == "open"
    assert [(one["status"], one["why"]) for one in answer.json["decisions"]] == [
        ("acknowledged", "fine"),
        ("open", "it was not"),
    ]


def test_an_error_is_acknowledged_by_the_park_and_not_by_the_plant(park: SeededPark) -> None:
    refused = park.post(f"{PATH}/2/acknowledge", {"reason": "trust us"}, "enterprise")
    assert (refused.status_code, refused.json["type"]) == (403, "urn:tanmai:problem:error-needs-the-park")
    assert park.post(f"{PATH}/2/acknowledge", {"reason": "inspected"}, "park").status_code == 200


def test_a_decision_lets_the_month_be_stated_anew(park: SeededPark) -> None:
    park.post(f"{PATH}/1/acknowledge", {"reason": "fine"}, "enterprise")
    marked = DirtyDaysRepository(park.engine).claim(9, TODAY.replace(month=12))
    assert [(one.enterprise, one.source, one.reason) for one in marked] == [(STEEL, "", "operator")]


@pytest.mark.parametrize(
    ("number", "body", "role", "status"),
    [
        (1, {"reason": "  "}, "enterprise", 422),
        (1, {"reason": "x" * 501}, "enterprise", 422),
        (1, {"why": "x"}, "enterprise", 400),
        (1, [], "enterprise", 400),
        (9, {"reason": "x"}, "enterprise", 404),
        (1, {"reason": "x"}, "platform", 403),
        (1, {"reason": "x"}, "other-enterprise", 404),
        (1, {"reason": "x"}, None, 401),
    ],
)
def test_what_is_no_decision_changes_nothing(
    park: SeededPark, number: int, body: object, role: str | None, status: int
) -> None:
    assert park.post(f"{PATH}/{number}/acknowledge", body, role).status_code == status
    assert FindingsRepository(park.engine).decisions(1) == []


def test_another_enterprises_finding_is_not_there(park: SeededPark) -> None:
    other = f"/api/v1/enterprises/{FITTINGS}/findings/1"
    assert park.get(other, "admin").status_code == 404


def test_a_resolved_finding_cannot_be_decided(park: SeededPark) -> None:
    FindingsRepository(park.engine).replace(STEEL, "incomer-1.energy_import", AT_MS, AT_MS + HOUR_MS, [], AT_MS + 1)
    assert park.post(f"{PATH}/1/acknowledge", {"reason": "x"}, "park").status_code == 409
