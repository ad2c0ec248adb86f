"""A device's quota: what is beyond it is set aside, its neighbours and its history lose nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.errors import StoreUnavailable
from collectors.reading import Batch, DeviceBlock
from gateway.ingest.accept import accept_batches
from gateway.ingest.again import PARTS, REPLAYABLE
from gateway.ingest.columns import cells_of
from gateway.ingest.device_quotas import DeviceQuotas
from gateway.ingest.directory import Directory
from gateway.ingest.intake import Arrival
from gateway.ingest.quotas import DEVICE, Held
from gateway.quota_findings import DEVICE_NAME, finding_of
from gateway.registry.model import DeviceRate, Registry
from gateway.registry.model import Quota as OwnQuota
from tests.gateway.ingest.conftest import a_registry

OWN, OTHER = "91350500M00000000Y", "91350500M000000018"
MINUTE = 60_000
T0 = 1_760_000_040_000  # a full minute
NOW = T0 + 3_600_000
Told = list[tuple[str, str, int, Held]]


def with_rates(registry: Registry, **rates: float) -> Registry:
    devices = {device.replace("_", "-"): DeviceRate(rate) for device, rate in rates.items()}
    own = replace(registry.enterprises[OWN], quota=OwnQuota(devices=devices))
    return replace(registry, version=registry.version + 1, enterprises=registry.enterprises | {OWN: own})


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def limited(house: Any, told: Told) -> Any:
    """The house where incomer-1 may bring six readings a minute, whoever sends them."""
    registry = with_rates(house.intake.registry(), incomer_1=0.1)
    quotas = DeviceQuotas(0.0, lambda *who: told.append(who))
    house.intake = replace(house.intake, registry=lambda: registry, device_quotas=quotas)
    return house


def batch(name: str, *blocks: tuple[str, Sequence[str], list[list[float]]]) -> Arrival:
    devices = [{"device": device, "points": points, "rows": rows} for device, points, rows in blocks]
    return Arrival(OWN, "edge-1", json.dumps({"v": 1, "batch": name, "sent_at": T0, "devices": devices}).encode())


def rows(first_ms: int, count: int, step_ms: int = 1_000, values: int = 2) -> list[list[float]]:
    return [[first_ms + number * step_ms, *([float(number)] * values)] for number in range(count)]


BOTH = ("energy_import", "power")


def test_what_is_beyond_is_set_aside_and_the_agents_other_devices_lose_nothing(limited: Any, told: Told) -> None:
    chatty, calm = ("incomer-1", BOTH, rows(T0, 5)), ("gas-1", ("volume",), rows(T0, 20, values=1))
    (receipt,) = accept_batches([batch("a", chatty, calm)], limited.intake, NOW)
    assert (receipt.status, receipt.accepted, receipt.set_aside) == ("stored", 6 + 20, 4)
    assert limited.reasons == [("over_quota", 4)]
    (row,) = limited.batches.set_aside
    kept = json.loads(row.payload)["devices"][0]
    assert [at for at, *_ in kept["rows"]] == [T0 + 3_000, T0 + 4_000]
    assert "set-aside replay --reason over_quota" in row.detail
    assert [(who[0], who[1], who[3]) for who in told] == [(OWN, "incomer-1", Held(0.0, DEVICE, 0.1))]


def test_history_of_hours_passes_at_once_where_each_minute_is_within(limited: Any) -> None:
    history = [batch(f"h{hour}", ("incomer-1", BOTH, rows(T0 - hour * MINUTE, 3, 10_000))) for hour in range(200)]
    receipts = accept_batches(history, limited.intake, NOW)
    assert sum(receipt.accepted for receipt in receipts) == 200 * 6
    assert limited.reasons == []


def test_a_minute_is_counted_over_messages_and_repetitions_are_not(limited: Any) -> None:
    first, more = batch("a", ("incomer-1", BOTH, rows(T0, 2))), batch("b", ("incomer-1", BOTH, rows(T0 + 9_000, 2)))
    for arrivals, accepted in (([first], [4]), ([first], [4]), ([more], [2]), ([more, first], [2, 4])):
        assert [one.accepted for one in accept_batches(arrivals, limited.intake, NOW)] == accepted
    assert limited.reasons == [("over_quota", 2)]


def test_what_was_not_stored_is_not_counted(limited: Any) -> None:
    arrival = batch("a", ("incomer-1", BOTH, rows(T0, 3)))
    for part in (limited.series, limited.batches):
        part.away = True
        with pytest.raises(StoreUnavailable):
            accept_batches([arrival], limited.intake, NOW)
        part.away = False
    assert accept_batches([arrival], limited.intake, NOW)[0].accepted == 6


def test_what_is_taken_in_again_is_not_asked(limited: Any) -> None:
    accept_batches([batch("a", ("incomer-1", BOTH, rows(T0, 5)))], limited.intake, NOW)
    (row,) = limited.batches.set_aside
    assert row.reason in REPLAYABLE and row.reason in PARTS
    (receipt,) = accept_batches([Arrival(OWN, "edge-1", row.payload, again="again-1")], limited.intake, NOW)
    assert (receipt.accepted, receipt.set_aside) == (4, 0)


def test_telemetry_of_a_device_is_counted_the_same(limited: Any) -> None:
    payloads = [json.dumps({"ts": T0 + second, "values": {"power": 1.5}}).encode() for second in range(8)]
    accept_batches([Arrival(OWN, "incomer-1", one, "telemetry") for one in payloads], limited.intake, NOW)
    assert limited.reasons == [("over_quota", 1)] * 2


def test_the_registry_comes_before_the_setting_and_without_either_nothing_is_asked(registry: Registry) -> None:
    assert not DeviceQuotas().follow(registry)
    quotas = DeviceQuotas(0.05)
    assert quotas.follow(with_rates(registry, incomer_1=0.0))
    passing = {
        (enterprise, device): int((~weighed.beyond).sum()) if (weighed := weigh(quotas, enterprise, device)) else 10
        for enterprise, device in ((OWN, "incomer-1"), (OWN, "gas-1"), (OTHER, "incomer-1"))
    }
    assert passing == {(OWN, "incomer-1"): 10, (OWN, "gas-1"): 3, (OTHER, "incomer-1"): 3}


def weigh(quotas: DeviceQuotas, enterprise: str, device: str, at_ms: Sequence[int] = range(T0, T0 + 10)) -> Any:
    point = {"incomer-1": "power", "gas-1": "volume"}[device]
    block = DeviceBlock.of(device, (point,), np.array(at_ms, np.int64), np.ones((len(at_ms), 1)), None)
    cells = cells_of([(enterprise, Batch("a", T0, (block,)))], Directory(a_registry()))
    return quotas.weigh(cells, [enterprise], np.ones(len(at_ms), dtype=np.bool_))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5 * MINUTE), max_size=40), max_size=8), st.sampled_from([0.05, 0.1, 0.5]))
def test_of_every_minute_just_as_many_pass_as_one_by_one(groups: list[list[int]], rate: float) -> None:
    quotas, naive = DeviceQuotas(rate), dict[int, int]()
    for group in groups:
        times = [T0 + offset for offset in group]
        expected = []
        for at_ms in times:
            naive[at_ms // MINUTE] = naive.get(at_ms // MINUTE, 0) + 1
            expected.append(naive[at_ms // MINUTE] > rate * 60)
        weighed = weigh(quotas, OWN, "gas-1", times)
        assert ([] if weighed is None else weighed.beyond.tolist()) == expected
        if weighed is not None:
            quotas.count(weighed, NOW)


def test_the_finding_names_device_and_rate(registry: Registry, told: Told) -> None:
    found = finding_of(OWN, "incomer-1", NOW, Held(0.0, DEVICE, 0.1))
    assert (found.name, found.subject) == (DEVICE_NAME, "incomer-1")
    assert "0.1 readings a second" not in found.zh and "0.1" in found.zh and "quota of 0.1 a second" in found.en
    quotas = DeviceQuotas(0.05, lambda *who: told.append(who))
    for at_ms in (NOW, NOW + 1, NOW + 3_600_000):
        quotas.count(weigh(quotas, OWN, "gas-1"), at_ms)
    assert len(told) == 2  # once an hour


def test_more_minutes_than_are_remembered_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ingest.device_quotas.MAX_MINUTES", 2)
    quotas = DeviceQuotas(0.05)
    for minute in (0, 1, 2):
        quotas.count(weigh(quotas, OWN, "gas-1", [T0 + minute * MINUTE] * 3), NOW)
    weighed = [weigh(quotas, OWN, "gas-1", [T0 + minute * MINUTE]) for minute in (0, 1, 2)]
    assert [int(one.beyond.sum()) for one in weighed] == [0, 1, 1]
