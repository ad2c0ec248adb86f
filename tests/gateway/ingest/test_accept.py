"""What accepting promises: good readings stored, others set aside with a reason, receipts only after the commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.errors import StoreUnavailable
from collectors.reading import Batch, DeviceBlock
from collectors.wire import REASONS, ReasonCount, Receipt, decode_batch, encode_batch
from gateway.ingest.accept import KEPT_OF_OVERSIZED, accept_batches
from gateway.ingest.checks import CHECKS, READING_CHECKS
from gateway.ingest.intake import Arrival, IngestLimits, Intake

T0 = 1_760_000_000_000
NOW = T0 + 3_600_000
OWN = "91350500M00000000Y"
OTHER = "91350500M000000018"
ORDINARY = ("energy_import", "power")


def accept(house: Any, *payloads: bytes, sender: str = "edge-1", **more: Any) -> list[Receipt]:
    return accept_batches([Arrival(OWN, sender, payload, **more) for payload in payloads], house.intake, NOW)


def test_good_readings_are_stored_and_receipted(house: Any, payload_of: Any) -> None:
    (receipt,) = accept(house, payload_of(rows=[[T0, 1.5, 2.5], [T0 + 1, 3.5, 4.5]]))
    assert receipt == Receipt("batch-1", "stored", 4)
    assert house.series.rows == {(1, T0): 1.5, (2, T0): 2.5, (1, T0 + 1): 3.5, (2, T0 + 1): 4.5}
    assert house.reasons == []


def test_a_gateway_without_memory_gives_no_receipt_and_sets_nothing_aside(
    house: Any, payload_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_readings: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(house.series, "append", no_memory)
        with pytest.raises(MemoryError):
            accept(house, payload_of())
    assert house.reasons == [] and not house.batches.batches
    assert accept(house, payload_of())[0].status == "stored"


def test_null_is_neither_stored_nor_counted(house: Any, payload_of: Any) -> None:
    (receipt,) = accept(house, payload_of(rows=[[T0, 1.5, None], [T0 + 1, None, None]]))
    assert receipt == Receipt("batch-1", "stored", 1)
    assert house.series.rows == {(1, T0): 1.5}


def test_quality_is_stored_with_its_reading(house: Any) -> None:
    block = DeviceBlock.of(
        "incomer-1",
        ORDINARY,
        np.array([T0, T0 + 1]),
        np.array([[np.nan, 2.0], [3.0, 4.0]]),
        np.array([[0, 1], [2, 0]], np.uint8),
    )
    accept(house, encode_batch(Batch("a", T0, (block,))))
    assert house.series.appended[0].quality.tolist() == [1, 2, 0]
    assert house.series.appended[0].value.tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("rows", "device", "points", "reason", "accepted", "aside"),
    [
        ([[T0, 1, 2]], "pump-9", ORDINARY, "unknown_device", 0, 2),
        ([[T0, 1, 2], [T0 + 1, 3, 4]], "incomer-1", ("power", "colour"), "unknown_point", 2, 2),
        ([[NOW + 600_001, 1, 2], [NOW + 600_000, 3, 4]], "incomer-1", ORDINARY, "in_future", 2, 2),
        ([[0, 1, 2], [T0, 3, 4]], "incomer-1", ORDINARY, "too_old", 2, 2),
        ([[-5, 1, None], [T0, 3, 4]], "incomer-1", ORDINARY, "too_old", 2, 1),
        ([[T0, "x", 2]], "incomer-1", ORDINARY, "wrong_type", 1, 1),
        ([[T0, float("nan"), 2]], "incomer-1", ORDINARY, "not_a_number", 1, 1),
        ([[T0, 1], [T0, 3, 4]], "incomer-1", ORDINARY, "wrong_length", 2, 1),
    ],
)
def test_bad_readings_are_set_aside_and_the_rest_is_stored(
    house: Any, payload_of: Any, rows: Any, device: str, points: Any, reason: str, accepted: int, aside: int
) -> None:
    good = payload_of(batch="good", device="gas-1", points=["volume"], rows=[[T0, 9.0]])
    receipts = accept(house, payload_of(device=device, points=points, rows=rows), good)
    assert receipts[0] == Receipt("batch-1", "stored", accepted, aside, (ReasonCount(reason, aside),))
    assert receipts[1] == Receipt("good", "stored", 1)
    assert house.series.rows[3, T0] == 9.0
    (row,) = house.batches.set_aside
    assert (row.enterprise, row.sender, row.batch_id, row.reason, row.count) == (
        OWN,
        "edge-1",
        "batch-1",
        reason,
        aside,
    )
    assert row.detail
    assert row.payload


def test_set_aside_readings_are_kept_as_a_batch_that_can_be_sent_again(house: Any, payload_of: Any) -> None:
    rows = [[T0, 1, 2], [NOW + 10**9, 3, 4], [T0 + 1, 5, 6]]
    accept(house, payload_of(points=["power", "colour"], rows=rows))
    kept = {row.reason: decode_batch(row.payload).blocks[0] for row in house.batches.set_aside}
    assert (kept["unknown_point"].points, kept["unknown_point"].at_ms.tolist()) == (
        ("colour",),
        [T0, NOW + 10**9, T0 + 1],
    )
    assert kept["in_future"].points == ("power",)
    assert kept["in_future"].values.tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("arrival", "reason"),
    [
        (Arrival("nobody", "edge-1", b"{}"), "unknown_enterprise"),
        (Arrival(OWN, "edge-9", b"{}"), "unknown_agent"),
        (Arrival(OWN, "pump-9", b"{}", "telemetry"), "unknown_device"),
        (Arrival(OWN, "edge-1", b"{}", credential=f"{OTHER}/edge-1"), "other_enterprise"),
        (Arrival(OWN, "edge-1", b"x" * (1024 * 1024 + 1)), "too_large"),
        (Arrival(OWN, "edge-1", b"garbage"), "undecodable"),
        (Arrival(OWN, "edge-1", b'{"v":1,"batch":"a b","sent_at":1,"devices":[]}'), "bad_batch_id"),
        (Arrival(OWN, "edge-1", b'{"v":1,"batch":"a","sent_at":1,"devices":[],"x":1}'), "unknown_field"),
        (Arrival(OWN, "edge-1", b'{"v":1,"v":1,"batch":"a","sent_at":1,"devices":[]}'), "duplicate_key"),
    ],
)
def test_message_that_cannot_be_taken_is_rejected_with_its_bytes(house: Any, arrival: Arrival, reason: str) -> None:
    (receipt,) = accept_batches([arrival], house.intake, NOW)
    assert (receipt.status, receipt.accepted, receipt.reasons) == ("rejected", 0, (ReasonCount(reason, 1),))
    (row,) = house.batches.set_aside
    assert row.payload == arrival.payload[:KEPT_OF_OVERSIZED]
    assert row.reason == reason
    assert reason in REASONS
    assert house.series.appended == [] or len(house.series.appended[0]) == 0


def test_rejection_names_the_batch_so_that_its_sender_stops_sending_it(house: Any, payload_of: Any) -> None:
    (receipt,) = accept(house, payload_of(batch="poison", extra=1))
    assert (receipt.batch, receipt.status) == ("poison", "rejected")


def test_same_batch_again_is_a_duplicate_with_the_same_figures(house: Any, payload_of: Any) -> None:
    payload = payload_of(rows=[[T0, 1, None], [0, 1, 2]])
    (first,) = accept(house, payload)
    (again,) = accept(house, payload)
    assert again == Receipt(first.batch, "duplicate", first.accepted, first.set_aside, first.reasons)
    assert sum(len(columns) for columns in house.series.appended) == 1
    assert len(house.batches.set_aside) == 1


def test_same_batch_twice_in_one_group_is_stored_once(house: Any, payload_of: Any) -> None:
    payload = payload_of()
    first, again, conflict = accept(house, payload, payload, payload_of(rows=[[T0, 7, 7]]))
    assert (first.status, again.status, conflict.status) == ("stored", "duplicate", "conflict")
    assert again.accepted == first.accepted == 2
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_same_id_with_other_content_is_a_conflict_and_changes_nothing(house: Any, payload_of: Any) -> None:
    accept(house, payload_of())
    other = payload_of(rows=[[T0, 7, 7]])
    (receipt,) = accept(house, other)
    assert receipt == Receipt("batch-1", "conflict", 0, 2, (ReasonCount("conflict", 2),))
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}
    assert house.batches.set_aside[0].payload == other


def overtaken_by(house: Any, other: Callable[[], Any]) -> None:
    """Somebody else accepts something at the worst moment: after we looked up what is known."""
    known = house.batches.known

    def look(keys: Any) -> Any:
        found = dict(known(keys))
        house.batches.known = known
        other()
        return found

    house.batches.known = look


def test_batch_that_another_process_stored_meanwhile_is_a_duplicate_and_set_aside_once(
    house: Any, payload_of: Any
) -> None:
    both = [payload_of(batch="raced", rows=[[T0, 1, 2], [0, 3, 4]]), payload_of(batch="own", rows=[[T0, 5, "x"]])]
    theirs: list[Receipt] = []
    overtaken_by(house, lambda: theirs.extend(accept(house, both[0])))
    ours = accept(house, *both, both[0])
    assert [receipt.status for receipt in ours] == ["duplicate", "stored", "duplicate"]
    assert ours[0].accepted == theirs[0].accepted == 2
    assert house.reasons == [("too_old", 2), ("wrong_type", 1)]


def test_other_content_that_another_process_stored_meanwhile_is_a_conflict(house: Any, payload_of: Any) -> None:
    ours = payload_of(rows=[[T0 + 1, 7, 7]])
    overtaken_by(house, lambda: accept(house, payload_of()))
    assert [receipt.status for receipt in accept(house, ours, ours)] == ["conflict", "conflict"]
    assert house.reasons == [("conflict", 2)]
    assert house.batches.set_aside[0].payload == ours


def test_same_id_of_another_sender_is_another_batch(house: Any, payload_of: Any) -> None:
    accept(house, payload_of())
    (receipt,) = accept(house, payload_of(rows=[[T0, 7, 7]]), sender="edge-2")
    assert receipt.status == "stored"


@pytest.mark.parametrize("store", ["series", "batches"])
def test_nothing_is_receipted_while_a_store_is_away_and_nothing_is_lost(
    house: Any, payload_of: Any, store: str
) -> None:
    getattr(house, store).away = True
    with pytest.raises(StoreUnavailable):
        accept(house, payload_of())
    assert house.batches.batches == {}
    getattr(house, store).away = False
    (receipt,) = accept(house, payload_of())
    assert receipt == Receipt("batch-1", "stored", 2)
    assert house.series.rows == {(1, T0): 1.0, (2, T0): 2.0}


def test_poison_reading_is_isolated_and_everything_else_is_stored(house: Any, payload_of: Any) -> None:
    house.series.poison = {666.0}
    payloads = [payload_of(batch=f"b{n}", rows=[[T0 + n, n, n + 0.5]]) for n in range(20)]
    payloads[7] = payload_of(batch="b7", rows=[[T0 + 7, 666.0, 7.5]])
    receipts = accept(house, *payloads)
    assert receipts[7] == Receipt("b7", "stored", 1, 1, (ReasonCount("store_refused", 1),))
    assert all(receipt.accepted == 2 for receipt in receipts if receipt.batch != "b7")
    assert len(house.series.rows) == 39
    assert "this value is poison" in house.batches.set_aside[0].detail


def test_message_that_the_database_refuses_holds_nobody_up(house: Any, payload_of: Any) -> None:
    house.batches.refuses = {"edge-2"}
    arrivals = [Arrival(OWN, sender, payload_of(batch=sender)) for sender in ("edge-1", "edge-2")]
    receipts = accept_batches(arrivals, house.intake, NOW)
    assert [receipt.status for receipt in receipts] == ["stored", "rejected"]
    assert house.reasons == [("store_refused", 1)]


def test_mistake_of_our_own_sets_the_message_aside_and_goes_on(house: Any, payload_of: Any) -> None:
    class Clumsy(Exception):
        pass

    append = house.series.append

    def stumble(readings: Any) -> None:
        if 13.0 in readings.value.tolist():
            raise Clumsy("oops")
        append(readings)

    house.series.append = stumble
    receipts = accept(house, payload_of(batch="a"), payload_of(batch="b", rows=[[T0, 13, 1]]))
    assert [(receipt.batch, receipt.status) for receipt in receipts] == [("a", "stored"), ("b", "rejected")]
    assert house.reasons == [("failed", 1)]


def test_telemetry_is_stored_under_its_device(house: Any) -> None:
    payload = b'[{"ts": %d, "values": {"power": 1.2, "colour": 3}}, {"ts": %d, "values": {"power": 1.3}}]' % (
        T0,
        T0 + 1,
    )
    (receipt,) = accept(house, payload, sender="incomer-1", form="telemetry")
    assert (receipt.status, receipt.accepted, receipt.reasons) == ("stored", 2, (ReasonCount("unknown_point", 1),))
    assert house.series.rows == {(2, T0): 1.2, (2, T0 + 1): 1.3}
    (again,) = accept(house, payload, sender="incomer-1", form="telemetry")
    assert again.status == "duplicate"


def test_groups_are_bounded_and_committed_one_by_one(house: Any, payload_of: Any) -> None:
    intake = Intake(
        house.intake.timeseries,
        house.intake.registry,
        house.intake.batches,
        house.intake.statuses,
        IngestLimits(group_batches=4, group_bytes=10**6),
    )
    arrivals = [Arrival(OWN, "edge-1", payload_of(batch=f"b{n}", rows=[[T0 + n, n, n]])) for n in range(10)]
    receipts = accept_batches(arrivals, intake, NOW)
    assert [receipt.batch for receipt in receipts] == [f"b{n}" for n in range(10)]
    assert [len(columns) for columns in house.series.appended] == [8, 8, 4]


def test_every_check_has_a_reason_with_a_sentence() -> None:
    assert len(CHECKS) >= 9
    assert {check.reason for check in CHECKS} <= set(REASONS)
    assert all(check.advice(IngestLimits()) for check in READING_CHECKS)


cells = st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(float("nan")), st.just("x"))
times = st.sampled_from([0, T0, T0 + 1, T0 + 2, NOW + 10**8])
blocks = st.tuples(
    st.sampled_from(["incomer-1", "gas-1", "pump-9"]),
    st.lists(st.sampled_from(["energy_import", "power", "volume", "colour"]), unique=True, max_size=3),
    st.lists(st.tuples(times, cells, cells, cells), max_size=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(blocks, max_size=3), max_size=4))
def test_every_cell_is_stored_set_aside_or_not_available(new_house: Callable[[], Any], groups: list[Any]) -> None:
    house = new_house()
    sent = 0
    payloads = []
    for number, group in enumerate(groups):
        devices = [
            {"device": device, "points": points, "rows": [list(row[: len(points) + 1]) for row in rows]}
            for device, points, rows in group
        ]
        sent += sum(cell is not None for device in devices for row in device["rows"] for cell in row[1:])
        payloads.append(json.dumps({"v": 1, "batch": f"b{number}", "sent_at": 1, "devices": devices}).encode())
    receipts = accept(house, *payloads)
    assert sum(receipt.accepted + receipt.set_aside for receipt in receipts) == sent
    assert sum(receipt.accepted for receipt in receipts) == sum(len(columns) for columns in house.series.appended)
    assert sum(receipt.set_aside for receipt in receipts) == sum(count for _, count in house.reasons)
