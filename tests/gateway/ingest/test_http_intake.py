"""POST /api/v1/readings: the same acceptance as over MQTT, with HTTP's own limits."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard
from flask import Flask, g
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from collectors.seals import SIGNATURE_HEADER, SigningKey
from collectors.wire_forms import READS
from gateway.ingest import http_intake as module
from gateway.ingest.http_intake import http_intake
from gateway.ingest.stats import IngestStats

T0 = 1_760_000_000_000
NOW = T0 + 3_600_000
OWN = "91350500M00000000Y"
PATH = "/api/v1/readings"
NDJSON = {"content_type": "application/x-ndjson"}


@dataclass(frozen=True)
class Who:
    role: str
    subject: str


DEVICE = Who("device", f"{OWN}/edge-1")


@pytest.fixture
def client_of(house: Any) -> Callable[..., FlaskClient]:
    """client_of(principal, in_flight=…): a client whose every request is that principal's."""

    def make(principal: Who | None = DEVICE, in_flight: int = 4) -> FlaskClient:
        app = Flask("test")

        @app.before_request
        def identify() -> None:
            g.principal = principal

        stats = IngestStats(CollectorRegistry())
        app.register_blueprint(http_intake(house.intake, stats, in_flight=in_flight, now_ms=lambda: NOW))
        return app.test_client()

    return make


def test_one_batch_is_stored_and_receipted(house: Any, client_of: Any, payload_of: Any) -> None:
    answer = client_of().post(PATH, data=payload_of(), content_type="application/json")
    assert answer.status_code == 200
    receipt = {"batch": "batch-1", "status": "stored", "accepted": 2, "set_aside": 0, "reasons": []}
    assert answer.json == {"receipts": [receipt | {"at": NOW, "reads": list(READS)}]}
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_header_brings_the_signature_of_each_batch(house: Any, client_of: Any, payload_of: Any, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key")
    lines = [payload_of("one"), payload_of("two")]
    texts = [key.sign("batch", OWN, "edge-1", line).text for line in lines]
    answer = client_of().post(PATH, data=b"\n".join(lines), headers={SIGNATURE_HEADER: ", ".join(texts)}, **NDJSON)
    assert [receipt["status"] for receipt in answer.json["receipts"]] == ["stored", "stored"]
    kept = house.batches.batches[OWN, "edge-1", "two"]
    assert (kept.signature, kept.key_id) == ("unknown_key", key.public.key_id)  # nobody registered it


@pytest.mark.parametrize("header", ["", "abc", "a.b", "x" * 43 + "." + "y" * 86])
def test_header_that_is_no_signature_of_each_batch_is_refused(client_of: Any, payload_of: Any, header: str) -> None:
    signed = {SIGNATURE_HEADER: header}
    many = client_of().post(PATH, data=payload_of() + b"\n" + payload_of("b"), headers=signed, **NDJSON)
    assert_problem(many, 400, "wrong-signatures")
    assert_problem(client_of().post(PATH, data=payload_of(), headers=signed), 400, "wrong-signatures")


def test_each_line_of_ndjson_gets_its_receipt_also_a_bad_one(house: Any, client_of: Any, payload_of: Any) -> None:
    lines = [payload_of(batch="a"), b"garbage", b"", payload_of(batch="b"), payload_of(batch="a")]
    answer = client_of().post(PATH, data=b"\n".join(lines), **NDJSON)
    assert answer.status_code == 200
    assert [(one["batch"], one["status"]) for one in answer.json["receipts"]] == [
        ("a", "stored"),
        ("", "rejected"),
        ("b", "stored"),
        ("a", "duplicate"),
    ]
    assert house.reasons == [("undecodable", 1)]
    assert house.batches.set_aside[0].payload == b"garbage"


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
    ],
)
def test_body_may_be_compressed(client_of: Any, payload_of: Any, encoding: str, encode: Any) -> None:
    answer = client_of().post(PATH, data=encode(payload_of()), headers={"Content-Encoding": encoding})
    assert answer.json["receipts"][0]["status"] == "stored"


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_bomb_is_stopped_at_its_bound(client_of: Any, encoding: str, encode: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 1_000_000)
    answer = client_of().post(PATH, data=encode(bytes(50_000_000)), headers={"Content-Encoding": encoding})
    assert_problem(answer, 413, "too-large")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_body_that_is_not_what_it_says_is_refused(client_of: Any, payload_of: Any, encoding: str) -> None:
    answer = client_of().post(PATH, data=payload_of(), headers={"Content-Encoding": encoding})
    assert_problem(answer, 400, "bad-compression")


