"""Quotas: who sends too much is held off, loses nothing, and holds nobody else up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, g
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from gateway.ingest.again import REPLAYABLE
from gateway.ingest.http_intake import http_intake
from gateway.ingest.intake import Arrival
from gateway.ingest.pending import Message, Pending
from gateway.ingest.quotas import BURST_S, Quota, Quotas
from gateway.ingest.stats import IngestStats
from gateway.store.findings_repository import FindingsRepository
from gateway.wiring import build
from tests.gateway.scheduler.plant import PLANT, Plant, open_plant, plant, settings

__all__ = ["open_plant", "plant", "settings"]

T0 = 1_760_000_000_000
HOUR = 3_600_000
NOW = T0 + HOUR
OWN, OTHER = "91350500M00000000Y", "91350500M000000018"


def test_without_a_quota_nobody_waits() -> None:
    quotas = Quotas(Quota(), Quota())
    quotas.charge(OWN, "edge-1", 10**9, 10**9, 0.0)
    assert not quotas.are_set
    assert quotas.wait_s(OWN, "edge-1", 0.0) == 0


def test_a_full_bucket_lets_a_backlog_through_and_then_the_rate() -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    quotas.charge(OWN, "edge-1", int(10 * BURST_S) + 50, 1, 0.0)
    assert quotas.wait_s(OWN, "edge-1", 0.0) == pytest.approx(5)
    assert quotas.wait_s(OWN, "edge-1", 4.9) > 0
    assert quotas.wait_s(OWN, "edge-1", 5.1) == 0
    assert quotas.wait_s(OWN, "edge-2", 0.0) == 0


def test_an_enterprise_holds_off_all_its_senders_and_no_other_enterprise() -> None:
    quotas = Quotas(Quota(bytes_per_s=100), Quota())
    quotas.charge(OWN, "edge-1", 1, int(100 * BURST_S) + 1000, 0.0)
    assert quotas.wait_s(OWN, "edge-2", 0.0) == pytest.approx(10)
    assert quotas.wait_s(OTHER, "edge-1", 0.0) == 0


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 5000)), min_size=1, max_size=60))
def test_over_time_no_more_passes_than_rate_burst_and_one_message(steps: list[tuple[float, int]]) -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    now_s, passed, largest = 0.0, 0, 0
    for pause_s, readings in steps:
        now_s += pause_s
        if quotas.wait_s(OWN, "edge-1", now_s) == 0:
            quotas.charge(OWN, "edge-1", readings, 1, now_s)
            passed, largest = passed + readings, max(largest, readings)
    assert passed <= 10 * (BURST_S + now_s) + largest + 1e-6


def test_it_is_told_once_an_hour() -> None:
    told: list[tuple[str, str, int]] = []
    quotas = Quotas(Quota(), Quota(readings_per_s=1), lambda *who: told.append(who))
    for at_ms in (NOW, NOW + 1, NOW + HOUR):
        quotas.exceeded(OWN, "edge-1", at_ms)
    assert [hour_ms for _, _, hour_ms in told] == [NOW // HOUR * HOUR, NOW // HOUR * HOUR + HOUR]


@pytest.fixture
def tight(house: Any) -> Any:
    """The house with a quota of ten readings a second for each sender, used up by edge-1 and the meter incomer-1."""
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    for sender in ("edge-1", "incomer-1"):
        quotas.charge(OWN, sender, int(10 * BURST_S) + 1000, 1, 0.0)
    house.intake = replace(house.intake, quotas=quotas)
    return house


def test_over_mqtt_a_batch_waits_without_receipt_and_comes_in_later(tight: Any, payload_of: Any) -> None:
    metrics = CollectorRegistry()
    pending = Pending(tight.intake, IngestStats(metrics))

    def commit(now_s: float) -> dict[str, str]:
        for mid, sender in enumerate(("edge-1", "edge-2"), start=1):
            arrival = Arrival(OWN, sender, payload_of(batch=sender))
            pending.add(Message(mid, 1, "readings", b"receipts", arrival))
        committed = pending.commit(NOW, now_s)
        assert len(committed) == 2 and len(pending) == 0  # the broker need keep neither
        return {one.receipt.batch: one.receipt.status for one in committed if one.receipt is not None}

    assert commit(0.0) == {"edge-2": "stored"}
    assert tight.reasons == []
    assert metrics.get_sample_value("tanmai_ingest_over_quota_total", {"via": "mqtt"}) == 1
    assert commit(200.0) == {"edge-1": "stored", "edge-2": "duplicate"}


def test_over_mqtt_telemetry_is_set_aside_and_can_be_replayed(tight: Any) -> None:
    pending = Pending(tight.intake, IngestStats(CollectorRegistry()))
    payload = json.dumps({"ts": T0, "values": {"power": 1.5}}).encode()
    pending.add(Message(1, 1, "telemetry", b"", Arrival(OWN, "incomer-1", payload, "telemetry")))
    tight.batches.away = True
    assert pending.commit(NOW, 0.0) == []  # nothing is given up before it is kept
    tight.batches.away = False
    assert len(pending.commit(NOW, 31.0)) == 1
    (row,) = tight.batches.set_aside
    assert (row.sender, row.reason, row.payload) == ("incomer-1", "over_quota", payload)
    assert row.reason in REPLAYABLE


def test_over_http_it_is_429_with_the_time_to_wait(
    house: Any, payload_of: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=2))
    house.intake = replace(house.intake, quotas=quotas)
    now_s = [0.0]
    monkeypatch.setattr("gateway.ingest.http_intake.clock.monotonic_s", lambda: now_s[0])
    app = Flask("quotas")

    @app.before_request
    def _authenticate() -> None:
        g.principal = type("Who", (), {"role": "device", "subject": f"{OWN}/edge-1"})()

    app.register_blueprint(http_intake(house.intake, IngestStats(CollectorRegistry()), now_ms=lambda: NOW))
    client = app.test_client()
    rows = [[T0 + number, 1.0, 2.0] for number in range(70)]  # 140 readings: 20 more than a full bucket
    assert client.post("/api/v1/readings", data=payload_of(batch="a", rows=rows)).status_code == 200
    answer = client.post("/api/v1/readings", data=payload_of(batch="b"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert answer.get_json(force=True)["type"] == "urn:tanmai:problem:over-quota"
    now_s[0] = 10.1
    assert client.post("/api/v1/readings", data=payload_of(batch="b")).status_code == 200


def test_the_settings_make_the_quota_and_the_finding_names_the_sender(plant: Plant) -> None:
    plant.house.close()
    house = build(replace(plant.house.settings, quota_readings_per_s=5.0))
    try:
        quotas = house.intake.quotas
        assert quotas.are_set
        for enterprise in (PLANT, "nobody"):
            for at_ms in (NOW, NOW + 1):
                quotas.exceeded(enterprise, "edge-1", at_ms)
        (found,) = FindingsRepository(house.engine).page(PLANT, 10)
        assert (found.finding.name, found.finding.subject) == ("ingest.over_quota", "edge-1")
    finally:
        house.close()
