"""Promises of accepting again: what a forgotten registration kept out comes in once it is mended, and only once."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from collectors.errors import StoreUnavailable
from collectors.wire import Receipt
from gateway.ingest.accept import accept_batches
from gateway.ingest.intake import Arrival, Form
from tests.gateway.scheduler.plant import PLANT, REGISTRY, Plant, at, open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]

NOON = at("2026-10-05 12:00")
MENDED = REGISTRY.replace("agents: [{id: edge-1}]", "agents: [{id: edge-1}, {id: edge-2}]").replace(
    "sources:\n  - {id: grid,",
    """- {id: steam-1, points: [{id: mass, quantity: steam_mass}, {id: power, quantity: power}]}
  sources:
  - {id: grid,""",
    1,
)


def batch(device: str, points: Sequence[str], value: float = 1.0) -> bytes:
    block = {"device": device, "points": points, "rows": [[NOON, *(value for _ in points)]]}
    return json.dumps({"v": 1, "batch": "one", "sent_at": NOON, "devices": [block]}).encode()


def send(plant: Plant, payload: bytes, sender: str = "edge-1", form: Form = "batch") -> Receipt:
    return accept_batches([Arrival(PLANT, sender, payload, form)], plant.house.intake, NOON)[0]


def mend(plant: Plant, text: str = MENDED) -> None:
    plant.house.operations.call("registry_apply", text=text, file="registry.yaml")


def again(plant: Plant) -> dict[str, int]:
    return plant.house.operations.call("set_aside_accept", enterprise=PLANT)


def stored(plant: Plant, device: str, point: str) -> list[float]:
    number = plant.house.registry().points_by_name[PLANT, device, point].point_id
    values: list[float] = plant.house.timeseries.read([number], NOON, NOON + 1).value.tolist()
    return values


def aside(plant: Plant) -> dict[str, int]:
    return plant.house.set_aside.counts(PLANT)


def test_readings_of_a_device_registered_too_late_come_in(plant: Plant) -> None:
    assert send(plant, batch("steam-1", ["mass", "power"], 7.0)).set_aside == 2
    mend(plant)
    assert again(plant) == {"messages": 1, "readings": 2, "left": 0}
    assert (stored(plant, "steam-1", "mass"), stored(plant, "steam-1", "power")) == ([7.0], [7.0])
    assert aside(plant) == {}


def test_a_whole_message_of_an_agent_registered_too_late_comes_in(plant: Plant) -> None:
    assert send(plant, batch("incomer", ["energy_import"], 5.0), sender="edge-2").status == "rejected"
    mend(plant)
    assert again(plant) == {"messages": 1, "readings": 1, "left": 0}
    assert stored(plant, "incomer", "energy_import") == [5.0]


@pytest.mark.parametrize("values", [{"mass": 3.0}, {"mass": 3.0, "nonsense": 1.0}])
def test_telemetry_of_a_device_registered_too_late_comes_in(plant: Plant, values: dict[str, float]) -> None:
    payload = json.dumps({"ts": NOON, "values": values}).encode()
    assert send(plant, payload, sender="steam-1", form="telemetry").status == "rejected"
    mend(plant)
    assert again(plant)["readings"] == 1
    assert stored(plant, "steam-1", "mass") == [3.0]
    assert aside(plant) == ({"unknown_point": 1} if "nonsense" in values else {})
    assert again(plant) == {"messages": 0, "readings": 0, "left": len(values) - 1}


def test_without_a_mended_registry_everything_stays_as_it_was(plant: Plant) -> None:
    send(plant, batch("steam-1", ["mass"]))
    before = plant.house.set_aside.page(enterprise=PLANT)
    assert again(plant) == {"messages": 0, "readings": 0, "left": 1}
    assert plant.house.set_aside.page(enterprise=PLANT) == before


def test_a_crash_before_the_row_is_removed_doubles_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    send(plant, batch("steam-1", ["mass", "nonsense"], 2.0))
    mend(plant)

    def away(_self: object, _ids: Sequence[int]) -> int:
        raise StoreUnavailable("planted")

    with monkeypatch.context() as patch:
        patch.setattr(type(plant.house.set_aside), "remove", away)
        with pytest.raises(StoreUnavailable):
            again(plant)
    again(plant)
    assert stored(plant, "steam-1", "mass") == [2.0]
    assert aside(plant) == {"unknown_point": 1}


def test_accepting_again_is_no_way_around_the_sender(plant: Plant) -> None:
    arrival = Arrival(PLANT, "edge-1", batch("incomer", ["energy_import"]), credential="91350583M00000035E/edge-1")
    accept_batches([arrival], plant.house.intake, NOON)
    assert again(plant) == {"messages": 0, "readings": 0, "left": 0}
    (row,) = plant.house.set_aside.page()
    assert plant.house.operations.call("set_aside_accept", ids=[row.id])["messages"] == 0
    assert aside(plant) == {"other_enterprise": 1}


def test_one_reason_or_some_rows_come_in_when_they_are_asked_for(plant: Plant) -> None:
    early = json.loads(batch("incomer", ["energy_import"]))
    for number in range(3):
        early["batch"] = f"early-{number}"
        early["devices"][0]["rows"][0][0] = NOON + number
        arrival = Arrival(PLANT, "edge-1", json.dumps(early).encode())
        accept_batches([arrival], plant.house.intake, NOON - 3_600_000)
    assert aside(plant) == {"in_future": 3}
    assert again(plant)["messages"] == 0  # a clock that was ahead is not believed unasked
    first = plant.house.set_aside.page()[0].id
    assert plant.house.operations.call("set_aside_accept", ids=[first])["readings"] == 1
    assert plant.house.operations.call("set_aside_accept", reason="in_future", enterprise=PLANT)["readings"] == 2
    assert aside(plant) == {}
