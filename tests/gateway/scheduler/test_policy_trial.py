"""A draft policy is tried on what is booked, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control import OperationFailed
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at

PRESET = Path(__file__).parents[3] / "config" / "rating_policies" / "four-colour-k.yaml"
NOW_MS = at("2026-10-11 08:00")


@pytest.fixture
def booked(plant: Plant) -> Plant:
    """Ten days of 2.4 MWh, and 20 t of plate."""
    plant.put("incomer", "energy_import", [(at(f"2026-10-{day:02} 00:00"), day * 2_400.0) for day in range(1, 12)])
    plant.put("gas", "volume", [(at(f"2026-10-{day:02} 00:00"), 5.0) for day in range(1, 12)])
    record = {
        "id": "p-1", "product": "plate", "amount": 20, "unit": "t", "from": "2026-10-01", "to": "2026-10-11",
    }  # fmt: skip
    plant.house.operations.call("records_import", enterprise=PLANT, records=[record])
    plant.house.pipeline.run(NOW_MS)
    return plant


def test_a_draft_is_set_beside_the_policy_in_force_for_the_whole_park(booked: Plant) -> None:
    draft = PRESET.read_text(encoding="utf-8").replace("policy: four-colour-k", "policy: draft")
    before = booked.house.operations.call("account", enterprise=PLANT, period="2026-10")
    loose = (
        draft.replace("{green: 0.8, yellow: 1.2, orange: 2.0}", "{green: 100, yellow: 200, orange: 300}")
        .replace("coverage_min: 0.9", "coverage_min: 0")
        .replace("estimated_share_max: 0.2", "estimated_share_max: 1")
    )
    answer = booked.house.operations.call("policy_try", text=loose, file="draft.yaml", subject=PLANT, period="2026-10")
    assert [(item["enterprise"], item["named"]) for item in answer["items"]] == [(PLANT, True), (SECOND, False)]
    own = answer["items"][0]
    assert (own["now"]["colour"], own["now"]["reasons"]) == (before["rating"]["colour"], before["rating"]["reasons"])
    assert own["then"]["colour"] == "green"
    assert own["then"]["policy"] == "draft"
    assert booked.house.operations.call("account", enterprise=PLANT, period="2026-10") == before
    park = booked.house.operations.call("policy_try", text=loose, file="draft.yaml", subject="park", period="2026-10")
    assert [item["named"] for item in park["items"]] == [False, False]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"subject": "nowhere"}, "no registered enterprise and no park"),
        ({"period": "2026"}, "months are rated"),
        ({"period": "soon"}, "soon"),
        ({"text": "policy: draft\ncolour: pink\n"}, "unknown key"),
        ({"text": PRESET.read_text(encoding="utf-8").replace("[demo-industry-means]", "[mine]")}, "is no file in"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_the_reason(plant: Plant, change: dict[str, str], why: str) -> None:
    asked = {"text": PRESET.read_text(encoding="utf-8"), "file": "x.yaml", "subject": "park", "period": "2026-10"}
    with pytest.raises(OperationFailed, match=why):
        plant.house.operations.call("policy_try", **(asked | change))
