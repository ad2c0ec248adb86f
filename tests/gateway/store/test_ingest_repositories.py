"""Batches, what was set aside, and agents' status in a real SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, Engine, event, func, select

from collectors.wire import ReasonCount
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.batches_repository import STATEMENT_ROWS, BatchesRepository
from gateway.store.database import open_database, reading
from gateway.store.ingest_rows import BatchRow, SetAsideRow, StatusRow
from gateway.store.schema import batches as table
from gateway.store.set_aside_repository import MAX_DETAIL, SetAsideRepository

OWN, OTHER = "91350500M00000000Y", "91350500M000000018"
BATCH = BatchRow(OWN, "edge-1", "batch-1", "aa" * 32, 1000, 7, 3, (ReasonCount("unknown_point", 3),))
ASIDE = SetAsideRow(1000, OWN, "edge-1", "batch-1", "unknown_point", "incomer-1.colour: …", 3, b"\x00\xff bytes")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'tanmai.sqlite'}")
    yield opened
    opened.dispose()


def test_batch_is_remembered_as_it_was_first_answered(engine: Engine) -> None:
    batches = BatchesRepository(engine)
    assert batches.record([BATCH], []) == {}
    again = structs.replace(BATCH, payload_hash="bb" * 32, accepted=0)
    assert batches.record([structs.replace(BATCH, batch_id="new"), again], [ASIDE]) == {BATCH.key: BATCH}
    assert SetAsideRepository(engine).page() == []
    assert batches.known([(OWN, "edge-1", "new")]) == {}
    assert batches.known([BATCH.key, (OWN, "edge-2", "batch-1"), (OTHER, "edge-1", "batch-1")]) == {BATCH.key: BATCH}


def test_of_many_that_record_the_same_batches_at_once_each_batch_has_one_writer(database_url: str) -> None:
    opened = open_database(database_url)
    batches = BatchesRepository(opened)
    rows = [structs.replace(BATCH, batch_id=f"b{number}") for number in range(20)]
    start = threading.Barrier(4)

    def one(number: int) -> int:
        left = [structs.replace(row, accepted=number) for row in rows[number:] + rows[:number]]  # each in another order
        start.wait(30)
        while overtaken := batches.record(left, [replace(ASIDE, batch_id=row.batch_id) for row in left]):
            left = [row for row in left if row.key not in overtaken]
        return len(left)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == len(rows)
    assert SetAsideRepository(opened).counts() == {"unknown_point": len(rows) * ASIDE.count}
    opened.dispose()


def test_more_batches_than_one_query_takes_are_found(engine: Engine) -> None:
    batches = BatchesRepository(engine)
    rows = [structs.replace(BATCH, batch_id=f"b{number}") for number in range(STATEMENT_ROWS[0] * 2 + 1)]
    batches.record(rows, [])
    assert len(batches.known([row.key for row in rows])) == len(rows)


def test_groups_of_every_size_are_remembered_by_the_same_few_statements(engine: Engine) -> None:
    """The driver keeps each statement that it has seen, with its values: one for each size was 40 MB a connection."""
    seen: set[str] = set()

    def note(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "batches" in statement:
            seen.add(statement)

    event.listen(engine, "before_cursor_execute", note)
    batches, first = BatchesRepository(engine), 0
    for size in (*range(1, 50), 127, 128, 129, 500, 511, 700):
        rows = [structs.replace(BATCH, batch_id=f"b{first + number}") for number in range(size)]
        assert batches.known([row.key for row in rows]) == {}
        assert batches.record(rows, []) == {}
        first += size
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == first
    assert len(seen) == 2 * len(STATEMENT_ROWS) + 1  # to ask, to write, and the count above


def test_looking_for_batches_walks_through_no_table(engine: Engine) -> None:
    plans: list[str] = []

    def explain(connection: Connection, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "wanted" in statement and not statement.startswith("EXPLAIN"):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(str(row[3]) for row in rows)

    event.listen(engine, "before_cursor_execute", explain)
    assert BatchesRepository(engine).known([(OWN, "edge-1", "a"), (OTHER, "edge-2", "b")]) == {}
    assert any(plan.startswith("SEARCH batches USING INDEX") for plan in plans), plans
    assert not any(plan.startswith("SCAN batches") for plan in plans), plans


def test_batch_and_what_was_set_aside_of_it_are_one_transaction(engine: Engine) -> None:
    batches, aside = BatchesRepository(engine), SetAsideRepository(engine)
    with pytest.raises(Exception, match="payload"):
        batches.record([BATCH], [replace(ASIDE, payload=None)])  # type: ignore[arg-type]
    assert batches.known([BATCH.key]) == {}
    batches.record([BATCH], [ASIDE])
    (entry,) = aside.page()
    assert aside.get(entry.id) == ASIDE
    assert entry.payload_bytes == len(ASIDE.payload)


def test_old_batches_can_be_forgotten(engine: Engine) -> None:
    batches = BatchesRepository(engine)
    young = structs.replace(BATCH, batch_id="young", received_at_ms=2000)
    batches.record([BATCH, young], [])
    assert batches.forget_before(2000) == 1
    assert set(batches.known([BATCH.key, young.key])) == {young.key}


def test_set_aside_is_counted_and_listed_by_enterprise_and_reason(engine: Engine) -> None:
    aside = SetAsideRepository(engine)
    aside.add([ASIDE, replace(ASIDE, reason="in_future", count=2), replace(ASIDE, enterprise=OTHER)])
    assert aside.counts() == {"unknown_point": 6, "in_future": 2}
    assert aside.counts(OWN) == {"unknown_point": 3, "in_future": 2}
    assert [entry.reason for entry in aside.page(enterprise=OWN)] == ["unknown_point", "in_future"]
    first, second, third = aside.page()
    assert [entry.id for entry in aside.page(after=first.id)] == [second.id, third.id]
    assert [entry.id for entry in aside.page(reason="in_future")] == [second.id]
    assert aside.page(limit=1) == [first]
    assert aside.remove([first.id]) == 1
    assert aside.get(first.id) is None


def test_any_names_and_bytes_can_be_set_aside(engine: Engine) -> None:
    aside = SetAsideRepository(engine)
    wild = replace(
        ASIDE, enterprise="\x00" * 200, sender="\ud800" * 200, detail="x" * 10_000, payload=bytes(range(256))
    )
    aside.add([wild])
    (entry,) = aside.page()
    assert len(entry.enterprise) <= 64
    assert len(entry.sender) <= 160
    assert len(entry.detail) == MAX_DETAIL
    kept = aside.get(entry.id)
    assert kept is not None
    assert kept.payload == wild.payload


@pytest.mark.parametrize(("max_rows", "max_bytes", "kept"), [(3, 10**9, 3), (100, 45, 4), (100, 10**9, 10), (0, 0, 0)])
def test_trim_keeps_the_newest_within_both_limits(engine: Engine, max_rows: int, max_bytes: int, kept: int) -> None:
    aside = SetAsideRepository(engine)
    aside.add([replace(ASIDE, received_at_ms=number, payload=b"x" * 10) for number in range(10)])
    assert aside.trim(max_rows, max_bytes) == 10 - kept
    assert [entry.received_at_ms for entry in aside.page()] == list(range(10 - kept, 10))


def test_trim_drops_what_was_over_a_quota_before_anything_else(engine: Engine) -> None:
    aside = SetAsideRepository(engine)
    reasons = ["unknown_point", "over_quota", "over_quota", "conflict", "over_quota"]
    aside.add([replace(ASIDE, received_at_ms=number, reason=reason) for number, reason in enumerate(reasons)])
    assert aside.trim(3, 10**9) == 2
    assert [entry.received_at_ms for entry in aside.page()] == [0, 3, 4]


def test_newest_status_of_an_agent_stands(engine: Engine) -> None:
    statuses = AgentStatusRepository(engine)
    row = StatusRow(OWN, "edge-1", 1000, True, '{"online": true}')
    statuses.put([row, replace(row, agent="edge-2")])
    gone = replace(row, received_at_ms=2000, online=False)
    statuses.put([row, gone])
    assert statuses.of(OWN) == [gone, replace(row, agent="edge-2")]
    assert statuses.of(OTHER) == []
