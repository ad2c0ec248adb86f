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
from gateway.ingest.quotas import BURST_S, NAMES, Held, Quota, Quotas
from gateway.ingest.stats import IngestStats
from gateway.quota_findings import finding_of
from gateway.registry.model import Quota as OwnQuota
from gateway.registry.model import Rates, Registry
from gateway.store.findings_repository import FindingsRepository
from gateway.wiring import build
from tests.gateway.scheduler.plant import PLANT, Plant, open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]

T0 = 1_760_000_000_000
HOUR = 3_600_000
NOW = T0 + HOUR
OWN, OTHER = "91350500M00000000Y", "91350500M000000018"
HELD = Held(12.5, "sender_readings", 10.0)


def wait_s(quotas: Quotas, enterprise: str, sender: str, now_s: float) -> float:
    held = quotas.held(enterprise, sender, now_s)
    return 0.0 if held is None else held.wait_s


def with_quota(registry: Registry, quota: OwnQuota) -> Registry:
    enterprises = registry.enterprises | {OWN: replace(registry.enterprises[OWN], quota=quota)}
    return replace(registry, version=registry.version + 1, enterprises=enterprises)


def test_without_a_quota_nobody_waits() -> None:
    quotas = Quotas(Quota(), Quota())
    quotas.charge(OWN, "edge-1", 10**9, 10**9, 0.0)
    assert not quotas.are_set
    assert wait_s(quotas, OWN, "edge-1", 0.0) == 0


def test_a_full_bucket_lets_a_backlog_through_and_then_the_rate() -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    quotas.charge(OWN, "edge-1", int(10 * BURST_S) + 50, 1, 0.0)
    assert wait_s(quotas, OWN, "edge-1", 0.0) == pytest.approx(5)
    assert wait_s(quotas, OWN, "edge-1", 4.9) > 0
    assert wait_s(quotas, OWN, "edge-1", 5.1) == 0
    assert wait_s(quotas, OWN, "edge-2", 0.0) == 0


def test_an_enterprise_holds_off_all_its_senders_and_no_other_enterprise() -> None:
    quotas = Quotas(Quota(bytes_per_s=100), Quota())
    quotas.charge(OWN, "edge-1", 1, int(100 * BURST_S) + 1000, 0.0)
    assert wait_s(quotas, OWN, "edge-2", 0.0) == pytest.approx(10)
    assert wait_s(quotas, OTHER, "edge-1", 0.0) == 0


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 5000)), min_size=1, max_size=60))
def test_over_time_no_more_passes_than_rate_burst_and_one_message(steps: list[tuple[float, int]]) -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    now_s, passed, largest = 0.0, 0, 0
    for pause_s, readings in steps:
        now_s += pause_s
        if wait_s(quotas, OWN, "edge-1", now_s) == 0:
            quotas.charge(OWN, "edge-1", readings, 1, now_s)
            passed, largest = passed + readings, max(largest, readings)
    assert passed <= 10 * (BURST_S + now_s) + largest + 1e-6


