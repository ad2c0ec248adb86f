"""What `explain` says of the readings behind a figure: who signed them, what was dropped, where raw stands."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from collectors.wire import first_batch_id, new_batch_id
from gateway.drop_findings import WatchedStatuses
from gateway.scheduler.jobs import JOBS
from gateway.store.batches_repository import BatchesRepository
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ingest_rows import BatchRow, StatusRow
from tests.gateway.scheduler.plant import PLANT, Plant, at
from tests.gateway.scheduler.test_retention import NOW, fill, give_up

MONTHS_AGO = "2026-08-25"
LATELY = "2026-09-15"
HOUR = 3_600_000


@pytest.fixture
def filled(plant: Plant) -> Plant:
    fill(plant)
    return plant


def explained(plant: Plant, day: str, source: str = "grid") -> dict[str, Any]:
    for seq in range(1, plant.chain_length() + 1):
        found = plant.house.operations.call("explain", entry=f"{PLANT}-{seq}")
        if (found["entry"]["day"], found["entry"]["source"]) == (day, source):
            return dict(found)
    raise AssertionError(f"no entry of {source} on {day}")


def batch(made_ms: int, sender: str = "edge-1", signature: str = "valid", key: str = "k1", **more: Any) -> BatchRow:
    row = BatchRow(PLANT, sender, new_batch_id(made_ms), "hash", made_ms + 500, 10, 0, (), signature, key)
    return msgspec.structs.replace(row, **more)


def test_signatures_are_those_of_batches_made_while_the_day_was_counted(filled: Plant) -> None:
    day = at(f"{LATELY} 00:00")
    rows = [
        *(batch(day + number * HOUR) for number in range(24)),
        batch(day + HOUR, signature="unsigned", key=""),
        batch(day + 24 * HOUR + 60_000),  # made a minute after the last reading
        batch(day - 2 * HOUR, key="another-day"),
        batch(day + 26 * HOUR, key="another-day"),
        batch(day, batch_id="t-1", sender="incomer", signature="unsigned", key="", received_at_ms=day + HOUR),
        batch(day, batch_id="t-2", sender="gas", signature="unsigned", key="", received_at_ms=day + HOUR),
    ]
    BatchesRepository(filled.house.engine).record(rows, [])
    told = [
        (one["sender"], one["signature"], one["key_id"], one["batches"], one["words"]["en"])
        for one in explained(filled, LATELY)["signatures"]
    ]
    assert told == [
        ("edge-1", "unsigned", "", 1, "unsigned"),
        ("edge-1", "valid", "k1", 25, "verified"),
        ("incomer", "unsigned", "", 1, "unsigned"),
    ]
    assert explained(filled, MONTHS_AGO)["signatures"] == []


def test_ids_sort_by_the_time_they_are_made_at() -> None:
    for made_ms in (0, 1_760_000_000_000, 2**48 - 2):
        assert first_batch_id(made_ms) <= new_batch_id(made_ms) < first_batch_id(made_ms + 1)


def test_where_raw_readings_stand_is_said_and_what_the_proof_keeps(filled: Plant) -> None:
    (before,) = explained(filled, MONTHS_AGO)["points"]
    assert before["raw"]["place"] == "kept" and before["readings"] == 12
    job = next(job for job in JOBS if job.name == "archive")
    context = filled.house.runner().context
    job.run(replace(context, settings=replace(context.settings, archive_after_days=30)), at(NOW))
    assert explained(filled, MONTHS_AGO)["points"][0]["raw"]["place"] == "archived"
    assert explained(filled, LATELY)["points"][0]["raw"]["place"] == "kept"
    give_up(filled)
    (after,) = explained(filled, MONTHS_AGO)["points"]
    proof = after["raw"]["proof"]
    assert (after["raw"]["place"], after["readings"], after["hours"]) == ("removed", 12, before["hours"])
    assert (proof["readings"], proof["first"]) == (12, before["first"]["at"])
    assert proof["lowest"] == before["first"]["value"] < proof["highest"]
    assert len(proof["digest"]) == 64
    assert after["raw"]["removed_at"].startswith("2026-10-20")


def status(dropped: int, first_ms: int | None, last_ms: int | None, at_ms: int = 0) -> StatusRow:
    buffer = {"dropped_readings": dropped, "dropped_first_ms": first_ms, "dropped_last_ms": last_ms}
    return StatusRow(PLANT, "edge-1", at_ms or (last_ms or 0) + HOUR, True, json.dumps({"buffer": buffer}))


OFFLINE = StatusRow(PLANT, "edge-1", 1, False, '{"v": 1, "online": false, "reason": "the connection was lost"}')


def stretches(plant: Plant) -> list[tuple[int, int, int, str]]:
    """(first, last, readings, status) of what was dropped."""
    found = FindingsRepository(plant.house.engine).page(PLANT, 100, prefixes=("agent.",))
    values = [(one.finding.values, one.status) for one in found]
    return [(own["first_ms"], own["last_ms"], own["readings"], state) for own, state in values]


def test_what_an_agent_dropped_is_a_finding_that_grows_and_stands_beside_its_days(filled: Plant) -> None:
    statuses = filled.house.intake.statuses
    day = at(f"{LATELY} 00:00")
    first, second = day + 6 * HOUR, day + 10 * 24 * HOUR
    statuses.put([status(0, None, None, first)])
    assert stretches(filled) == []
    assert explained(filled, LATELY)["dropped"] == []
    statuses.put([status(40, first, first + HOUR)])
    statuses.put([OFFLINE])
    statuses.put([status(40, first, first + HOUR)])
    statuses.put([status(100, first, first + 2 * HOUR)])
    assert stretches(filled) == [(first, first + 2 * HOUR, 100, "open")]
    WatchedStatuses(filled.house.engine, filled.house.registry).put(
        [status(130, second, second + 5)]
    )  # after a restart
    assert stretches(filled)[1:] == [(second, second + 5, 30, "open")]
    (told,) = explained(filled, LATELY)["dropped"]
    assert (told["agent"], told["readings"]) == ("edge-1", 100)
    assert "dropped 100 readings" in told["words"]["en"] and "丢弃了 100 条读数" in told["words"]["zh"]
    assert explained(filled, MONTHS_AGO)["dropped"] == []


def test_a_buffer_begun_anew_counts_from_nothing_and_an_old_agent_is_dated_when_heard(filled: Plant) -> None:
    statuses = filled.house.intake.statuses
    statuses.put([status(100, 1_000, 2_000)])
    statuses.put([status(7, 50_000, 60_000)])
    statuses.put([status(9, None, None, 90_000)])
    assert stretches(filled) == [(1_000, 2_000, 100, "open"), (50_000, 60_000, 7, "open"), (90_000, 90_000, 2, "open")]


@pytest.mark.parametrize("document", ["[]", '{"buffer": 7}', '{"buffer": {"dropped_readings": "many"}}', "{"])
def test_a_status_in_another_form_tells_nothing_of_drops(filled: Plant, document: str) -> None:
    filled.house.intake.statuses.put([StatusRow(PLANT, "edge-1", 5, True, document)])
    assert stretches(filled) == []
