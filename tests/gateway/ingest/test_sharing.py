"""Two listeners share one real mosquitto: by a shared subscription, or by shards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry

from gateway.broker.address import BrokerAddress
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.portion import WHOLE, Portion
from gateway.ingest.stats import IngestStats

pytestmark = pytest.mark.real("mosquitto")

T0 = 1_760_000_000_000
BOTH = ("91350500M00000000Y", "91350500M000000018")
BATCHES = 40


def until(condition: Callable[[], Any], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


@contextmanager
def listening(house: Any, url: str, client_id: str, portion: Portion) -> Iterator[MqttListener]:
    stats = IngestStats(CollectorRegistry())
    listener = MqttListener(house.intake, BrokerAddress.of(url), stats, client_id=client_id, portion=portion)
    listener.start()
    try:
        assert listener.wait_connected(20), listener.state()
        yield listener
    finally:
        listener.stop()


@pytest.fixture
def publish(mosquitto: Any) -> Iterator[Callable[..., None]]:
    """A function that publishes batches b0, b1 … of each enterprise and waits until the broker has them."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "publisher")
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()

    def send(payload_of: Any) -> None:
        for number in range(BATCHES):
            for enterprise in BOTH:
                payload = payload_of(batch=f"b{number}", rows=[[T0 + number, 1.0, 2.0]])
                client.publish(f"tanmai/v1/{enterprise}/edge-1/readings", payload, qos=1).wait_for_publish(20)

    yield send
    client.disconnect()
    client.loop_stop()


def enterprises(house: Any) -> set[str]:
    return {enterprise for enterprise, _, _ in house.batches.batches}


def test_a_group_gets_every_message_once_and_all_members_work(
    new_house: Any, mosquitto: Any, publish: Any, payload_of: Any
) -> None:
    first, second = new_house(), new_house()
    city = Portion.of("city", "")
    with listening(first, mosquitto.url, "one", WHOLE):
        pass  # it was alone once: its session at the broker still holds the plain subscriptions
    with listening(first, mosquitto.url, "one", city), listening(second, mosquitto.url, "two", city):
        publish(payload_of)
        until(lambda: len(first.batches.batches) + len(second.batches.batches) >= 2 * BATCHES, "every batch")
    assert first.batches.batches.keys().isdisjoint(second.batches.batches)
    assert min(len(first.batches.batches), len(second.batches.batches)) > 0


def test_shards_take_their_enterprises_and_leave_the_others_to_others(
    new_house: Any, mosquitto: Any, publish: Any, payload_of: Any
) -> None:
    first, second = new_house(), new_house()
    one, two = Portion.of("", "1/2"), Portion.of("", "2/2")
    assert {portion.takes(BOTH[0]) for portion in (one, two)} == {True, False}
    with listening(first, mosquitto.url, "one", one), listening(second, mosquitto.url, "two", two):
        publish(payload_of)
        until(lambda: len(first.batches.batches) + len(second.batches.batches) >= 2 * BATCHES, "every batch")
    assert enterprises(first) == {enterprise for enterprise in BOTH if one.takes(enterprise)}
    assert enterprises(second) == {enterprise for enterprise in BOTH if two.takes(enterprise)}


def test_a_broker_that_never_sends_a_shared_message_is_said_not_to(
    house: Any, start_mosquitto: Callable[..., Any], tmp_path: Any
) -> None:
    # Such a broker takes `$share/…` for a topic like any other. Ours is told to keep our own messages from us.
    rules = tmp_path / "rules"
    rules.write_text("topic read tanmai/#\ntopic read $share/#\n")
    broker = start_mosquitto(f"allow_anonymous true\nacl_file {rules}")
    stats = IngestStats(CollectorRegistry())
    listener = MqttListener(
        house.intake, BrokerAddress.of(broker.url), stats, client_id="one", portion=Portion.of("city", "")
    )
    listener.start()
    until(lambda: "no shared subscriptions" in listener.state().detail, "the sentence")
    assert not listener.state().connected
    listener.stop()
