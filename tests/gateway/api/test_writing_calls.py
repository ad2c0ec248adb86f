"""Records and operations: who may change what, and that nothing is half done."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.records_repository import RecordsRepository
from tests.gateway.seeded_enterprises import FITTINGS, STEEL, TODAY
from tests.gateway.seeded_park import CONTROL_TOKEN, SeededPark

PATH = f"/api/v1/enterprises/{STEEL}/activity-records"


def record(**changed: Any) -> dict[str, Any]:
    made = {"id": "b-1", "source": "billets", "from": "2026-10-01", "to": "2026-10-04", "amount": 12.5, "unit": "t"}
    return {key: value for key, value in (made | changed).items() if value is not None}


def kept(park: SeededPark) -> list[Any]:
    return RecordsRepository(park.engine).overlapping(STEEL, "billets", TODAY.replace(day=1), TODAY)


def test_sending_records_again_changes_nothing(bare_park: SeededPark) -> None:
    body = [record(), record(id="b-2", amount=0.1, parallel=True)]
    first, again = bare_park.post(PATH, body, "enterprise"), bare_park.post(PATH, body, "enterprise")
    assert (first.status_code, first.json["stored"], first.json["duplicates"]) == (200, 2, 0)
    assert (again.status_code, again.json["stored"], again.json["duplicates"]) == (200, 0, 2)
    assert [own.amount_u for own in kept(bare_park)] == [12_500_000, 100_000]


def test_records_mark_the_days_they_bear_on(bare_park: SeededPark) -> None:
    value = {"id": "v", "economic": "output_value", "from": "2026-09-01", "to": "2026-11-01", "amount": 9.5}
    assert bare_park.post(PATH, [record(), value | {"unit": "10k_cny"}], "enterprise").status_code == 200
    marked = DirtyDaysRepository(bare_park.engine).claim(100, TODAY.replace(month=12))
    assert [(day.source, day.day.isoformat()) for day in marked] == [
        ("", "2026-09-01"),
        ("", "2026-10-01"),
        ("billets", "2026-10-01"),
        ("billets", "2026-10-02"),
        ("billets", "2026-10-03"),
    ]


def test_one_faulty_record_keeps_all_out_and_every_error_is_named(bare_park: SeededPark) -> None:
    body = [
        record(),
        record(id="bad id", unit="kWh"),
        record(id="b-3", source="grid-power"),
        record(id="b-4", source="nothing"),
        record(id="b-5", to="2026-10-01"),
        record(id="b-6", amount="many"),
        record(id="b-7", product="plate"),
        record(id="b-8", colour="red"),
        record(id="b-1", amount=3),
        "text",
    ]
    response = bare_park.post(PATH, body, "enterprise")
    assert response.status_code == 422
    errors = {(error["index"], error["field"]) for error in response.json["errors"]}
    assert errors == {
        (1, "id"), (1, "unit"), (2, "source"), (3, "source"), (4, "to"), (5, "amount"), (6, "product"), (7, "colour"),
        (8, "id"), (9, ""),
    }  # fmt: skip
    assert not kept(bare_park)


def test_a_known_id_with_another_content_is_a_conflict_and_nothing_is_kept(bare_park: SeededPark) -> None:
    bare_park.post(PATH, [record()], "enterprise")
    response = bare_park.post(PATH, [record(id="b-9"), record(amount=13)], "enterprise")
    assert response.status_code == 409
    assert [(error["index"], error["id"]) for error in response.json["errors"]] == [(1, "b-1")]
    assert [own.record_id for own in kept(bare_park)] == ["b-1"]


@pytest.mark.parametrize(("role", "status"), [("enterprise", 200), ("platform", 200), ("admin", 200), ("park", 403)])
def test_records_come_from_the_enterprise_or_a_platform_it_consented_to(
    bare_park: SeededPark, role: str, status: int
) -> None:
    assert bare_park.post(PATH, [record()], role).status_code == status
    foreign = f"/api/v1/enterprises/{FITTINGS}/activity-records"
    assert bare_park.post(foreign, [record()], "platform").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff", b'"text"'])
def test_a_body_that_is_no_list_of_records_is_refused(bare_park: SeededPark, body: bytes) -> None:
    response = bare_park.client().post(PATH, data=body, headers=bare_park.headers("admin"))
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"


def test_a_session_may_read_but_not_change(bare_park: SeededPark) -> None:
    client = bare_park.client()
    assert client.post("/login", data={"token": bare_park.tokens["enterprise"]}).status_code == 302
    assert client.get(f"/api/v1/enterprises/{STEEL}").status_code == 200
    assert client.post(PATH, json=[record()]).status_code == 403
    assert not kept(bare_park)


def test_operations_are_for_admins_and_the_control_token(bare_park: SeededPark) -> None:
    path = "/api/v1/operations/rollup"
    for role in ("enterprise", "park", "platform", "device"):
        assert bare_park.post(path, {}, role).status_code == 403
    assert bare_park.post(path, {"until": "now"}, "admin").json == {"stages": {}}
    control = bare_park.client().post(path, headers={"Authorization": f"Bearer {CONTROL_TOKEN}"})
    assert control.status_code == 200
    assert bare_park.operations == [("rollup", {"until": "now"}), ("rollup", {})]


def test_an_unknown_operation_is_answered_with_those_there_are(bare_park: SeededPark) -> None:
    response = bare_park.post("/api/v1/operations/dance", {}, "admin")
    assert response.status_code == 404
    assert "rollup" in response.json["detail"]
