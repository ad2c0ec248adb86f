"""The listener against a real mosquitto: receipts after the commit, bad input set aside, nothing lost on a failure."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from prometheus_client import CollectorRegistry

from collectors.errors import ConfigurationError
from collectors.wire import Receipt, decode_receipt, stamped
from collectors.wire_forms import READS
from gateway.broker.address import BrokerAddress
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats

pytestmark = pytest.mark.real("mosquitto")

T0 = 1_760_000_000_000
OWN = "91350500M00000000Y"
NAN = float("nan")


def until(condition: Callable[[], Any], what: str, timeout_s: float = 10) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


@dataclass
class Edge:
    """A sender that listens for its receipts."""

    client: mqtt.Client
    agent: str
    receipts: list[Receipt] = field(default_factory=list)

    def send(self, payload: bytes, leaf: str = "readings", sender: str = "", enterprise: str = OWN) -> None:
        topic = f"tanmai/v1/{enterprise}/{sender or self.agent}/{leaf}"
        self.client.publish(topic, payload, qos=1, retain=leaf == "status").wait_for_publish(10)

    def receipt(self, batch: str) -> Receipt:
        def found() -> Receipt | None:
            return next((receipt for receipt in self.receipts if receipt.batch == batch), None)

        receipt: Receipt = until(found, f"receipt of {batch}")
        return receipt


@contextmanager
def an_edge(url: str, agent: str = "edge-1", enterprise: str = OWN) -> Iterator[Edge]:
    address = BrokerAddress.of(url)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"test-{enterprise}-{agent}", clean_session=False)
    edge = Edge(client, agent)
    subscribed = threading.Event()
    client.on_connect = lambda *_: client.subscribe(f"tanmai/v1/{enterprise}/{agent}/receipts", 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _c, _d, message: edge.receipts.append(decode_receipt(message.payload))
    client.connect(address.host, address.port)
    client.loop_start()
    assert subscribed.wait(10)
    try:
        yield edge
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def metrics() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def listen(house: Any, mosquitto: Any, metrics: CollectorRegistry) -> Iterator[Callable[..., MqttListener]]:
    """A function that starts a listener on the house's intake; all are stopped at the end."""
    started: list[MqttListener] = []
    stats = IngestStats(metrics)

    def start(**more: Any) -> MqttListener:
        listener = MqttListener(house.intake, BrokerAddress.of(mosquitto.url), stats, **more)
        listener.start()
        started.append(listener)
        assert listener.wait_connected(10), listener.state()
        return listener

    yield start
    for listener in started:
        listener.stop()


def test_batch_is_stored_and_receipted(house: Any, mosquitto: Any, listen: Any, payload_of: Any) -> None:
    listen()
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        receipt = edge.receipt("batch-1")
        assert receipt.at is not None
        assert receipt == stamped(Receipt("batch-1", "stored", 2), receipt.at)
        assert receipt.reads == READS
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_bad_input_is_set_aside_and_what_follows_is_stored(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry
) -> None:
    listen()
    future = 4_000_000_000_000
    bad = {
        "undecodable": b"\xff\x00 garbage",
        "too_large": b"x" * (1024 * 1024 + 1),
        "wrong_type": payload_of(batch="wrong-type", rows=[[T0, "12", 1]]),
        "unknown_field": payload_of(batch="field", surprise=1),
        "not_a_number": payload_of(batch="nan", rows=[[T0, NAN, float("inf")]]),
        "duplicate_key": b'{"v":1,"batch":"twice","batch":"twice","sent_at":1,"devices":[]}',
        "in_future": payload_of(batch="future", rows=[[future, 1, 1]]),
        "too_old": payload_of(batch="1970", rows=[[0, 1, 1]]),
        "unknown_device": payload_of(batch="device", device="pump-9"),
        "unknown_point": payload_of(batch="point", points=["colour", "power"]),
        "bad_batch_id": payload_of(batch="a b"),
    }
    with an_edge(mosquitto.url) as edge:
        for payload in bad.values():
            edge.send(payload)
        edge.send(payload_of(batch="agent"), sender="edge-9")
        edge.send(payload_of(batch="enterprise"), enterprise="91350500M00000001X")
        edge.send(payload_of(batch="good", device="gas-1", points=["volume"], rows=[[T0, 42.0]]))
        assert (edge.receipt("good").status, edge.receipt("good").accepted) == ("stored", 1)
        assert edge.receipt("nan").reasons[0].count == 2
        assert edge.receipt("field").status == "rejected"
    assert {reason for reason, _ in house.reasons} == {*bad, "unknown_agent", "unknown_enterprise"}
    kept = {row.reason: row.payload for row in house.batches.set_aside}
    assert kept["undecodable"] == bad["undecodable"]
    assert house.series.rows == {(3, T0): 42.0, (2, T0): 2.0}
    assert metrics.get_sample_value("tanmai_ingest_set_aside_total", {"reason": "in_future"}) == 2
    assert metrics.get_sample_value("tanmai_ingest_queue_messages") == 0


