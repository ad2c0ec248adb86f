"""From the gateway's command to the meter and back: signed batches and configurations, with real processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import load_profile
from collectors.seals import SigningKey
from tests.system.small_park import AGENT, PLANT, REGISTRY, Agent, CountingMeter, Gateway, until

METER = "{id: line-2, bus: bus-1, unit: 1, profile: test-counter, every_s: 0.1}"


@pytest.fixture(scope="module")
def meters(park: Gateway) -> Iterator[SimulatedMeters]:
    """Unit 1 answers; there is no other."""
    profile = load_profile(park.directory / "profiles" / "test-counter.yaml")
    with SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(profile, CountingMeter().value_at)}) as served:
        yield served


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that takes nothing unsigned from the plant, and the key that its agent has."""
    gateway = Gateway(tmp_path_factory.mktemp("park"))
    key = SigningKey.make(gateway.directory / "edge" / "agent.pem")
    try:
        gateway.start()
        keyed = f"agents: [{{id: edge-1, public_keys: ['{key.public.text}']}}]\n  require_signed_batches: true"
        text = REGISTRY.replace("agents: [{id: edge-1}]", keyed, 1)
        gateway.operation("registry_apply", text=text, file="registry.yaml")
        yield gateway
    finally:
        gateway.close()


@pytest.fixture(scope="module")
def agent(park: Gateway, meters: SimulatedMeters) -> Iterator[Agent]:
    """Signs its batches and trusts the gateway's configurations."""
    agent = Agent(park, meters.port, [METER.replace(", bus: bus-1", "")])
    trusted = park.operation("agent_config_key")["public_key"]
    own = f"id: edge-1, signing_key_file: agent.pem, trusted_config_keys: ['{trusted}']}}"
    agent.config.write_text(agent.config.read_text().replace("id: edge-1}", own, 1))
    try:
        agent.start()
        yield agent
    finally:
        agent.close()


def shown(park: Gateway) -> Any:
    return park.operation("agent_config_show", agent=AGENT)


def push(park: Gateway, tmp_path: Path, text: str) -> int:
    """Push with the command, as a person does; gives the version."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    said = park.tanmai("agent-config", "push", AGENT, str(file), "--by", "ops")
    assert said.code == 0, said.err
    assert "it is with the broker" in said.out
    return int(said.out.split()[1])


def await_outcome(park: Gateway, version: int, outcome: str) -> Any:
    def decided() -> bool:
        newest = shown(park)["newest"]
        return bool(newest["version"] == version and newest["outcome"] == outcome)

    until(decided, f"version {version} is {outcome}")
    return shown(park)


def test_signed_batches_are_stored_with_their_verdict_and_unsigned_ones_are_not(park: Gateway, agent: Agent) -> None:
    until(lambda: len(park.readings("line-2")) >= 5, "readings of a signing agent")
    items = park.operation("ingest_signatures", enterprise=PLANT)["items"]
    assert {item["signature"] for item in items} == {"valid"}
    said = park.tanmai("ingest", "signatures", "--enterprise", PLANT)
    assert said.code == 0 and "valid" in said.out
    payload = b'{"v":1,"batch":"unsigned-1","sent_at":1,"devices":[]}'
    (receipt,) = park.post("/api/v1/readings", park.token("device", AGENT), payload).json["receipts"]
    assert [reason["reason"] for reason in receipt["reasons"]] == ["unsigned"]


def test_configuration_goes_from_the_command_to_the_meter_without_losing_a_reading(
    park: Gateway, agent: Agent, meters: SimulatedMeters, tmp_path: Path
) -> None:
    until(lambda: len(park.readings("line-2")) >= 5, "readings before the change")
    version = push(park, tmp_path, f"devices:\n- {METER.replace('0.1', '0.2')}\n")
    said = await_outcome(park, version, "applied")
    assert said["agent"]["version"] == version
    before = len(park.readings("line-2"))
    until(lambda: len(park.readings("line-2")) >= before + 5, "readings after the change")
    values = [item["value"] for item in park.readings("line-2")]
    assert values == sorted(values)
    counts = [round(value * 100) for value in values]  # the n-th answer is n: none is missing
    assert counts == list(range(counts[0], counts[0] + len(counts)))


def test_configuration_that_silences_the_bus_comes_back_by_itself(park: Gateway, agent: Agent, tmp_path: Path) -> None:
    stays = shown(park)["agent"]["version"]
    version = push(park, tmp_path, f"devices:\n- {METER.replace('profile: test-counter', 'profile: eastron-sdm630')}\n")
    said = await_outcome(park, version, "rolled_back")
    assert "line-2" in said["newest"]["why"]
    assert said["agent"]["version"] == stays
    before = len(park.readings("line-2"))
    until(lambda: len(park.readings("line-2")) >= before + 5, "readings after the way back")


def test_sigkill_right_after_a_push_leaves_an_agent_that_decides(park: Gateway, agent: Agent, tmp_path: Path) -> None:
    version = push(park, tmp_path, f"devices:\n- {METER.replace('0.1', '0.3')}\n")
    agent.end(signal.SIGKILL)
    agent.start()
    await_outcome(park, version, "applied")
    listed = park.tanmai("agent-config", "history", AGENT)
    assert listed.code == 0
    assert "applied" in listed.out and "ops" in listed.out


def test_configuration_with_problems_is_refused_and_says_why(park: Gateway, agent: Agent, tmp_path: Path) -> None:
    version = push(park, tmp_path, f"devices:\n- {METER.replace('bus-1', 'bus-9')}\n")
    said = await_outcome(park, version, "refused")
    assert "there is no bus bus-9" in said["newest"]["why"]
    file = tmp_path / "config.yaml"
    file.write_text("agent: {enterprise: x, id: y}\ndevices: [{id: nobody, bus: bus-1, profile: test-counter}]\n")
    refused = park.tanmai("agent-config", "push", AGENT, str(file))
    assert refused.code == 2
    assert "cannot be changed from afar" in refused.err and "nobody is not registered" in refused.err


def test_agent_itself_cannot_publish_a_configuration(park: Gateway, agent: Agent) -> None:
    before = agent.status()["config"]["refused_messages"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "not-the-gateway")
    client.username_pw_set(AGENT, park.token("device", AGENT))
    host, port = park.mqtt.removeprefix("mqtt://").rsplit(":", 1)
    client.connect(host, int(port))
    client.loop_start()
    client.publish(f"tanmai/v1/{AGENT}/config", b"not from the gateway", qos=0)
    readings = len(park.readings("line-2"))
    until(lambda: len(park.readings("line-2")) > readings + 3, "the agent goes on")
    client.disconnect()
    client.loop_stop()
    assert agent.status()["config"]["refused_messages"] == before
