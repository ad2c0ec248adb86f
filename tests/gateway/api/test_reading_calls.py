"""The GET calls: what they answer, to whom, and how they refuse."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from tests.gateway.seeded_enterprises import DYEING, FITTINGS, FOREIGN, MEANS, OTHER_PARK, PARK, STEEL
from tests.gateway.seeded_park import SeededPark

ENTERPRISE = f"/api/v1/enterprises/{STEEL}"
POINT = "point=incomer-1.energy_import&from=2026-10-20&to=2026-10-21"

READING_CALLS = (
    "/api/v1/enterprises",
    ENTERPRISE,
    f"{ENTERPRISE}/account?period=2026-10",
    f"{ENTERPRISE}/account/signed?period=2026-09",
    f"{ENTERPRISE}/account/versions?period=2026-09",
    f"{ENTERPRISE}/rating?period=2026-10",
    f"{ENTERPRISE}/entries?period=2026-10",
    f"{ENTERPRISE}/findings",
    f"{ENTERPRISE}/usage?{POINT}&step=hour",
    f"{ENTERPRISE}/readings?{POINT}",
    f"/api/v1/entries/{STEEL}-1/explain",
    f"/api/v1/entries/{STEEL}-1/proof",
    "/api/v1/roots",
    "/api/v1/changes",
)
PARK_CALLS = (
    "/api/v1/parks",
    f"/api/v1/parks/{PARK}",
    f"/api/v1/parks/{PARK}/intensity?period=2026-10",
    f"/api/v1/parks/{PARK}/ranking?period=2026-Q4",
    f"/api/v1/parks/{PARK}/load",
)
ALL_CALLS = (*READING_CALLS, *PARK_CALLS, f"{ENTERPRISE}/health", "/api/v1/accounts?period=2026-10")


def problem_of(response: Any) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    document = response.json
    assert document["status"] == response.status_code
    assert document["detail"].strip()
    assert document["type"].startswith("urn:tanmai:problem:")
    return dict(document)


@pytest.mark.parametrize("path", ALL_CALLS)
def test_anonymous_callers_get_401_whatever_they_ask(seeded_park: SeededPark, path: str) -> None:
    response = seeded_park.get(path, None)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    problem_of(response)


@pytest.mark.parametrize("path", ALL_CALLS)
def test_a_device_may_read_nothing(seeded_park: SeededPark, path: str) -> None:
    assert seeded_park.get(path, "device").status_code == 403


@pytest.mark.parametrize("role", ["admin", "park", "platform", "enterprise"])
@pytest.mark.parametrize("path", READING_CALLS)
def test_whoever_sees_an_enterprise_can_read_it(seeded_park: SeededPark, role: str, path: str) -> None:
    assert seeded_park.get(path, role).status_code == 200


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("park", 200), ("platform", 403), ("enterprise", 403)])
@pytest.mark.parametrize("path", PARK_CALLS)
def test_park_calls_are_for_the_park_and_admins(seeded_park: SeededPark, path: str, role: str, status: int) -> None:
    assert seeded_park.get(path, role).status_code == status


def test_what_a_caller_may_not_see_answers_like_what_does_not_exist(seeded_park: SeededPark) -> None:
    foreign = (
        (f"/api/v1/enterprises/{STEEL}", "other-enterprise"),
        (f"/api/v1/enterprises/{FITTINGS}/account?period=2026-10", "platform"),  # has not consented
        (f"/api/v1/enterprises/{FOREIGN}", "park"),
        (f"/api/v1/entries/{STEEL}-1/explain", "other-enterprise"),
        (f"/api/v1/entries/{STEEL}-1/proof", "other-enterprise"),
        (f"/api/v1/parks/{OTHER_PARK}", "park"),
    )
    for path, role in foreign:
        assert seeded_park.get(path, role).status_code == 404, path
    assert seeded_park.get("/api/v1/enterprises/nobody", "admin").status_code == 404


def test_lists_show_only_what_the_caller_may_see(seeded_park: SeededPark) -> None:
    def listed(role: str) -> set[str]:
        return {item["id"] for item in seeded_park.get("/api/v1/enterprises", role).json["items"]}

    assert listed("enterprise") == {STEEL}
    assert listed("park") == set(MEANS)
    assert FITTINGS not in listed("platform")
    assert listed("admin") == {*MEANS, FOREIGN}
    changes = seeded_park.get("/api/v1/changes?limit=1000", "platform").json["items"]
    assert changes
    assert FITTINGS not in {item["enterprise"] for item in changes}


def test_a_revoked_or_invented_token_is_nobody(seeded_park: SeededPark) -> None:
    for header in ("Bearer tm_0123456789abcdef_" + "0" * 64, "Bearer nonsense", "Basic YTpi", "Bearer"):
        response = seeded_park.client().get(ENTERPRISE, headers={"Authorization": header})
        assert response.status_code == 401, header


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{ENTERPRISE}/account", "bad-parameter"),
        (f"{ENTERPRISE}/account?period=2026-13", "bad-period"),
        (f"{ENTERPRISE}/account?period=2026-10&peroid=1", "bad-parameter"),
        (f"{ENTERPRISE}/account?period=2026-10-05&version=1", "bad-version"),
        (f"{ENTERPRISE}/rating?period=2026-10-05", "bad-period"),
        (f"{ENTERPRISE}/entries?period=2026-10&limit=0", "bad-limit"),
        (f"{ENTERPRISE}/entries?period=2026-10&limit=ten", "bad-parameter"),
        (f"{ENTERPRISE}/entries?period=2026-10&cursor=-5", "bad-cursor"),
        (f"{ENTERPRISE}/usage?point=incomer-1.power&from=2026-10-21&to=2026-10-20", "bad-window"),
        (f"{ENTERPRISE}/usage?point=incomer-1.power&from=2026-10-20T08:00&to=2026-10-21", "bad-time"),
        (f"{ENTERPRISE}/readings?point=incomer-1.power&from=2020-01-01&to=2026-01-01", "window-too-long"),
        (f"{ENTERPRISE}/findings?status=strange", "bad-parameter"),
        (f"/api/v1/entries/{STEEL}-1/proof?root=yesterday", "bad-day"),
        ("/api/v1/roots?after=2026-13-01", "bad-day"),
        ("/api/v1/roots/2026/growth?since=2026-11-01", "bad-day"),
        ("/api/v1/changes?after=-1", "bad-cursor"),
        ("/api/v1/accounts?period=2026-10-05", "bad-period"),
    ],
)
def test_a_bad_question_gets_400_that_says_why(seeded_park: SeededPark, path: str, name: str) -> None:
    response = seeded_park.get(path)
    assert response.status_code == 400
    assert problem_of(response)["type"] == f"urn:tanmai:problem:{name}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/parks", 405), ("GET", f"{ENTERPRISE}/usage?{POINT}x", 400)],
)
def test_every_error_is_a_problem(seeded_park: SeededPark, method: str, path: str, status: int) -> None:
    response = seeded_park.client().open(path, method=method, headers=seeded_park.headers("admin"))
    assert response.status_code == status
    problem_of(response)


def test_an_unexpected_error_shows_a_number_and_not_its_text(
    seeded_park: SeededPark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_named: Any) -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr(type(seeded_park.reader), "park_overview", broken)
    response = seeded_park.get(f"/api/v1/parks/{PARK}")
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert len(problem_of(response)["incident"]) == 8


def test_an_unknown_point_is_answered_with_the_points_there_are(seeded_park: SeededPark) -> None:
    response = seeded_park.get(f"{ENTERPRISE}/usage?point=x.y&from=2026-10-20&to=2026-10-21")
    assert response.status_code == 404
    assert "incomer-1.energy_import" in problem_of(response)["detail"]


def test_pages_follow_each_other_without_gap_or_overlap(seeded_park: SeededPark) -> None:
    whole = seeded_park.get(f"{ENTERPRISE}/entries?period=2026-10&limit=1000").json["items"]
    paged: list[Any] = []
    path = f"{ENTERPRISE}/entries?period=2026-10&limit=7"
    cursor: str | None = ""
    while cursor is not None:
        page = seeded_park.get(path + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["items"]) <= 7
        paged += page["items"]
        cursor = page["next"]
    assert paged == whole
    assert len(whole) > 20


def test_readings_and_hours_page_on_by_time(seeded_park: SeededPark) -> None:
    for call in ("readings", "usage"):
        whole = seeded_park.get(f"{ENTERPRISE}/{call}?{POINT}").json["items"]
        first = seeded_park.get(f"{ENTERPRISE}/{call}?{POINT}&limit=5").json
        rest = seeded_park.get(f"{ENTERPRISE}/{call}?{POINT}&cursor={first['next']}").json["items"]
        assert first["items"] + rest == whole


def test_a_days_usage_is_the_sum_of_its_hours(seeded_park: SeededPark) -> None:
    hours = seeded_park.get(f"{ENTERPRISE}/usage?{POINT}").json["items"]
    (day,) = seeded_park.get(f"{ENTERPRISE}/usage?{POINT}&step=day").json["items"]
    assert len(hours) == 24
    assert day["start"] == "2026-10-20"
    assert day["amount"] == pytest.approx(sum(hour["amount"] for hour in hours), abs=1e-6)


def test_the_same_question_again_costs_no_body(seeded_park: SeededPark) -> None:
    path = f"{ENTERPRISE}/account?period=2026-09"
    first = seeded_park.get(path)
    again = seeded_park.get(path, "admin", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_enterprises_are_filtered_by_colour_and_industry(seeded_park: SeededPark) -> None:
    reds = seeded_park.get("/api/v1/enterprises?colour=red&period=2026-10").json["items"]
    assert [item["id"] for item in reds] == [STEEL]
    textiles = seeded_park.get("/api/v1/enterprises?industry=C17").json["items"]
    assert [item["id"] for item in textiles] == [DYEING]


# --- bulk -----------------------------------------------------------------------------------------------------------


def test_bulk_accounts_say_the_same_in_every_format(seeded_park: SeededPark) -> None:
    path = "/api/v1/accounts?period=2026-10"
    items = seeded_park.get(path, "platform").json["items"]
    lines = seeded_park.get(path, "platform", Accept="application/x-ndjson").text.splitlines()
    rows = list(csv.DictReader(io.StringIO(seeded_park.get(path, "platform", Accept="text/csv").text)))
    assert [json.loads(line) for line in lines] == items
    assert [row["enterprise"] for row in rows] == [item["enterprise"] for item in items]
    for row, item in zip(rows, items, strict=True):
        if item["statement"] is None:
            assert row["compliance_kg"] == ""  # missing is not zero
        else:
            assert float(row["compliance_kg"]) == item["statement"]["compliance_kg"]
            assert row["colour"] == item["rating"]["colour"]
    account = seeded_park.get(f"{ENTERPRISE}/account?period=2026-10").json
    assert next(item for item in items if item["enterprise"] == STEEL)["statement"] == account


def test_bulk_pages_link_to_the_next(seeded_park: SeededPark) -> None:
    response = seeded_park.get("/api/v1/accounts?period=2026-10&limit=2", "admin", Accept="text/csv")
    assert len(response.text.splitlines()) == 3
    assert 'rel="next"' in response.headers["Link"]
    page = seeded_park.get("/api/v1/accounts?period=2026-10&limit=2").json
    assert f"cursor={page['next']}" in response.headers["Link"]


def test_a_format_that_is_not_made_answers_406(seeded_park: SeededPark) -> None:
    response = seeded_park.get("/api/v1/accounts?period=2026-10", "admin", Accept="application/vnd.ms-excel")
    assert response.status_code == 406
    problem_of(response)


# --- for those who run it --------------------------------------------------------------------------------------------


def test_health_needs_no_token_and_says_what_is_there(seeded_park: SeededPark) -> None:
    assert seeded_park.get("/healthz", None).json["status"] == "alive"
    ready = seeded_park.get("/readyz", None).json
    assert {check["name"] for check in ready["checks"]} == {"database", "timeseries"}


def test_metrics_count_by_route_and_name_nobody(seeded_park: SeededPark) -> None:
    seeded_park.get(ENTERPRISE)
    text = seeded_park.get("/metrics", None).text
    assert 'route="/api/v1/enterprises/<enterprise>"' in text
    assert "tanmai_ledger_entries" in text
    assert STEEL not in text


def test_the_description_names_every_call_and_loads_nothing_from_outside(seeded_park: SeededPark) -> None:
    document = seeded_park.get("/openapi.json", None).json
    assert document["openapi"].startswith("3.1")
    described = set(document["paths"])
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in seeded_park.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    assert routes
    assert routes == described
    page = seeded_park.get("/docs", None).text
    assert "/api/v1/accounts" in page
    assert 'src="http' not in page
    accounts = document["paths"]["/api/v1/accounts"]["get"]["responses"]["200"]["content"]
    assert {"application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"} == set(accounts)
