"""Bad input over HTTP and MQTT: a clear reason on the receipt and in `ingest set-aside list`, nothing else lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest

from collectors.clock import now_ms
from collectors.wire import MAX_PAYLOAD_BYTES, REASONS
from tests.system.small_park import AGENT, FOREIGN, NEIGHBOUR, PLANT, Gateway, until

pytestmark = pytest.mark.xdist_group("system-bad-input")

STEP_MS = 1000
YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Case:
    """`payload(batch id, time)`; what becomes of it; and how many of its readings are good."""

    payload: Callable[[str, int], str | bytes]
    status: str
    reason: str  # "" = nothing is wrong with it
    accepted: int = 0


def batch(batch_id: str, at_ms: int, **changed: Any) -> str:
    """Two good readings, at `at_ms` and a second later, with some keys changed."""
    device = {
        "device": "line-2",
        "points": ["energy_import"],
        "rows": [[at_ms, at_ms / 1e6], [at_ms + STEP_MS, at_ms / 1e6]],
    }
    whole = {"v": 1, "batch": batch_id, "sent_at": at_ms, "devices": [device]}
    return json.dumps({**whole, "devices": [{**device, **changed.pop("device", {})}], **changed})


def rows(*given: list[Any]) -> dict[str, Any]:
    return {"device": {"rows": list(given)}}


CASES: dict[str, Case] = {
    "good": Case(batch, "stored", "", 2),
    "undecodable": Case(lambda name, at_ms: b"\xff\x00 no json", "rejected", "undecodable"),
    "cut off": Case(lambda name, at_ms: batch(name, at_ms)[:-9], "rejected", "undecodable"),
    "oversized": Case(
        lambda name, at_ms: batch(name, at_ms) + " " * MAX_PAYLOAD_BYTES, "rejected", "too_large"
    ),
    "no object": Case(lambda name, at_ms: "[1, 2]", "rejected", "wrong_type"),
    "wrong type": Case(lambda name, at_ms: batch(name, at_ms, sent_at="now"), "rejected", "wrong_type"),
    "unknown field": Case(lambda name, at_ms: batch(name, at_ms, colour="red"), "rejected", "unknown_field"),
    "missing field": Case(lambda name, at_ms: json.dumps({"v": 1, "batch": name}), "rejected", "missing_field"),
    "other version": Case(lambda name, at_ms: batch(name, at_ms, v=9), "rejected", "unknown_version"),
    "duplicate key": Case(
        lambda name, at_ms: batch(name, at_ms).replace('"v": 1', '"v": 1, "v": 1'), "rejected", "duplicate_key"
    ),
    "id of nothing": Case(lambda name, at_ms: batch("a b", at_ms), "rejected", "bad_batch_id"),
    "not a number": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, float("nan")], [at_ms + STEP_MS, 1.5])),
        "stored", "not_a_number", 1,
    ),
    "infinite": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, float("-inf")], [at_ms + STEP_MS, 1.5])),
        "stored", "not_a_number", 1,
    ),
    "beyond 64 bits": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, 7], [at_ms + STEP_MS, 1.5])).replace("7]", "1e999]"),
        "stored", "not_a_number", 1,
    ),
    "text for a value": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, "12"], [at_ms + STEP_MS, 1.5])),
        "stored", "wrong_type", 1,
    ),
    "row too long": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, 1, 2], [at_ms + STEP_MS, 1.5])),
        "stored", "wrong_length", 1,
    ),
    "not available": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([at_ms, None], [at_ms + STEP_MS, 1.5])), "stored", "", 1
    ),
    "future": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([now_ms() + YEAR_MS, 1], [at_ms + STEP_MS, 1.5])),
        "stored", "in_future", 1,
    ),
    "1970": Case(
        lambda name, at_ms: batch(name, at_ms, **rows([1000, 1], [at_ms + STEP_MS, 1.5])), "stored", "too_old", 1
    ),
    "unknown device": Case(
        lambda name, at_ms: batch(name, at_ms, device={"device": "boiler-9"}), "stored", "unknown_device"
    ),
    "unknown point": Case(
        lambda name, at_ms: batch(name, at_ms, device={"points": ["colour"]}), "stored", "unknown_point"
    ),
    "bad quality": Case(
        lambda name, at_ms: batch(name, at_ms, device={"quality": [[7], [0]]}), "stored", "bad_quality", 1
    ),
    "good at the end": Case(batch, "stored", "", 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with ExitStack() as started:
        gateway = Gateway(tmp_path_factory.mktemp("bad") / "park")
        started.callback(gateway.close)
        gateway.start()
        gateway.apply_registry()
        gateway.token("device", AGENT)
        yield gateway


def payloads(prefix: str, start_ms: int) -> dict[str, bytes]:
    """Case -> bytes; every case has its own minute."""
    made = {}
    for number, (name, case) in enumerate(CASES.items()):
        payload = case.payload(f"{prefix}-{number}", start_ms + number * 60_000)
        made[name] = payload if isinstance(payload, bytes) else payload.encode()
    return made


def check_receipts(found: dict[str, dict[str, Any]]) -> None:
    assert len(found) == len(CASES)
    for name, case in CASES.items():
        receipt = found[name]
        assert (receipt["status"], receipt["accepted"]) == (case.status, case.accepted), (name, receipt)
        assert [one["reason"] for one in receipt["reasons"]] == ([case.reason] if case.reason else []), (name, receipt)


def check_stored(gateway: Gateway, start_ms: int) -> None:
    """Exactly the good readings are there."""
    window = range(start_ms, start_ms + len(CASES) * 60_000)
    stored = [item for item in gateway.readings("line-2") if item["at_ms"] in window]
    assert len(stored) == sum(case.accepted for case in CASES.values())


def check_set_aside(gateway: Gateway, prefix: str) -> None:
    """Each bad one is listed with its reason, and its bytes can be had."""
    listed = gateway.operation("set_aside_list", enterprise=PLANT, limit=1000, after=0)["items"]
    wanted = sorted(case.reason for case in CASES.values() if case.reason)
    own = [row for row in listed if row["batch"].startswith(prefix) or not row["batch"]]
    assert set(wanted) == {row["reason"] for row in own}
    assert all(row["detail"] for row in own)
    cut = next(row for row in own if row["reason"] == "unknown_device")
    shown = json.loads(gateway.operation("set_aside_show", id=cut["id"])["payload"])
    assert shown["devices"][0]["device"] == "boiler-9"


def test_over_http_each_gets_its_reason_and_the_good_ones_are_stored(park: Gateway) -> None:
    start_ms = now_ms() - 4 * 3_600_000
    token = park.token("device", AGENT)
    found = {}
    for name, payload in payloads("http", start_ms).items():
        reply = park.post("/api/v1/readings", token, payload)
        assert reply.status == 200, (name, reply.text)
        (found[name],) = reply.json["receipts"]
    check_receipts(found)
    check_stored(park, start_ms)
    check_set_aside(park, "http")


def test_in_one_request_of_lines_a_bad_one_spoils_no_other(park: Gateway) -> None:
    start_ms = now_ms() - 6 * 3_600_000
    made = payloads("lines", start_ms)
    body = gzip.compress(b"\n".join(made.values()))
    reply = park.post(
        "/api/v1/readings",
        park.token("device", AGENT),
        body,
        Content_Type="application/x-ndjson",
        Content_Encoding="gzip",
    )
    check_receipts(dict(zip(made, reply.json["receipts"], strict=True)))
    check_stored(park, start_ms)


def test_over_mqtt_each_gets_its_reason_and_the_good_ones_are_stored(park: Gateway) -> None:
    start_ms = now_ms() - 8 * 3_600_000
    made = payloads("mqtt", start_ms)
    with as_agent(park) as (client, receipts):
        for number, payload in enumerate(made.values()):
            client.publish(f"tanmai/v1/{AGENT}/readings", payload, qos=1)
            until(lambda number=number: len(receipts) > number, "a receipt")
    check_receipts(dict(zip(made, receipts, strict=True)))
    check_stored(park, start_ms)
    check_set_aside(park, "mqtt")


@contextmanager
def as_agent(gateway: Gateway) -> Iterator[tuple[mqtt.Client, list[dict[str, Any]]]]:
    """A client with the agent's own credentials, and the receipts that it is sent."""
    receipts: list[dict[str, Any]] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "a-script")
    client.username_pw_set(AGENT, gateway.token("device", AGENT))
    client.on_message = lambda _client, _data, message: receipts.append(json.loads(message.payload))
    subscribed: list[int] = []
    client.on_subscribe = lambda *_: subscribed.append(1)
    client.on_connect = lambda *_: client.subscribe(f"tanmai/v1/{AGENT}/receipts", 1)
    address = urlsplit(gateway.mqtt)
    client.connect(str(address.hostname), address.port or 1883)
    client.loop_start()
    try:
        until(lambda: subscribed, "the subscription")
        yield client, receipts
    finally:
        client.disconnect()
        client.loop_stop()


