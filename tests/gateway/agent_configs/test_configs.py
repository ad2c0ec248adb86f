"""Pushing configurations: what is kept, what is refused here already, and what brings it to a broker that was away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.agent_config import decode_config
from collectors.errors import ConfigurationError, StoreUnavailable
from collectors.seals import opened
from gateway.agent_configs import configs
from gateway.broker.address import BrokerAddress
from gateway.control import OperationFailed
from gateway.store.ingest_rows import StatusRow
from tests.gateway.scheduler.plant import PLANT, Plant, open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]

AGENT = f"{PLANT}/edge-1"
TEXT = "devices:\n- {id: incomer, bus: bus-1, profile: eastron-sdm630}\n"


class Broker:
    """Stands for the way to the broker: keeps what is retained, or is away."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.away = False

    def leave(self, _address: BrokerAddress, messages: dict[str, bytes]) -> None:
        if self.away:
            raise StoreUnavailable("mqtt://127.0.0.1:1 cannot be reached")
        self.retained |= messages


@pytest.fixture
def broker(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(configs, "leave_retained", made.leave)
    plant.house.broker_address = BrokerAddress("127.0.0.1", 1)
    return made


def call(plant: Plant, name: str, **arguments: Any) -> Any:
    return plant.house.operations.call(name, agent=AGENT, **arguments)


def push(plant: Plant, text: str = TEXT) -> Any:
    return call(plant, "agent_config_push", text=text, file="buses.yaml", by="ops")


def says(plant: Plant, **config: Any) -> None:
    """The agent's newest status."""
    document = json.dumps({"v": 1, "online": True, "config": config})
    plant.house.intake.statuses.put([StatusRow(PLANT, "edge-1", 1, True, document)])


def test_push_is_sealed_for_its_agent_and_kept_with_who_and_when(plant: Plant, broker: Broker) -> None:
    assert push(plant) == {"version": 1, "published": True, "why": ""}
    signature, payload = opened(broker.retained[f"tanmai/v1/{AGENT}/config"])
    assert plant.house.agent_configs.key.public.verifies(signature, "config", PLANT, "edge-1", payload)
    config = decode_config(payload)
    assert (config.enterprise, config.agent, config.version, config.text) == (PLANT, "edge-1", 1, TEXT)
    (item,) = call(plant, "agent_config_history")["items"]
    assert (item["made_by"], item["outcome"]) == ("ops", "waiting for the agent")


def test_what_cannot_be_is_refused_before_it_is_a_version(plant: Plant, broker: Broker) -> None:
    text = "agent: {id: other}\ngateway: {}\ndevices: [{id: nobody}]\n"
    with pytest.raises(ConfigurationError) as refused:
        push(plant, text)
    assert [problem.key for problem in refused.value.problems] == ["agent", "gateway", "devices[0].id"]
    with pytest.raises(OperationFailed, match="has no agent"):
        plant.house.operations.call("agent_config_push", agent=f"{PLANT}/edge-9", text=TEXT, by="ops")
    assert call(plant, "agent_config_show")["newest"] is None
    assert broker.retained == {}


def test_outcome_that_the_agent_reports_is_noted_and_ends_the_publishing(plant: Plant, broker: Broker) -> None:
    push(plant)
    assert plant.house.agent_configs.deliver(1)["published"] == 1
    says(plant, version=0, highest=1, outcome={"version": 1, "result": "rolled_back", "why": "silent", "at": 5})
    assert plant.house.agent_configs.deliver(1) == {"outcomes": 1, "published": 0, "undecided": 0}
    newest = call(plant, "agent_config_show")["newest"]
    assert (newest["outcome"], newest["why"]) == ("rolled_back", "silent")


def test_broker_that_was_away_or_forgot_gets_it_again(plant: Plant, broker: Broker) -> None:
    broker.away = True
    answer = push(plant)
    assert (answer["published"], "cannot be reached" in answer["why"]) == (False, True)
    broker.away = False
    plant.house.agent_configs.deliver(1)
    assert len(broker.retained) == 1
    broker.retained.clear()
    plant.house.agent_configs.deliver(1)
    assert len(broker.retained) == 1


def test_without_a_server_it_waits_for_one(plant: Plant) -> None:
    answer = push(plant)
    assert (answer["version"], answer["published"]) == (1, False)
    assert "running server" in answer["why"]


def test_version_goes_on_above_what_the_agent_remembers(plant: Plant, broker: Broker) -> None:
    says(plant, version=7, highest=9)
    assert push(plant)["version"] == 10
    assert push(plant, "")["version"] == 11
    assert decode_config(opened(broker.retained[f"tanmai/v1/{AGENT}/config"])[1]).text == ""


@pytest.mark.parametrize(
    "said", [{"outcome": 5}, {"outcome": {"version": "x", "result": "applied", "at": 1}}, {"highest": "many"}]
)
def test_nonsense_from_an_agent_stops_nothing(plant: Plant, broker: Broker, said: dict[str, Any]) -> None:
    says(plant, **said)
    assert push(plant)["version"] == 1
    plant.house.agent_configs.deliver(1)
    assert call(plant, "agent_config_show")["newest"]["outcome"] == "waiting for the agent"


def test_key_is_made_once_and_its_owners(plant: Plant) -> None:
    first = call(plant, "agent_config_key")
    assert call(plant, "agent_config_key") == first
    path = plant.house.settings.data_path / configs.KEY_FILE
    assert path.stat().st_mode & 0o077 == 0