def test_telemetry_of_a_device_is_stored(house: Any, mosquitto: Any, listen: Any) -> None:
    listen()
    with an_edge(mosquitto.url) as edge:
        edge.send(json.dumps({"ts": T0, "values": {"power": 7.5}}).encode(), "telemetry", "incomer-1")
        until(lambda: house.series.rows, "telemetry")
    assert house.series.rows == {(2, T0): 7.5}


def test_status_is_kept_and_a_bad_one_is_dropped(
    house: Any, mosquitto: Any, listen: Any, metrics: CollectorRegistry
) -> None:
    with an_edge(mosquitto.url) as edge:
        edge.send(b'{"online": true, "buffer": 3}', "status")
        listen()
        until(lambda: house.statuses.rows, "retained status")
        edge.send(b"garbage", "status")
        edge.send(b'{"online": false}', "status")
        until(lambda: len(house.statuses.rows) == 2, "second status")
    assert [(row.agent, row.online) for row in house.statuses.rows] == [("edge-1", True), ("edge-1", False)]
    assert metrics.get_sample_value("tanmai_ingest_statuses_total", {"outcome": "dropped"}) == 1


def test_store_away_means_no_receipt_until_it_is_back(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry
) -> None:
    listen()
    house.series.away = True
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        until(lambda: metrics.get_sample_value("tanmai_ingest_store_waits_total"), "a commit put off")
        assert edge.receipts == []
        house.series.away = False
        assert edge.receipt("batch-1").status == "stored"


@pytest.fixture
def held_append(house: Any, monkeypatch: Any) -> Iterator[tuple[threading.Event, threading.Event]]:
    """(a commit has begun, let it go): the first commit waits in the store."""
    begun, go = threading.Event(), threading.Event()
    append = house.series.append

    def hold(readings: Any) -> None:
        begun.set()
        assert go.wait(30)
        append(readings)

    monkeypatch.setattr(house.series, "append", hold)
    yield begun, go
    go.set()


def test_while_one_group_is_committed_the_next_is_read_and_nothing_is_receipted(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry, held_append: Any
) -> None:
    begun, go = held_append
    listen()
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of(batch="first"))
        assert begun.wait(10)
        for number in range(20):
            edge.send(payload_of(batch=f"b{number}", rows=[[T0 + number, 1.0, 2.0]]))

        def taken() -> bool:
            return metrics.get_sample_value("tanmai_ingest_messages_total", {"via": "mqtt"}) == 21

        until(taken, "all messages read beside the commit")
        assert edge.receipts == []
        go.set()
        assert edge.receipt("b19").status == "stored"
        assert edge.receipt("first").status == "stored"
    assert len(house.series.appended) == 2  # what gathered meanwhile is one group
    assert len(house.series.rows) == 40


