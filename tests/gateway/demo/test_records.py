"""Records are sent once their period has ended, with ids that make sending again harmless."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from typing import Any

from gateway.demo.client import GatewayClient
from gateway.demo.plant import DAY_MS, Plant, midnight_ms
from gateway.demo.records import Due, due_records, send_records


class Recorder(GatewayClient):
    def __init__(self, posted: list[tuple[str, Any]]) -> None:
        super().__init__("http://gateway.invalid", threading.Event())
        object.__setattr__(self, "posted", posted)

    def post(self, path: str, token: str, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
        sent = json.loads(body) if content_type == "application/json" else body
        self.posted.append((path, sent))  # type: ignore[attr-defined]
        return {}


def test_only_ended_periods_are_reported(plant: Plant, noon_ms: int) -> None:
    due = due_records(plant, lambda _: noon_ms - 30 * DAY_MS, noon_ms)
    assert due
    assert max(one.end_ms for one in due) == midnight_ms(noon_ms)
    assert all(one.document["to"] <= "2026-10-15" for one in due)


def test_weeks_run_from_monday_to_monday(plant: Plant, noon_ms: int) -> None:
    weeks = [
        one.document for one in due_records(plant, lambda _: noon_ms - 30 * DAY_MS, noon_ms) if "source" in one.document
    ]
    assert [(week["from"], week["to"]) for week in weeks] == [
        ("2026-09-21", "2026-09-28"),
        ("2026-09-28", "2026-10-05"),
        ("2026-10-05", "2026-10-12"),
    ]


def test_every_record_names_exactly_one_subject_and_says_how_it_was_made(plant: Plant, noon_ms: int) -> None:
    for one in due_records(plant, lambda _: noon_ms - 10 * DAY_MS, noon_ms):
        assert len({"source", "product", "economic"} & one.document.keys()) == 1
        assert re.fullmatch(r"示范：.+ / demo: .+", one.document["note"])
        assert one.document["amount"] > 0


def test_nothing_is_due_twice(plant: Plant, noon_ms: int) -> None:
    first = due_records(plant, lambda _: noon_ms - 10 * DAY_MS, noon_ms)
    done = {one.plan.name: one.end_ms for one in sorted(first, key=lambda one: one.end_ms)}
    assert due_records(plant, lambda plan: done.get(plan.name, noon_ms), noon_ms) == []


def test_ids_are_unique_within_an_enterprise(plant: Plant, noon_ms: int) -> None:
    due = due_records(plant, lambda _: noon_ms - 60 * DAY_MS, noon_ms)
    names = [(one.plan.enterprise, one.document["id"]) for one in due]
    assert len(set(names)) == len(names)


def test_records_go_to_their_enterprise_and_are_confirmed(plant: Plant, noon_ms: int) -> None:
    posted: list[tuple[str, Any]] = []
    confirmed: list[Due] = []
    due = due_records(plant, lambda _: noon_ms - 60 * DAY_MS, noon_ms)
    send_records(Recorder(posted), "token", due, confirmed.append)
    records = [(path, body) for path, body in posted if isinstance(body, list)]
    assert len(confirmed) == len(due) == sum(len(body) for _, body in records)
    assert {path for path, _ in records} == {
        f"/api/v1/enterprises/{plan.enterprise}/activity-records" for plan in plant.scenario.records
    }


def test_a_paper_goes_ahead_of_the_record_that_names_it_and_says_that_it_is_invented(
    plant: Plant, noon_ms: int
) -> None:
    posted: list[tuple[str, Any]] = []
    due = [one for one in due_records(plant, lambda _: noon_ms - 30 * DAY_MS, noon_ms) if one.paper]
    assert len(due) == 3
    send_records(Recorder(posted), "token", due, lambda _: None)
    papers, records = posted[:-1], posted[-1][1]
    assert [record["evidence"] for record in records] == [hashlib.sha256(paper).hexdigest() for _, paper in papers]
    for (path, paper), record in zip(papers, records, strict=True):
        assert f"/evidence/{record['evidence']}?name=delivery%20note" in path
        assert "invented" in paper.decode()
        assert str(record["amount"]) in paper.decode()