def test_nobody_speaks_for_another_enterprise(park: Gateway) -> None:
    at_ms = now_ms() - 10 * 3_600_000
    for other in (NEIGHBOUR, FOREIGN):
        reply = park.post(
            f"/api/v1/readings?sender={other}/edge-1", park.token("device", AGENT), batch("stolen", at_ms).encode()
        )
        (receipt,) = reply.json["receipts"]
        assert (receipt["status"], receipt["reasons"][0]["reason"]) == ("rejected", "other_enterprise")
    own = batch("own", at_ms).encode()
    with as_agent(park) as (client, receipts):
        for topic in (f"{NEIGHBOUR}/edge-1", f"{PLANT}/edge-2", f"{FOREIGN}/edge-1"):
            client.publish(f"tanmai/v1/{topic}/readings", batch("stolen-2", at_ms).replace("line-2", "incomer-1"), 1)
        client.publish(f"tanmai/v1/{AGENT}/readings", own, 1)
        until(lambda: receipts, "the receipt of our own batch")
    assert [(one["batch"], one["status"]) for one in receipts] == [("own", "stored")]
    for enterprise in (NEIGHBOUR, FOREIGN):
        assert park.readings("incomer-1", enterprise=enterprise) == []


def test_the_same_batch_again_is_a_duplicate_and_other_content_a_conflict(park: Gateway) -> None:
    token, at_ms = park.token("device", AGENT), now_ms() - 12 * 3_600_000
    said = [
        park.post("/api/v1/readings", token, payload.encode()).json["receipts"][0]["status"]
        for payload in (batch("b1", at_ms), batch("b1", at_ms), batch("b1", at_ms + 1), batch("b1", at_ms))
    ]
    assert said == ["stored", "duplicate", "conflict", "duplicate"]
    assert len([item for item in park.readings("line-2") if at_ms <= item["at_ms"] <= at_ms + 2000]) == 2