def test_a_group_whose_connection_was_lost_is_answered_when_it_comes_again(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry, held_append: Any
) -> None:
    begun, go = held_append
    listen()
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        assert begun.wait(10)
        mosquitto.stop()  # it keeps the message, which is not acknowledged
        mosquitto.start()

        def connected_again() -> bool:
            return metrics.get_sample_value("tanmai_ingest_mqtt_connections_total") == 2

        until(connected_again, "a second connection while the commit goes on")
        assert edge.receipts == []
        go.set()
        assert edge.receipt("batch-1").status == "duplicate"
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_messages_sent_while_the_gateway_is_stopped_are_taken_later(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any
) -> None:
    listen().stop()
    with an_edge(mosquitto.url) as edge:
        for number in range(50):
            edge.send(payload_of(batch=f"b{number}", rows=[[T0 + number, number, number]]))
        assert house.series.appended == []
        listen()
        assert edge.receipt("b49").status == "stored"
    assert len(house.series.rows) == 100


def test_unacknowledged_messages_come_again_after_stopping_with_the_store_away(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry
) -> None:
    first = listen()
    house.series.away = True
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        until(lambda: metrics.get_sample_value("tanmai_ingest_store_waits_total"), "a commit put off")
        first.stop()
        house.series.away = False
        listen()
        assert edge.receipt("batch-1").status == "stored"


def test_broker_killed_and_emptied_is_found_again(house: Any, mosquitto: Any, listen: Any, payload_of: Any) -> None:
    listen()
    mosquitto.restart(emptied=True)
    with an_edge(mosquitto.url) as edge:
        # The listener may subscribe after us: as an agent would, send until there is a receipt.
        def receipted() -> bool:
            edge.send(payload_of())
            return bool(edge.receipts)

        until(receipted, "a receipt after the restart")
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_dead_network_thread_is_replaced(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry, monkeypatch: Any
) -> None:
    listener = listen(stall_s=2.0)
    deadly = threading.Event()
    record = house.batches.record

    def die_once(*args: Any) -> None:
        if not deadly.is_set():
            deadly.set()
            raise SystemExit
        record(*args)

    monkeypatch.setattr(house.batches, "record", die_once)
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        assert edge.receipt("batch-1").status == "stored"
    assert metrics.get_sample_value("tanmai_ingest_mqtt_revivals_total") == 1
    assert listener.state().connected


def test_stuck_network_thread_is_replaced(
    house: Any, mosquitto: Any, listen: Any, payload_of: Any, metrics: CollectorRegistry, monkeypatch: Any
) -> None:
    listen(stall_s=1.0)
    release, stuck = threading.Event(), threading.Event()
    append = house.series.append

    def hang_once(readings: Any) -> None:
        if not stuck.is_set():
            stuck.set()
            release.wait(30)
        append(readings)

    monkeypatch.setattr(house.series, "append", hang_once)
    with an_edge(mosquitto.url) as edge:
        edge.send(payload_of())
        assert edge.receipt("batch-1").status in ("stored", "duplicate")
        release.set()
    assert metrics.get_sample_value("tanmai_ingest_mqtt_revivals_total") == 1
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_wrong_password_is_said_and_tried_again(house: Any, start_mosquitto: Any, tmp_path: Any) -> None:
    (tmp_path / "empty").write_text("")
    broker = start_mosquitto(f"allow_anonymous false\npassword_file {tmp_path}/empty")
    address = BrokerAddress.of(f"mqtt://us:s3cret@127.0.0.1:{broker.port}")
    listener = MqttListener(house.intake, address, IngestStats(CollectorRegistry()))
    listener.start()
    try:
        until(lambda: "refuses us" in listener.state().detail, "the refusal")
        assert "s3cret" not in listener.state().detail + repr(address)
    finally:
        listener.stop()


@pytest.mark.parametrize("url", ["http://host", "mqtt://", "host:1883"])
def test_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        BrokerAddress.of(url)
