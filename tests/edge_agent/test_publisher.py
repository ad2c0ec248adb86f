"""The line against a real broker: receipts, refusals, broken connections, last will."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collectors.wire import Receipt, encode_receipt
from edge_agent import connection as connection_module
from edge_agent import mqtt_link as link_module
from edge_agent import publisher as publisher_module
from edge_agent.connection import Connection
from edge_agent.health import last_will, offline
from edge_agent.publisher import MqttPublisher

pytestmark = pytest.mark.real("mosquitto")
Until = Callable[..., None]
READINGS, RECEIPTS, STATUS = (f"tanmai/v1/acme/edge-1/{leaf}" for leaf in ("readings", "receipts", "status"))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MqttPublisher]]:
    """A function that starts a publisher; all are closed at the end."""
    monkeypatch.setattr(connection_module, "FIRST_RECONNECT_S", 0.05)
    opened: list[MqttPublisher] = []

    def start(url: str, **credentials: str) -> MqttPublisher:
        publisher = MqttPublisher(Connection(url, "acme", "edge-1", **credentials), last_will(), lambda: None)
        opened.append(publisher)
        publisher.start()
        return publisher

    yield start
    for publisher in opened:
        publisher.close(offline("stopped"))


def test_batches_go_out_and_receipts_come_back(mosquitto: Any, connect: Any, gateway: Any, until: Until) -> None:
    other_side = gateway(mosquitto.url)
    publisher = connect(mosquitto.url)
    until(lambda: publisher.connected)
    assert publisher.problem == ""
    assert publisher.send(b"a batch")
    until(lambda: other_side.payloads == [b"a batch"])
    receipt = Receipt("01A", "stored", 3)
    other_side.publish(RECEIPTS, b"not a receipt")
    other_side.publish(RECEIPTS, encode_receipt(receipt))
    received: list[Receipt] = []
    until(lambda: received.extend(publisher.take_receipts()) or received == [receipt])
    assert publisher.dropped_receipts == 1
    assert publisher.connected


def test_too_many_receipts_are_dropped_counted_and_harmless(
    mosquitto: Any, connect: Any, gateway: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "MAX_RECEIPTS", 5)
    publisher = connect(mosquitto.url)
    other_side = gateway(mosquitto.url)
    until(lambda: publisher.connected)
    for number in range(12):
        other_side.publish(RECEIPTS, encode_receipt(Receipt(f"01A{number}", "stored")))
    until(lambda: publisher.dropped_receipts == 7)
    assert [receipt.batch for receipt in publisher.take_receipts()] == [f"01A{number}" for number in range(5)]


def test_without_a_broker_sending_is_refused_and_the_reason_said(connect: Any, free_port: Any, until: Until) -> None:
    publisher = connect(f"mqtt://127.0.0.1:{free_port()}")
    until(lambda: "cannot reach" in publisher.problem)
    assert not publisher.send(b"a batch")
    assert not publisher.connected


def test_connection_comes_back_after_the_broker_was_killed(mosquitto: Any, connect: Any, until: Until) -> None:
    publisher = connect(mosquitto.url)
    until(lambda: publisher.connections == 1)
    mosquitto.kill()
    until(lambda: not publisher.connected)
    assert not publisher.send(b"a batch")
    mosquitto.start()
    until(lambda: publisher.connections == 2)
    assert publisher.send(b"a batch")


def test_wrong_password_is_said_in_words(start_mosquitto: Any, connect: Any, until: Until, tmp_path: Any) -> None:
    (tmp_path / "passwords").write_text("")
    broker = start_mosquitto(extra=f"allow_anonymous false\npassword_file {tmp_path}/passwords")
    publisher = connect(broker.url, username="acme/edge-1", password="wrong")
    until(lambda: "refuses us" in publisher.problem)
    assert "password" in publisher.problem
    assert "wrong" not in publisher.problem


def test_subscription_that_is_refused_is_no_connection(connect: Any, until: Until) -> None:
    def refuse(server: socket.socket) -> None:
        """A broker of few words: takes the connection (CONNACK 0), refuses the subscription (SUBACK 0x80)."""
        stream, _ = server.accept()
        with stream:
            stream.recv(1024)
            stream.sendall(bytes([0x20, 2, 0, 0]))
            subscribe = stream.recv(1024)
            stream.sendall(bytes([0x90, 3, *subscribe[2:4], 0x80]))
            stream.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = threading.Thread(target=refuse, args=(server,))
        broker.start()
        publisher = connect(f"mqtt://127.0.0.1:{server.getsockname()[1]}", version="3.1.1")
        until(lambda: "access rules" in publisher.problem)
        assert publisher.connections == 0
        broker.join()


def test_broker_that_never_answers_is_given_up(connect: Any, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WELCOME_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = connect(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        until(lambda: "does not answer" in publisher.problem)
        assert not publisher.send(b"a batch")


def test_last_will_says_offline_and_farewell_says_stopped(
    mosquitto: Any, connect: Any, gateway: Any, until: Until
) -> None:
    publisher = connect(mosquitto.url)
    until(lambda: publisher.connected)
    assert publisher.send_status(b'{"online": true}')
    other_side = gateway(mosquitto.url)
    until(lambda: other_side.statuses == [b'{"online": true}'])  # retained: it came before we listened
    impostor = connect(mosquitto.url)  # the same client id: the broker throws the first one out
    until(lambda: other_side.statuses[-1] == last_will())
    publisher.close(offline("first"))
    until(lambda: impostor.connected)
    impostor.close(offline("second"))
    until(lambda: json.loads(other_side.statuses[-1]).get("reason") == "second")


def test_network_thread_that_died_is_noticed_and_replaced(
    mosquitto: Any, connect: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = connect(mosquitto.url)
    until(lambda: publisher.connected)
    client = publisher._link._client
    monkeypatch.setattr(client, "_thread_terminate", True)  # paho's thread ends; the socket stays open
    until(lambda: publisher.connections == 2)


def test_defect_in_the_mqtt_client_does_not_end_the_supervisor(
    mosquitto: Any, connect: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise AttributeError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(link_module.mqtt.Client, "loop_start", fail)
        publisher = connect(mosquitto.url)
        until(lambda: "AttributeError: planted" in publisher.problem)
    until(lambda: publisher.connected)


def test_close_comes_back_even_without_a_broker(connect: Any, free_port: Any) -> None:
    publisher = connect(f"mqtt://127.0.0.1:{free_port()}")
    closing = threading.Thread(target=publisher.close, args=(offline("stopped"),), daemon=True)
    closing.start()
    closing.join(timeout=30)
    assert not closing.is_alive()


def test_batch_that_the_broker_finds_too_large_holds_nobody_up(
    start_mosquitto: Any, connect: Any, gateway: Any, until: Until
) -> None:
    broker = start_mosquitto(extra="allow_anonymous true\nmax_packet_size 3000")
    other_side = gateway(broker.url)
    publisher = connect(broker.url)
    until(lambda: publisher.connected)
    assert publisher.send(b"x" * 3000)
    assert publisher.send(b"a batch")
    until(lambda: other_side.payloads == [b"a batch"])
    assert publisher.connections == 1  # on MQTT 3.1.1 the broker would have ended the connection
    assert publisher.details.oversized_batches == 1


def test_message_that_the_broker_refuses_is_counted_and_said(
    start_mosquitto: Any, connect: Any, until: Until, tmp_path: Any
) -> None:
    (tmp_path / "acl").write_text("topic read tanmai/v1/acme/edge-1/receipts\n")
    broker = start_mosquitto(extra=f"allow_anonymous true\nacl_file {tmp_path}/acl")
    publisher = connect(broker.url)
    until(lambda: publisher.connected)
    assert publisher.send(b"a batch")
    until(lambda: publisher.details.refused_messages == 1)
    until(lambda: publisher.connected)  # mosquitto 2.0.11 ends the connection after a refusal
    assert "check its rules" in publisher.details.warning