def test_requests_that_are_no_messages_are_refused_as_problems(park: Gateway) -> None:
    token = park.token("device", AGENT)
    bomb = gzip.compress(b" " * (65 * 1024 * 1024))
    refused = {
        "empty": park.post("/api/v1/readings", token, b""),
        "too large": park.post("/api/v1/readings", token, b" " * (17 * 1024 * 1024)),
        "bomb": park.post("/api/v1/readings", token, bomb, Content_Encoding="gzip"),
        "not gzip": park.post("/api/v1/readings", token, b"{}", Content_Encoding="gzip"),
        "unknown packing": park.post("/api/v1/readings", token, b"{}", Content_Encoding="rot13"),
        "anonymous": park.post("/api/v1/readings", "", b"{}"),
        "not a device": park.post("/api/v1/readings", park.token("admin"), b"{}"),
    }
    assert {name: reply.status for name, reply in refused.items()} == {
        "empty": 400, "too large": 413, "bomb": 413, "not gzip": 400, "unknown packing": 415,
        "anonymous": 401, "not a device": 403,
    }  # fmt: skip
    for reply in refused.values():
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert reply.json["detail"]


def test_telemetry_of_an_unregistered_device_is_set_aside_and_the_others_count(park: Gateway) -> None:
    token = park.operation("token_create", role="device", subject=f"{PLANT}/line-2")["token"]
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "a-device")
    client.username_pw_set(f"{PLANT}/line-2", token)
    address = urlsplit(park.mqtt)
    client.connect(str(address.hostname), address.port or 1883)
    client.loop_start()
    at_ms = now_ms() - 14 * 3_600_000
    samples = [{"ts": at_ms, "values": {"energy_import": 5.0, "colour": 1}}, {"ts": at_ms + 1, "values": {"power": 2}}]
    client.publish(f"tanmai/v1/{PLANT}/line-2/telemetry", json.dumps(samples), qos=1).wait_for_publish(30)
    until(lambda: any(item["at_ms"] == at_ms for item in park.readings("line-2")), "the sample in the store")
    client.disconnect()
    client.loop_stop()
    assert any(item["at_ms"] == at_ms + 1 for item in park.readings("line-2", "power"))
    listed = park.operation("set_aside_list", enterprise=PLANT, limit=1000, after=0)["items"]
    assert [row["reason"] for row in listed if row["sender"] == "line-2"] == ["unknown_point"]


def test_the_command_lists_what_was_set_aside_and_shows_its_bytes(park: Gateway) -> None:
    assert park.post("/api/v1/readings", park.token("device", AGENT), b"\xfe no json").status == 200
    said = park.tanmai("ingest", "set-aside", "list", "--enterprise", PLANT, "--limit", "1000")
    assert said.code == 0
    line = [line for line in said.out.splitlines() if "undecodable" in line][-1]
    shown = park.tanmai("ingest", "set-aside", "show", line.split()[0], "--raw")
    assert shown.out.encode(errors="surrogateescape") == b"\xfe no json"
    shown = park.tanmai("ingest", "set-aside", "show", line.split()[0])
    assert "reason: undecodable" in shown.out and "fe 20 6e 6f" in shown.out
    assert "edge-1" in line


def test_every_reason_is_met_here_or_cannot_be_met_from_outside() -> None:
    met = {case.reason for case in CASES.values()} | {"conflict", "other_enterprise", ""}
    elsewhere = {"bad_name", "unknown_enterprise", "unknown_agent", "store_refused", "failed", "over_quota"}
    elsewhere |= {"unsigned", "unknown_key", "expired_key", "bad_signature"}
    assert met - {""} | elsewhere == set(REASONS)
