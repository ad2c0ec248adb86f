"""Promises of the calls about records: every form of body, corrections to be seen, evidence to be had again."""

from __future__ import annotations

import io
from typing import Any

import pytest

from gateway.store.evidence_store import sha256_of_bytes
from tests.gateway.seeded_enterprises import FITTINGS, STEEL
from tests.gateway.seeded_park import SeededPark

PATH = f"/api/v1/enterprises/{STEEL}/activity-records"
EVIDENCE = f"/api/v1/enterprises/{STEEL}/evidence"
BILL = b"%PDF a bill"
TABLE = "id,source,from,to,amount,unit,evidence\nb-1,billets,2026-10-01,2026-10-04,12.5,t,bill.pdf\n"


def send(park: SeededPark, path: str, token: str = "enterprise", **request: Any) -> Any:
    headers = {"Authorization": f"Bearer {park.tokens[token]}"}
    return park.app.test_client().post(path, headers=headers, **request)


def test_a_form_brings_a_table_and_the_files_behind_it(bare_park: SeededPark) -> None:
    form = {"records": (io.BytesIO(TABLE.encode()), "october.csv"), "bill": (io.BytesIO(BILL), "bill.pdf")}
    answer = send(bare_park, PATH, data=form, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["stored"]) == (200, 1)
    (item,) = bare_park.get(PATH, "enterprise").json["items"]
    assert (item["source"], item["evidence"]) == ("billets", sha256_of_bytes(BILL))
    file = bare_park.get(f"{EVIDENCE}/{item['evidence']}", "enterprise")
    assert (file.data, file.headers["Content-Type"]) == (BILL, "application/octet-stream")
    assert "bill.pdf" in file.headers["Content-Disposition"]


def test_a_table_alone_is_taken_and_its_faults_are_told_by_row(bare_park: SeededPark) -> None:
    answer = send(bare_park, PATH, data=TABLE.encode(), content_type="text/csv")
    assert answer.status_code == 422
    assert [(one["place"], one["field"]) for one in answer.json["errors"]] == [("row 2", "evidence")]
    plain = TABLE.replace(",evidence", "").replace(",bill.pdf", "")
    assert send(bare_park, PATH, data=plain.encode(), content_type="text/csv").json["stored"] == 1


def test_evidence_may_come_first_and_must_be_what_its_hash_says(bare_park: SeededPark) -> None:
    digest = sha256_of_bytes(BILL)
    assert send(bare_park, f"{EVIDENCE}/{'0' * 64}", data=BILL).status_code == 422
    assert send(bare_park, f"{EVIDENCE}/no-hash", data=BILL).status_code == 400
    stored = send(bare_park, f"{EVIDENCE}/{digest}?name=bill.pdf", data=BILL)
    assert (stored.status_code, stored.json["name"]) == (200, "bill.pdf")
    body = [
        {"id": "b", "source": "billets", "from": "2026-10-01", "to": "2026-10-04", "amount": 1, "unit": "t",
         "evidence": digest}
    ]  # fmt: skip
    assert bare_park.post(PATH, body, "enterprise").status_code == 200
    assert [one["sha256"] for one in bare_park.get(EVIDENCE, "park").json["items"]] == [digest]


@pytest.mark.parametrize(("token", "status"), [("platform", 403), ("other-enterprise", 404), ("park", 404)])
def test_bills_are_for_the_enterprise_its_park_and_the_administrator(
    bare_park: SeededPark, token: str, status: int
) -> None:
    assert bare_park.get(f"{EVIDENCE}/{'0' * 64}", token).status_code == status


def test_a_corrected_record_stays_to_be_seen_and_pages_follow_each_other(bare_park: SeededPark) -> None:
    base = {"source": "billets", "from": "2026-10-01", "to": "2026-10-04", "unit": "t"}
    first, second = base | {"id": "a", "amount": 1}, base | {"id": "b", "amount": 2, "supersedes": "a"}
    assert bare_park.post(PATH, [first, second], "enterprise").status_code == 200
    page = bare_park.get(f"{PATH}?limit=1", "enterprise").json
    rest = bare_park.get(f"{PATH}?limit=1&cursor={page['next']}", "enterprise").json
    assert [(one["id"], one["superseded_by"]) for one in (*page["items"], *rest["items"])] == [("a", "b"), ("b", "")]
    assert rest["next"] is None
    assert bare_park.get(f"{PATH}?cursor=x", "enterprise").status_code == 400
    third = base | {"id": "c", "amount": 3}
    refused = bare_park.post(PATH, [third], "enterprise")
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (409, "from")
    assert "supersedes: b" in refused.json["errors"][0]["message"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_template_can_be_had(bare_park: SeededPark, form: str) -> None:
    answer = bare_park.get(f"{PATH}/template?period=2026-10&form={form}", "enterprise")
    assert answer.status_code == 200
    assert f"2026-10.{form}" in answer.headers["Content-Disposition"]
    assert answer.data[:2] == (b"PK" if form == "xlsx" else b"\xef\xbb")
    assert bare_park.get(f"{PATH}/template?period=soon", "enterprise").status_code == 400
    other = PATH.replace(STEEL, FITTINGS)
    assert bare_park.get(f"{other}/template?period=2026-10", "enterprise").status_code == 404
