"""Telemetry of simple devices: as forgiving about cells and as strict about shape as batches are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from collectors.errors import WireError
from collectors.wire import BATCH_ID, MAX_CELLS, MAX_PAYLOAD_BYTES
from gateway.ingest.telemetry import decode_telemetry

T0 = 1_760_000_000_000


def decode(document: Any) -> Any:
    return decode_telemetry(json.dumps(document).encode(), "pump-1")


def test_one_sample_is_a_batch_of_one_row() -> None:
    batch = decode({"ts": T0, "values": {"power": 1.2, "voltage": None}})
    (block,) = batch.blocks
    assert (block.device, block.points, block.at_ms.tolist()) == ("pump-1", ("power", "voltage"), [T0])
    assert block.values[0, 0] == 1.2
    assert np.isnan(block.values[0, 1])


def test_samples_with_the_same_points_share_a_block_and_keep_their_order() -> None:
    batch = decode(
        [{"ts": T0 + n, "values": {"power": n}} for n in range(3)] + [{"ts": T0, "values": {"voltage": 230}}]
    )
    assert [(block.points, len(block)) for block in batch.blocks] == [(("power",), 3), (("voltage",), 1)]


def test_same_bytes_make_the_same_id_and_other_bytes_another() -> None:
    first, again = decode({"ts": T0, "values": {"power": 1}}), decode({"ts": T0, "values": {"power": 1}})
    assert first.batch_id == again.batch_id != decode({"ts": T0 + 1, "values": {"power": 1}}).batch_id
    assert BATCH_ID.match(first.batch_id)


@pytest.mark.parametrize(
    ("cell", "reason"), [("12", "wrong_type"), (True, "wrong_type"), (float("nan"), "not_a_number"), ({}, "wrong_type")]
)
def test_spoiled_value_leaves_the_others(cell: Any, reason: str) -> None:
    batch = decode({"ts": T0, "values": {"power": cell, "voltage": 230}})
    assert [(one.point, one.at_ms, one.reason) for one in batch.spoiled] == [("power", T0, reason)]
    assert batch.blocks[0].values[0, 1] == 230


@pytest.mark.parametrize("ts", [None, "2026", True, 1.5, 2**60])
def test_sample_without_a_time_is_spoiled_and_the_others_are_kept(ts: Any) -> None:
    batch = decode([{"ts": ts, "values": {"power": 1}}, {"ts": T0, "values": {"power": 2}}])
    assert [one.at_ms for one in batch.spoiled] == [None]
    assert batch.blocks[0].values.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "undecodable"),
        (b"{", "undecodable"),
        (b"7", "wrong_type"),
        (b'{"values": {}}', "missing_field"),
        (b'{"ts": 1}', "missing_field"),
        (b'{"ts": 1, "values": {}, "x": 1}', "unknown_field"),
        (b'{"ts": 1, "values": 3}', "wrong_type"),
        (b'{"ts": 1, "ts": 1, "values": {}}', "duplicate_key"),
        (b'{"ts": 1, "values": {"a": 1, "a": 2}}', "duplicate_key"),
        (b'{"ts": 1, "values": {"": 1}}', "bad_name"),
        (b'{"ts": 1, "values": {"a\\u0000": 1}}', "bad_name"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "too_large"),
        (json.dumps([{"ts": 1, "values": {"a": 1, "b": 2}}] * (MAX_CELLS // 2 + 1)).encode()[:], "too_large"),
    ],
)
def test_shape_that_is_wrong_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_telemetry(payload, "pump-1")
    assert caught.value.reason == reason
