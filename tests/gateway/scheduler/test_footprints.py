"""A footprint out of a real roll-up: served, published, signed, exchanged; and its figures walk back to the ledger."""

from __future__ import annotations

import json
import re

import pytest

from gateway.accounts.periods import parse_period
from gateway.control import OperationFailed
from tests.gateway.scheduler.plant import PLANT, REGISTRY, Plant, at

ASKED = {"enterprise": PLANT, "product": "plate", "period": "2026-10"}


@pytest.fixture
def booked(plant: Plant) -> Plant:
    """Two days of 2,400 kWh and of 10 Nm3, and 4 t of plate."""
    plant.put("incomer", "energy_import", [(at(f"2026-10-{day:02} 00:00"), day * 2_400.0) for day in range(1, 4)])
    plant.put("gas", "volume", [(at(f"2026-10-{day:02} 00:00"), day * 10.0) for day in range(1, 4)])
    output(plant, "p-1", 4)
    plant.house.pipeline.run(at("2026-10-03 08:00"))
    return plant


def output(plant: Plant, record: str, tonnes: float, **more: str) -> None:
    given = {
        "id": record, "product": "plate", "amount": tonnes, "unit": "t", "from": "2026-10-01", "to": "2026-10-03",
    }  # fmt: skip
    plant.house.operations.call("records_import", enterprise=PLANT, records=[given | more])


def register(plant: Plant, product: str) -> None:
    text = REGISTRY.replace("{id: plate, unit: t}", product)
    plant.house.operations.call("registry_apply", text=text, file="registry.yaml")


def test_a_footprint_follows_from_the_ledger_by_hand(booked: Plant) -> None:
    """4,800 kWh × 0.5777 (the newest life-cycle factor) and the ledger's own grams of gas, over 4 t."""
    answer = booked.house.operations.call("footprint", **ASKED)
    entries = booked.house.operations.call("account", enterprise=PLANT, period="2026-10")["statement"]["by_source"]
    gas_kg = next(one["emission_kg"] for one in entries if one["source"] == "burner")
    by_source = {one["source"]: one["emission_kg"] for one in answer["contributions"]}
    assert by_source == {"grid": 2_772.96, "burner": gas_kg}
    assert answer["emission_kg"] == pytest.approx(2_772.96 + gas_kg)
    assert answer["kg_per_unit"] == pytest.approx((2_772.96 + gas_kg) / 4)
    assert answer["electricity"] == ("grid.footprint.2024",)
    assert answer["silent_sources"] == ("billets",)


def test_publishing_freezes_signs_and_names_what_came_before(booked: Plant) -> None:
    operations, house = booked.house.operations, booked.house
    first = operations.call("footprint_publish", **ASKED)
    assert (first["version"], first["changed"]) == (1, True)
    assert operations.call("footprint_publish", **ASKED) == {"version": 1, "id": first["id"], "changed": False}
    output(booked, "p-2", 8, supersedes="p-1")
    second = operations.call("footprint_publish", **ASKED)
    assert second["version"] == 2
    own = house.registry().enterprises[PLANT]
    period = parse_period("2026-10")
    newest = house.reader.published_footprint(own, own.products[0], period, "cradle_to_gate")
    assert newest is not None
    assert (newest.versions, newest.footprint.preceding) == ((1, 2), (first["id"],))
    assert house.signer.signed("tanmai-footprint", newest.body, newest.signature)
    assert not house.signer.signed("tanmai-statement", newest.body, newest.signature)
    oldest = house.reader.published_footprint(own, own.products[0], period, "cradle_to_gate", version=1)
    assert oldest is not None
    assert oldest.footprint.kg_per_unit == pytest.approx(2 * newest.footprint.kg_per_unit)


def test_pact_asks_for_what_nobody_registered_and_then_has_its_form(booked: Plant) -> None:
    """PACT Technical Specifications 3.0.3: required members, decimals as text, a declared unit of the list."""
    operations = booked.house.operations
    with pytest.raises(OperationFailed, match="add --publish"):
        operations.call("footprint_pact", **ASKED)
    operations.call("footprint_publish", **ASKED)
    with pytest.raises(OperationFailed, match="register fossil_carbon_kg of plate"):
        operations.call("footprint_pact", **ASKED)
    register(booked, "{id: plate, unit: t, fossil_carbon_kg: 0.5, cbam_good: '7208'}")
    operations.call("footprint_publish", **ASKED)
    with pytest.raises(OperationFailed, match="nothing says what billets brought in 2026-10"):
        operations.call("footprint_pact", **ASKED)
    bought = {"id": "b-1", "source": "billets", "amount": 5, "unit": "t", "from": "2026-10-01", "to": "2026-10-03"}
    operations.call("records_import", enterprise=PLANT, records=[bought])
    booked.house.pipeline.run(at("2026-10-03 09:00"))
    published = operations.call("footprint_publish", **ASKED)
    answer = operations.call("footprint_pact", **ASKED)
    pcf = answer["pcf"]
    assert {"id", "specVersion", "created", "status", "companyName", "companyIds", "productDescription"} < answer.keys()
    assert answer["id"] == published["id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", answer["id"])
    assert (pcf["declaredUnitOfMeasurement"], pcf["declaredUnitAmount"]) == ("kilogram", "1000")
    assert (pcf["productMassPerDeclaredUnit"], pcf["fossilCarbonContent"]) == ("1000", "0.5")
    assert (pcf["referencePeriodStart"], pcf["referencePeriodEnd"]) == ("2026-09-30T16:00:00Z", "2026-10-31T16:00:00Z")
    for name in ("pcfExcludingBiogenicUptake", "fossilGhgEmissions", "primaryDataShare", "exemptedEmissionsPercent"):
        assert re.fullmatch(r"[+-]?\d+(\.\d+)?", pcf[name]), name
    live = operations.call("footprint", **ASKED)
    assert float(pcf["pcfExcludingBiogenicUptake"]) == pytest.approx(live["kg_per_unit"])
    assert live["cbam"]["good"] == "7208"
    assert live["cbam"]["default_total"] == 3187
    json.dumps(answer)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"product": "moon"}, "is no product"),
        ({"period": "2026-09"}, "no output of plate was reported for 2026-09"),
        ({"period": "soon"}, "soon"),
        ({"boundary": "gate_to_gate"}, "boundary must be one of"),
        ({"enterprise": "nobody"}, "is not registered"),
    ],
)
def test_what_cannot_be_answered_says_why(plant: Plant, change: dict[str, str], why: str) -> None:
    with pytest.raises(OperationFailed, match=why):
        plant.house.operations.call("footprint", **(ASKED | change))