def test_truncated_gzip_is_refused(client_of: Any, payload_of: Any) -> None:
    answer = client_of().post(PATH, data=gzip.compress(payload_of())[:-12], headers={"Content-Encoding": "gzip"})
    assert_problem(answer, 400, "bad-compression")


def test_unknown_encoding_is_refused(client_of: Any, payload_of: Any) -> None:
    answer = client_of().post(PATH, data=payload_of(), headers={"Content-Encoding": "br"})
    assert_problem(answer, 415, "unsupported-encoding")


def test_the_call_is_in_the_api_description_with_its_answers(client_of: Any) -> None:
    (view,) = [one for name, one in client_of().application.view_functions.items() if name.startswith("readings.")]
    assert {"200", "413", "429", "503"} <= set(view.openapi["responses"])


def test_empty_body_is_refused(client_of: Any) -> None:
    assert_problem(client_of().post(PATH, data=b" \n"), 400, "empty-body")


def test_body_or_number_of_lines_over_the_bound_is_refused(client_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_LINES", 3)
    client = client_of()
    assert_problem(client.post(PATH, data=b"x" * 1001), 413, "too-large")
    assert_problem(client.post(PATH, data=b"x\n" * 4, **NDJSON), 413, "too-large")


@pytest.mark.parametrize(
    ("principal", "status", "name"),
    [
        (None, 401, "unauthorised"),
        (Who("enterprise", OWN), 403, "not-a-device"),
        (Who("admin", ""), 403, "not-a-device"),
        (Who("device", "broken"), 403, "not-a-device"),
    ],
)
def test_only_devices_may_send(client_of: Any, payload_of: Any, principal: Any, status: int, name: str) -> None:
    assert_problem(client_of(principal).post(PATH, data=payload_of()), status, name)


def test_other_enterprise_than_the_tokens_is_rejected_and_set_aside(
    house: Any, client_of: Any, payload_of: Any
) -> None:
    answer = client_of().post(f"{PATH}?sender=91350500M000000018/edge-1", data=payload_of())
    assert answer.json["receipts"][0]["reasons"] == [{"reason": "other_enterprise", "count": 1}]
    assert house.series.appended == []


def test_store_away_is_503_and_nothing_is_receipted(house: Any, client_of: Any, payload_of: Any) -> None:
    house.batches.away = True
    answer = client_of().post(PATH, data=payload_of())
    assert_problem(answer, 503, "store-unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_too_many_requests_at_once_are_sent_away(house: Any, client_of: Any, payload_of: Any, monkeypatch: Any) -> None:
    client = client_of(in_flight=1)
    entered, release = threading.Event(), threading.Event()
    append = house.series.append

    def slowly(readings: Any) -> None:
        entered.set()
        release.wait(10)
        append(readings)

    monkeypatch.setattr(house.series, "append", slowly)
    first: list[Any] = []
    thread = threading.Thread(
        target=lambda: first.append(client.application.test_client().post(PATH, data=payload_of()))
    )
    thread.start()
    assert entered.wait(10)
    answer = client.post(PATH, data=payload_of(batch="second"))
    release.set()
    thread.join()
    assert_problem(answer, 429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) > 0
    assert first[0].status_code == 200
    assert client.post(PATH, data=payload_of(batch="second")).status_code == 200


def assert_problem(answer: Any, status: int, name: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    document = answer.get_json(force=True)
    assert document["type"] == f"urn:tanmai:problem:{name}"
    assert document["status"] == status
    assert document["detail"]
