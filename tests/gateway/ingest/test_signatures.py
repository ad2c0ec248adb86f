"""Promises about signed batches: what is enough, what is set aside and why, and what comes in again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from collectors.seals import SEAL_BYTES, SigningKey, seal
from collectors.wire import Receipt
from gateway.ingest.accept import accept_batches
from gateway.ingest.intake import Arrival, Form, Intake
from gateway.ingest.signatures import SIGNATURE_CHECKS, Signers
from gateway.registry.model import Agent, AgentKey, Enterprise, Registry
from tests.gateway.ingest.conftest import NOW, OTHER, OWN, T0, House, PayloadOf
from tests.gateway.scheduler.plant import PLANT, REGISTRY, Plant, at, open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]

NOON = at("2026-10-05 12:00")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SigningKey]:
    directory = tmp_path_factory.mktemp("keys")
    return {name: SigningKey.make(directory / name) for name in ("own", "old", "strange", "neighbour")}


def with_keys(registry: Registry, keys: dict[str, SigningKey], *, required: bool) -> Registry:
    """Agent edge-1 of OWN signs with `own`, and with `old` until NOW; edge-1 of OTHER with `neighbour`."""
    own = (AgentKey(keys["own"].public.text), AgentKey(keys["old"].public.text, NOW))
    agents = {OWN: own, OTHER: (AgentKey(keys["neighbour"].public.text),)}

    def signing(enterprise: Enterprise) -> Enterprise:
        return dataclasses.replace(
            enterprise,
            agents=(Agent("edge-1", agents[enterprise.id]), Agent("edge-2")),
            require_signed_batches=required and enterprise.id == OWN,
        )

    return Registry(2, registry.parks, {name: signing(one) for name, one in registry.enterprises.items()})


def sealed(key: SigningKey, payload: bytes, enterprise: str = OWN, sender: str = "edge-1") -> bytes:
    return seal(payload, key.sign("batch", enterprise, sender, payload))


# how it is sealed -> the verdict; taken where signatures are not required
CASES: dict[str, tuple[str, bool]] = {
    "own": ("valid", True),
    "plain": ("unsigned", True),
    "strange": ("unknown_key", True),
    "neighbour": ("unknown_key", True),
    "old, in time": ("valid", True),
    "old, late": ("expired_key", True),
    "changed": ("bad_signature", False),
    "for another agent": ("bad_signature", False),
    "for another purpose": ("bad_signature", False),
    "cut within its seal": ("bad_signature", False),
}


def made(how: str, keys: dict[str, SigningKey], payload: bytes) -> bytes:
    own = keys["own"]
    return {
        "own": lambda: sealed(own, payload),
        "plain": lambda: payload,
        "strange": lambda: sealed(keys["strange"], payload),
        "neighbour": lambda: sealed(keys["neighbour"], payload, OTHER),
        "old, in time": lambda: sealed(keys["old"], payload),
        "old, late": lambda: sealed(keys["old"], payload),
        "changed": lambda: sealed(own, payload)[:-1] + b" ",
        "for another agent": lambda: sealed(own, payload, sender="edge-2"),
        "for another purpose": lambda: seal(payload, own.sign("config", OWN, "edge-1", payload)),
        "cut within its seal": lambda: sealed(own, payload)[: SEAL_BYTES - 1],
    }[how]()


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("how", CASES)
def test_verdict_decides_and_is_kept(
    house: House, registry: Registry, keys: dict[str, SigningKey], payload_of: PayloadOf, how: str, required: bool
) -> None:
    verdict, taken = CASES[how]
    taken = verdict == "valid" or (taken and not required)
    snapshot = with_keys(registry, keys, required=required)
    intake = dataclasses.replace(house.intake, registry=lambda: snapshot)
    message = made(how, keys, payload_of("one"))
    (receipt,) = accept_batches([Arrival(OWN, "edge-1", message)], intake, NOW - (how == "old, in time"))
    if taken:
        assert receipt.status == "stored"
        row = house.batches.batches[OWN, "edge-1", "one"]
        assert (row.signature, bool(row.key_id)) == (verdict, how != "plain")
    else:
        assert (receipt.status, [one.reason for one in receipt.reasons]) == ("rejected", [verdict])
        (aside,) = house.batches.set_aside
        assert (aside.reason, aside.payload) == (verdict, message)
        assert house.series.appended == []


def test_every_verdict_has_its_row() -> None:
    assert {check.reason for check in SIGNATURE_CHECKS} == {verdict for verdict, _ in CASES.values()} - {"valid"}


def test_same_batch_signed_and_unsigned_is_a_duplicate(
    house: House, registry: Registry, keys: dict[str, SigningKey], payload_of: PayloadOf
) -> None:
    snapshot = with_keys(registry, keys, required=False)
    intake = dataclasses.replace(house.intake, registry=lambda: snapshot)
    payload = payload_of("one")
    arrivals = [Arrival(OWN, "edge-1", payload), Arrival(OWN, "edge-1", sealed(keys["own"], payload))]
    assert [receipt.status for receipt in accept_batches(arrivals, intake, NOW)] == ["stored", "duplicate"]


def test_telemetry_is_no_way_around_required_signatures(
    house: House, registry: Registry, keys: dict[str, SigningKey]
) -> None:
    snapshot = with_keys(registry, keys, required=True)
    intake = dataclasses.replace(house.intake, registry=lambda: snapshot)
    payload = json.dumps({"ts": T0, "values": {"power": 1.0}}).encode()
    (receipt,) = accept_batches([Arrival(OWN, "incomer-1", payload, "telemetry")], intake, NOW)
    assert [one.reason for one in receipt.reasons] == ["unsigned"]


def test_unsigned_messages_are_handed_on_as_they_are(registry: Registry) -> None:
    payload = b'{"v":1}'
    signed, inner = Signers(registry).examine(OWN, "edge-1", payload, NOW)
    assert (signed.verdict, inner is payload) == ("unsigned", True)


# --- again ----------------------------------------------------------------------------------------------------------


def batch(device: str, points: list[str], name: str = "one") -> bytes:
    block = {"device": device, "points": points, "rows": [[NOON, *(7.0 for _ in points)]]}
    return json.dumps({"v": 1, "batch": name, "sent_at": NOON, "devices": [block]}).encode()


def send(plant: Plant, payload: bytes, form: Form = "batch", sender: str = "edge-1") -> Receipt:
    return accept_batches([Arrival(PLANT, sender, payload, form)], plant.house.intake, NOON)[0]


def registered(plant: Plant, *given: Any, required: bool = True, extra: str = "") -> None:
    listed = ", ".join(f"{{key: {key.public.text}, valid_until: '{end}'}}" for key, end in given)
    agents = f"agents: [{{id: edge-1, public_keys: [{listed}]}}]\n  require_signed_batches: {str(required).lower()}"
    text = REGISTRY.replace("agents: [{id: edge-1}]", agents, 1)
    if extra:
        text = text.replace("sources:\n  - {id: grid,", f"{extra}\n  sources:\n  - {{id: grid,", 1)
    assert text != REGISTRY
    plant.house.operations.call("registry_apply", text=text, file="registry.yaml")


def again(plant: Plant) -> dict[str, int]:
    return plant.house.operations.call("set_aside_accept", enterprise=PLANT)


def kept(plant: Plant) -> list[tuple[str, str]]:
    """(verdict, key id) of the batches that came in again."""
    known = plant.house.intake.batches.known([(PLANT, "edge-1", f"again-{number}") for number in range(1, 9)])
    return [(row.signature, row.key_id) for row in known.values()]


FOR_EVER, TOO_EARLY = "2036-01-01T00:00:00+08:00", "2026-10-01T00:00:00+08:00"


def test_batch_of_an_unregistered_key_comes_in_once_the_key_is_registered(
    plant: Plant, keys: dict[str, SigningKey]
) -> None:
    registered(plant, (keys["old"], FOR_EVER))
    payload = batch("incomer", ["energy_import"])
    message = sealed(keys["own"], payload, PLANT)
    assert [one.reason for one in send(plant, message).reasons] == ["unknown_key"]
    assert again(plant) == {"messages": 0, "readings": 0, "left": 1}
    registered(plant, (keys["old"], FOR_EVER), (keys["own"], FOR_EVER))
    assert again(plant) == {"messages": 1, "readings": 1, "left": 0}
    assert kept(plant) == [("valid", keys["own"].public.key_id)]


def test_key_that_had_expired_when_the_batch_came_lets_it_in_at_no_later_time(
    plant: Plant, keys: dict[str, SigningKey]
) -> None:
    registered(plant, (keys["own"], TOO_EARLY))
    assert (
        send(plant, sealed(keys["own"], batch("incomer", ["energy_import"]), PLANT)).reasons[0].reason == "expired_key"
    )
    assert again(plant)["left"] == 1
    registered(plant, (keys["own"], FOR_EVER))
    assert again(plant)["readings"] == 1


def test_forged_batch_never_comes_in(plant: Plant, keys: dict[str, SigningKey]) -> None:
    registered(plant, (keys["own"], FOR_EVER), required=False)
    message = sealed(keys["own"], batch("incomer", ["energy_import"]), PLANT)
    assert send(plant, message.replace(b"7.0", b"9.0")).reasons[0].reason == "bad_signature"
    assert again(plant) == {"messages": 0, "readings": 0, "left": 0}


def test_readings_parted_from_a_signed_batch_come_in_under_its_verdict(
    plant: Plant, keys: dict[str, SigningKey]
) -> None:
    registered(plant, (keys["own"], FOR_EVER))
    payload = batch("steam-1", ["power"])
    assert send(plant, sealed(keys["own"], payload, PLANT)).set_aside == 1
    registered(plant, (keys["own"], FOR_EVER), extra="- {id: steam-1, points: [{id: power, quantity: power}]}")
    assert again(plant)["readings"] == 1
    assert kept(plant) == [("valid", keys["own"].public.key_id)]


def test_readings_parted_from_an_unsigned_batch_stay_out_once_signatures_are_required(
    plant: Plant, keys: dict[str, SigningKey]
) -> None:
    assert send(plant, batch("steam-1", ["power"])).set_aside == 1
    steam = "- {id: steam-1, points: [{id: power, quantity: power}]}"
    registered(plant, (keys["own"], FOR_EVER), extra=steam)
    assert again(plant) == {"messages": 0, "readings": 0, "left": 1}
    registered(plant, (keys["own"], FOR_EVER), extra=steam, required=False)
    assert again(plant)["readings"] == 1


def test_operation_shows_what_the_newest_batches_carried(plant: Plant, keys: dict[str, SigningKey]) -> None:
    registered(plant, (keys["own"], FOR_EVER), required=False)
    for name in ("one", "two"):
        send(plant, sealed(keys["own"], batch("incomer", ["energy_import"], name), PLANT))
    send(plant, batch("incomer", ["energy_import"], "three"))
    items = plant.house.operations.call("ingest_signatures", enterprise=PLANT)["items"]
    found = {(item["signature"], item["key_id"]): item["batches"] for item in items}
    assert found == {("valid", keys["own"].public.key_id): 2, ("unsigned", ""): 1}


def test_key_file_signs_what_the_gateway_takes(plant: Plant, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "agent.pem")
    registered(plant, (key, FOR_EVER))
    again_loaded = SigningKey.load(tmp_path / "agent.pem")
    assert send(plant, sealed(again_loaded, batch("incomer", ["energy_import"]), PLANT)).status == "stored"
    assert isinstance(plant.house.intake, Intake)