def test_it_is_told_once_an_hour() -> None:
    told: list[tuple[str, str, int, Held]] = []
    quotas = Quotas(Quota(), Quota(readings_per_s=1), lambda *who: told.append(who))
    for at_ms in (NOW, NOW + 1, NOW + HOUR):
        quotas.exceeded(OWN, "edge-1", HELD, at_ms)
    assert [hour_ms for _, _, hour_ms, _ in told] == [NOW // HOUR * HOUR, NOW // HOUR * HOUR + HOUR]


def test_what_the_registry_says_comes_before_the_settings(registry: Registry) -> None:
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    senders = {"edge-1": Rates(readings_per_s=1), "incomer-1": Rates(readings_per_s=0)}
    quotas.follow(with_quota(registry, OwnQuota(bytes_per_s=100, senders=senders)))
    for sender in ("edge-1", "edge-2", "incomer-1"):
        quotas.charge(OWN, sender, int(10 * BURST_S) + 5, 1, 0.0)
    assert quotas.held(OWN, "edge-1", 0.0) == Held(pytest.approx(545), "sender_readings", 1.0)
    assert quotas.held(OWN, "edge-2", 0.0) == Held(pytest.approx(0.5), "sender_readings", 10)
    assert quotas.held(OWN, "incomer-1", 0.0) is None
    quotas.charge(OWN, "incomer-1", 1, int(100 * BURST_S) + 1000, 0.0)
    assert quotas.held(OWN, "incomer-1", 0.0) == Held(pytest.approx(10.03), "enterprise_bytes", 100)
    assert quotas.held(OTHER, "edge-1", 0.0) is None


def test_a_quota_that_changes_begins_full_and_the_others_stay_as_they_are(registry: Registry) -> None:
    quotas = Quotas(Quota(), Quota())
    assert not quotas.are_set
    first = with_quota(registry, OwnQuota(senders={"edge-1": Rates(1), "edge-2": Rates(1)}))
    quotas.follow(first)
    assert quotas.are_set
    for sender in ("edge-1", "edge-2"):
        quotas.charge(OWN, sender, 100, 1, 0.0)
    quotas.follow(with_quota(registry, OwnQuota(senders={"edge-1": Rates(2), "edge-2": Rates(1)})))
    assert quotas.held(OWN, "edge-1", 0.0) is None
    assert quotas.held(OWN, "edge-2", 0.0) == Held(pytest.approx(40), "sender_readings", 1)
    quotas.follow(registry)
    assert not quotas.are_set and quotas.held(OWN, "edge-2", 0.0) is None


def test_every_quota_has_words_for_its_finding() -> None:
    for name in NAMES:
        found = finding_of(OWN, "edge-1", NOW, Held(1.0, name, 1234.5))
        assert "1234.5" in found.en and "1234.5" in found.zh


def test_a_quota_in_the_registry_holds_off_what_comes_over_mqtt(house: Any, registry: Any, payload_of: Any) -> None:
    tight = with_quota(registry, OwnQuota(senders={"edge-1": Rates(readings_per_s=0.02)}))
    house.intake = replace(house.intake, registry=lambda: tight)
    pending = Pending(house.intake, IngestStats(CollectorRegistry()))
    answers = []
    for batch in ("a", "b"):
        pending.add(Message(1, 1, "readings", b"receipts", Arrival(OWN, "edge-1", payload_of(batch=batch))))
        answers += [one.receipt for one in pending.commit(NOW, 0.0)]
    assert [None if receipt is None else receipt.status for receipt in answers] == ["stored", None]


@pytest.fixture
def tight(house: Any) -> Any:
    """The house with a quota of ten readings a second for each sender, used up by edge-1 and the meter incomer-1."""
    quotas = Quotas(Quota(), Quota(readings_per_s=10))
    for sender in ("edge-1", "incomer-1"):
        quotas.charge(OWN, sender, int(10 * BURST_S) + 1000, 1, 0.0)
    house.intake = replace(house.intake, quotas=quotas)
    return house


MQTT = {"via": "mqtt", "quota": "sender_readings"}


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
    assert metrics.get_sample_value("tanmai_ingest_over_quota_total", MQTT) == 1
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
    problem = answer.get_json(force=True)
    assert problem["type"] == "urn:tanmai:problem:over-quota"
    assert "sender_readings, 2 a second" in problem["detail"]
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
                quotas.exceeded(enterprise, "edge-1", HELD, at_ms)
        (found,) = FindingsRepository(house.engine).page(PLANT, 10)
        assert (found.finding.name, found.finding.subject) == ("ingest.over_quota", "edge-1")
        assert found.finding.values == {"sender": "edge-1", "quota": "sender_readings", "limit_per_s": 10.0}
        assert "10 readings a second of this sender" in found.finding.en
    finally:
        house.close()
