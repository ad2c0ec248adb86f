"""The table of results: how each kind of message ends, one row each, over MQTT and over HTTP alike.

A row: what came before, the message, its receipt's status, readings accepted, and what was set aside for what.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from flask import Flask, g
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client import CollectorRegistry

from collectors.wire import Receipt, decode_receipt
from gateway.broker.address import BrokerAddress
from gateway.ingest.checks import CHECKS
from gateway.ingest.http_intake import http_intake
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats

T0 = 1_760_000_000_000
HOUR = 3_600_000
NOW = T0 + HOUR
OWN, OTHER = "91350500M00000000Y", "91350500M000000018"
ORDINARY = ("energy_import", "power")


def message(*rows: Sequence[Any], batch: str = "b", device: str = "incomer-1", points: Any = ORDINARY) -> bytes:
    block = {"device": device, "points": points, "rows": rows}
    return json.dumps({"v": 1, "batch": batch, "sent_at": T0, "devices": [block]}).encode()


GOOD = message([T0, 1.0, 2.0])


@dataclass(frozen=True)
class Row:
    sent: bytes
    status: str
    accepted: int = 0
    aside: dict[str, int] = field(default_factory=dict)
    before: tuple[bytes, ...] = ()
    sender: str = f"{OWN}/edge-1"
    leaf: str = "readings"
    stored: dict[tuple[int, int], float] | None = None  # (point, time) -> value in the end; None = not looked at
    http_sender: str = ""  # the credential, where it is not the sender


RESULTS: dict[str, Row] = {
    "on time": Row(GOOD, "stored", 2, stored={(1, T0): 1.0, (2, T0): 2.0}),
    "late by months": Row(message([T0 - 5000 * HOUR, 1.0, 2.0]), "stored", 2),
    "late, into hours that have newer readings": Row(
        message([T0 - HOUR, 0.5, None], batch="late"),
        "stored",
        1,
        before=(GOOD,),
        stored={(1, T0): 1.0, (2, T0): 2.0, (1, T0 - HOUR): 0.5},
    ),
    "early, within the tolerance": Row(message([NOW + 600_000, 1.0, 2.0]), "stored", 2),
    "early, beyond the tolerance": Row(message([NOW + 600_001, 1.0, 2.0]), "stored", 0, {"in_future": 2}),
    "before anybody had our meters": Row(message([0, 1.0, 2.0]), "stored", 0, {"too_old": 2}),
    "duplicate": Row(GOOD, "duplicate", 2, before=(GOOD,), stored={(1, T0): 1.0, (2, T0): 2.0}),
    "duplicate of a partly bad one": Row(
        message([T0, 1.0, 2.0], [0, 1.0, 2.0]),
        "duplicate",
        2,
        {"too_old": 2},
        before=(message([T0, 1.0, 2.0], [0, 1.0, 2.0]),),
    ),
    "duplicate, spelled and sent otherwise": Row(
        GOOD.replace(b'"sent_at": 1760000000000', b'"sent_at":5').replace(b"1.0", b"1"), "duplicate", 2, before=(GOOD,)
    ),
    "conflicting": Row(
        message([T0, 7.0, 7.0]),
        "conflict",
        0,
        {"conflict": 2},
        before=(GOOD,),
        stored={(1, T0): 1.0, (2, T0): 2.0},
    ),
    "the same readings under another id": Row(
        message([T0, 1.0, 2.0], batch="other"), "stored", 2, before=(GOOD,), stored={(1, T0): 1.0, (2, T0): 2.0}
    ),
    "a correction under another id": Row(
        message([T0, 1.5, None], batch="other"), "stored", 1, before=(GOOD,), stored={(1, T0): 1.5, (2, T0): 2.0}
    ),
    "reordered: the newer came first": Row(
        message([T0, 1.0, 2.0], batch="b1"),
        "stored",
        2,
        before=(message([T0 + 1000, 3.0, 4.0], batch="b2"),),
        stored={(1, T0): 1.0, (2, T0): 2.0, (1, T0 + 1000): 3.0, (2, T0 + 1000): 4.0},
    ),
    "rows out of order in one batch": Row(message([T0 + 1, 3.0, 4.0], [T0, 1.0, 2.0]), "stored", 4),
    "not available": Row(message([T0, None, None]), "stored", 0, stored={}),
    "partly not available": Row(message([T0, 1.0, None]), "stored", 1, stored={(1, T0): 1.0}),
    "partly bad: a cell": Row(message([T0, 1.0, "x"]), "stored", 1, {"wrong_type": 1}, stored={(1, T0): 1.0}),
    "partly bad: not a number": Row(message([T0, 1.0, float("nan")]), "stored", 1, {"not_a_number": 1}),
    "partly bad: a row": Row(message([T0, 1.0], [T0 + 1, 1.0, 2.0]), "stored", 2, {"wrong_length": 1}),
    "partly bad: a point": Row(
        message([T0, 1.0, 2.0], points=("power", "colour")), "stored", 1, {"unknown_point": 1}, stored={(2, T0): 1.0}
    ),
    "partly bad: a time": Row(
        message([T0, 1.0, 2.0], [NOW + HOUR, 1.0, 2.0], [0, 1.0, 2.0]), "stored", 2, {"in_future": 2, "too_old": 2}
    ),
    "a device nobody registered": Row(message([T0, 1.0, 2.0], device="pump"), "stored", 0, {"unknown_device": 2}),
    "empty": Row(message(), "stored", 0, stored={}),
    "no JSON": Row(b"\xff garbage", "rejected", 0, {"undecodable": 1}),
    "too large": Row(b"x" * (1024 * 1024 + 1), "rejected", 0, {"too_large": 1}),
    "an unknown key": Row(GOOD.replace(b'"v": 1', b'"v": 1, "x": 1'), "rejected", 0, {"unknown_field": 1}),
    "another version": Row(GOOD.replace(b'"v": 1', b'"v": 2'), "rejected", 0, {"unknown_version": 1}),
    "a key twice": Row(GOOD.replace(b'"v": 1', b'"v": 1, "v": 1'), "rejected", 0, {"duplicate_key": 1}),
    "a bad id": Row(message([T0, 1.0, 2.0], batch="a b"), "rejected", 0, {"bad_batch_id": 1}),
    "an enterprise nobody registered": Row(GOOD, "rejected", 0, {"unknown_enterprise": 1}, sender="nobody/edge-1"),
    "an agent nobody registered": Row(GOOD, "rejected", 0, {"unknown_agent": 1}, sender=f"{OWN}/edge-9"),
}
# The broker binds a topic to its credential: only over HTTP can a message claim to be somebody else's.
HTTP_ONLY = {
    "somebody else's": Row(
        GOOD, "rejected", 0, {"other_enterprise": 1}, sender=f"{OTHER}/edge-1", http_sender=f"{OWN}/edge-1"
    )
}

Send = Callable[[Row, bytes], Receipt]


@dataclass(frozen=True)
class Who:
    subject: str
    role: str = "device"


@pytest.fixture
def over_http(house: Any) -> Send:
    app = Flask("named-results")
    who: list[str] = []

    @app.before_request
    def _authenticate() -> None:
        g.principal = Who(who[-1])

    stats = IngestStats(CollectorRegistry())
    app.register_blueprint(http_intake(house.intake, stats, now_ms=lambda: NOW))

    def send(row: Row, payload: bytes) -> Receipt:
        who.append(row.http_sender or row.sender)
        answer = app.test_client().post(f"/api/v1/readings?sender={row.sender}", data=payload)
        assert answer.status_code == 200, answer.text
        (receipt,) = answer.get_json()["receipts"]
        return decode_receipt(json.dumps(receipt).encode())

    return send


@pytest.fixture
def over_mqtt(house: Any, mosquitto: Any) -> Iterator[Send]:
    heard: list[Receipt] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "agent")
    client.on_message = lambda _c, _d, one: heard.append(decode_receipt(one.payload))
    listening: list[bool] = []
    client.on_subscribe = lambda *_: listening.append(True)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    client.subscribe("tanmai/v1/+/+/receipts", 1)
    stats = IngestStats(CollectorRegistry())
    listener = MqttListener(house.intake, BrokerAddress.of(mosquitto.url), stats, now_ms=lambda: NOW)
    listener.start()
    assert listener.wait_connected(20), listener.state()
    until(lambda: bool(listening), "the subscription to receipts")

    def send(row: Row, payload: bytes) -> Receipt:
        expected = len(heard) + 1
        client.publish(f"tanmai/v1/{row.sender}/{row.leaf}", payload, qos=1)
        until(lambda: len(heard) >= expected, "the receipt")
        return heard[-1]

    yield send
    listener.stop()
    client.disconnect()
    client.loop_stop()


def until(condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.005)


def check(house: Any, row: Row, send: Send) -> None:
    for payload in row.before:
        assert send(row, payload).status == "stored"
    receipt = send(row, row.sent)
    assert (receipt.status, receipt.accepted) == (row.status, row.accepted)
    assert {one.reason: one.count for one in receipt.reasons} == row.aside
    assert receipt.set_aside == sum(row.aside.values())
    totals: dict[str, int] = {}
    for reason, count in house.reasons:
        totals[reason] = totals.get(reason, 0) + count
    assert totals == row.aside  # once, also for what came twice
    if row.stored is not None:
        assert house.series.rows == row.stored


@pytest.mark.parametrize("name", [*RESULTS, *HTTP_ONLY])
def test_over_http_each_ends_as_the_table_says(name: str, house: Any, over_http: Send) -> None:
    check(house, (RESULTS | HTTP_ONLY)[name], over_http)


@pytest.mark.real("mosquitto")
@pytest.mark.parametrize("name", RESULTS)
def test_over_mqtt_each_ends_as_the_table_says(name: str, house: Any, over_mqtt: Send) -> None:
    check(house, RESULTS[name], over_mqtt)


def test_every_check_of_ingest_has_a_row() -> None:
    met = {reason for row in (RESULTS | HTTP_ONLY).values() for reason in row.aside}
    assert len(CHECKS) > 5
    of_seals = {"unsigned", "unknown_key", "expired_key", "bad_signature"}  # in test_signatures
    assert {check.reason for check in CHECKS} - of_seals <= met
