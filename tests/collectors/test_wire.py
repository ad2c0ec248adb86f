"""What a batch is on the wire: exact both ways, strict about shape, forgiving about single cells."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import wire, wire_careful
from collectors.errors import WireError
from collectors.reading import Batch, DeviceBlock, Quality, Reading, batch_from_readings
from collectors.wire import (
    MAX_CELLS,
    MAX_PAYLOAD_BYTES,
    REASONS,
    ReasonCount,
    Receipt,
    content_hash,
    decode_batch,
    decode_receipt,
    encode_batch,
    encode_receipt,
    find_batch_id,
    new_batch_id,
)

T0 = 1_760_000_000_000
HASH_BY_THE_FIRST_VERSION = "9f406b45c7f8ac3a528e6fa12816fd11c96bfdd23d8f073444109871109c66d0"


def a_document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "v": 1,
        "batch": "01K742SG00X9VXH3HPMF8SSXB4",
        "sent_at": T0,
        "devices": [
            {
                "device": "incomer-1",
                "points": ["energy_import", "power"],
                "rows": [[T0, 12345.6, 301.2], [T0 + 60_000, 12350.6, None]],
                "quality": [[0, 0], [0, 2]],
            }
        ],
    }
    return document | changes


def a_payload(**changes: Any) -> bytes:
    return json.dumps(a_document(**changes)).encode()


def with_device(**changes: Any) -> bytes:
    document = a_document()
    document["devices"][0] |= changes
    return json.dumps(document).encode()


def reason_of(payload: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_batch(payload)
    return caught.value.reason


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
values = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(math.nan))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    blocks = []
    for device in draw(st.lists(names, max_size=3)):
        points = draw(st.lists(names, unique=True, max_size=4))
        rows = draw(st.integers(0, 5))
        quality = draw(st.one_of(st.none(), st.lists(st.integers(0, 2), min_size=20, max_size=20)))
        shape = (rows, len(points))
        count = rows * len(points)
        blocks.append(
            DeviceBlock.of(
                device,
                tuple(points),
                np.array(draw(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=rows, max_size=rows)), np.int64),
                np.array(draw(st.lists(values, min_size=count, max_size=count)), np.float64).reshape(shape),
                None if quality is None else np.array(quality[:count], np.uint8).reshape(shape),
            )
        )
    return Batch(new_batch_id(T0), draw(st.integers(0, 2**53)), tuple(blocks))


def assert_same(left: Batch, right: Batch) -> None:
    assert (left.batch_id, left.sent_at_ms, left.spoiled) == (right.batch_id, right.sent_at_ms, right.spoiled)
    assert len(left.blocks) == len(right.blocks)
    for one, other in zip(left.blocks, right.blocks, strict=True):
        assert (one.device, one.points) == (other.device, other.points)
        np.testing.assert_array_equal(one.at_ms, other.at_ms, strict=True)
        np.testing.assert_array_equal(one.values, other.values, strict=True)
        assert (one.quality is None) == (other.quality is None)
        if one.quality is not None and other.quality is not None:
            np.testing.assert_array_equal(one.quality, other.quality, strict=True)


@given(batches())
def test_what_is_encoded_is_decoded_to_the_bit(batch: Batch) -> None:
    assert_same(decode_batch(encode_batch(batch)), batch)


@given(batches())
def test_fast_and_careful_path_agree_on_good_payloads(batch: Batch) -> None:
    payload = encode_batch(batch)
    assert_same(wire_careful.decode_carefully(payload), decode_batch(payload))


def test_ordinary_batch_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(payload: bytes) -> Batch:
        raise AssertionError("the careful path was taken")

    monkeypatch.setattr(wire_careful, "decode_carefully", refuse)
    batch = decode_batch(a_payload())
    assert batch.cells == 4
    assert batch.blocks[0].points == ("energy_import", "power")
    assert np.isnan(batch.blocks[0].values[1, 1])
    with pytest.raises(AssertionError):
        decode_batch(with_device(rows=[[T0, 1.0, "x"]], quality=None))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "undecodable"),
        (b"\x00\x01garbage", "undecodable"),
        (b"\xff\xfe{}", "undecodable"),
        (a_payload().decode().encode("utf-16"), "undecodable"),
        (a_payload()[:-10], "undecodable"),
        (b"[" * 500_000, "undecodable"),
        (b"null", "wrong_type"),
        (b"[]", "wrong_type"),
        (a_payload(v=2), "unknown_version"),
        (a_payload(extra=1), "unknown_field"),
        (with_device(extra=1), "unknown_field"),
        (b'{"v": 1, "batch": "a", "devices": []}', "missing_field"),
        (a_payload(batch=7), "wrong_type"),
        (a_payload(batch="a b"), "bad_batch_id"),
        (a_payload(batch=""), "bad_batch_id"),
        (a_payload(batch="x" * 65), "bad_batch_id"),
        (a_payload(devices={}), "wrong_type"),
        (with_device(points="power"), "wrong_type"),
        (with_device(rows=None), "wrong_type"),
        (with_device(device=""), "bad_name"),
        (with_device(device="x" * 65), "bad_name"),
        (with_device(device="a\ud800"), "bad_name"),
        (with_device(device="a\x00"), "bad_name"),
        (with_device(points=["power", "power"]), "duplicate_key"),
        (with_device(quality=[[0, 0]]), "wrong_length"),
        (b'{"v": 1, "v": 1, "batch": "a", "sent_at": 1, "devices": []}', "duplicate_key"),
        (
            b'{"v":1,"batch":"a","sent_at":1,"devices":[{"device":"d","device":"e","points":[],"rows":[]}]}',
            "duplicate_key",
        ),
        (with_device(rows=[[T0, 1, 2]] * (MAX_CELLS // 2 + 1), quality=None), "too_large"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "too_large"),
    ],
)
def test_payload_of_wrong_shape_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    assert reason in REASONS
    assert reason_of(payload) == reason


@pytest.mark.parametrize(
    ("row", "spoiled"),
    [
        ("[1, NaN, 2]", ("p", 1, "not_a_number")),
        ("[1, -Infinity, 2]", ("p", 1, "not_a_number")),
        ("[1, 1e400, 2]", ("p", 1, "not_a_number")),
        (f"[1, {'9' * 400}, 2]", ("p", 1, "not_a_number")),
        ('[1, "12.5", 2]', ("p", 1, "wrong_type")),
        ("[1, 5, true]", ("q", 1, "wrong_type")),
        ("[1, 5, {}]", ("q", 1, "wrong_type")),
        ("[1, 5]", ("", 1, "wrong_length")),
        ("[1, 5, 6, 7]", ("", 1, "wrong_length")),
        ("[]", ("", None, "wrong_length")),
        ("{}", ("", None, "wrong_type")),
        ('["1", 5, 6]', ("", None, "wrong_type")),
        ("[1.5, 5, 6]", ("", None, "wrong_type")),
        ("[null, 5, 6]", ("", None, "wrong_type")),
        ("[true, 5, 6]", ("", None, "wrong_type")),
        ("[1e300, 5, 6]", ("", None, "wrong_type")),
        ("[NaN, 5, 6]", ("", None, "wrong_type")),
    ],
)
def test_spoiled_cell_leaves_the_rest_of_the_batch(row: str, spoiled: tuple[str, int | None, str]) -> None:
    device = f'{{"device":"d","points":["p","q"],"rows":[[10,1,2],{row},[20,3,4]]}}'
    batch = decode_batch(f'{{"v":1,"batch":"a","sent_at":1,"devices":[{device}]}}'.encode())
    (cell,) = batch.spoiled
    assert (cell.point, cell.at_ms, cell.reason) == spoiled
    assert cell.raw.isascii()
    assert cell.reason in REASONS
    kept = batch.blocks[0]
    assert {10, 20} <= set(kept.at_ms.tolist())
    assert np.isfinite(kept.values[[0, -1]]).all()


def test_bad_quality_spoils_its_cell_only() -> None:
    batch = decode_batch(with_device(quality=[[0, 9], [True, 0]]))
    assert [(cell.point, cell.reason) for cell in batch.spoiled] == [
        ("power", "bad_quality"),
        ("energy_import", "bad_quality"),
    ]
    assert np.isnan(batch.blocks[0].values).tolist() == [[False, True], [True, True]]


def test_every_validation_message_of_the_library_has_a_reason() -> None:
    """msgspec's wording is not a promise: this test fails when an upgrade changes it."""
    for document, reason in (
        ({"x": 1}, "unknown_field"),
        ({}, "missing_field"),
        ([], "wrong_type"),
    ):
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(document, wire_careful._Batch)
        with pytest.raises(WireError) as turned:
            wire_careful.raise_for(caught.value)
        assert turned.value.reason == reason


def test_content_hash_ignores_spelling_and_sending_time() -> None:
    one = decode_batch(a_payload())
    other = decode_batch(json.dumps(a_document(sent_at=T0 + 5), indent=2).replace("301.2", "3.0120e2").encode())
    assert content_hash(one) == content_hash(other)


@pytest.mark.parametrize(
    "change",
    [
        {"device": "incomer-2"},
        {"points": ["power", "energy_import"]},
        {"rows": [[T0, 12345.6, 301.2], [T0 + 60_000, 12350.7, None]]},
        {"rows": [[T0 + 1, 12345.6, 301.2], [T0 + 60_000, 12350.6, None]]},
        {"rows": [[T0, 12345.6, 301.2], [T0 + 60_000, 12350.6, "x"]]},
        {"quality": [[0, 0], [0, 1]]},
    ],
)
def test_content_hash_sees_every_change(change: dict[str, Any]) -> None:
    assert content_hash(decode_batch(with_device(**change))) != content_hash(decode_batch(a_payload()))


@pytest.mark.parametrize("decode", [decode_batch, wire_careful.decode_carefully])
def test_content_hash_stays_what_databases_already_remember(decode: Callable[[bytes], Batch]) -> None:
    other = {"device": "gas-1", "points": ["volume"], "rows": [[T0, -0.0]]}
    empty = {"device": "empty", "points": ["volume"], "rows": []}
    document = a_document(devices=[*a_document()["devices"], other, empty])
    assert content_hash(decode(json.dumps(document).encode())) == HASH_BY_THE_FIRST_VERSION


def test_infinite_value_goes_out_as_not_available() -> None:
    block = DeviceBlock.of("d", ("p",), np.array([1], np.int64), np.array([[math.inf]]))
    assert np.isnan(decode_batch(encode_batch(Batch("a", 1, (block,)))).blocks[0].values).all()


def test_readings_survive_the_way_through_batch_and_wire() -> None:
    readings = [Reading("d", "p", T0, 1.5), Reading("d", "q", T0, None), Reading("e", "p", T0, -2.0, Quality.BAD)]
    decoded = decode_batch(encode_batch(batch_from_readings("a", T0, readings)))
    assert [block.device for block in decoded.blocks] == ["d", "e"]
    assert decoded.blocks[1].quality is not None
    assert decoded.blocks[1].quality.tolist() == [[2]]


def test_batch_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [new_batch_id(T0 + offset) for offset in range(100)]
    assert ids == sorted(ids)
    assert len({new_batch_id(T0) for _ in range(1000)}) == 1000
    assert all(len(one) == 26 and wire.BATCH_ID.match(one) for one in ids)


def test_batch_id_is_found_in_broken_bytes() -> None:
    assert find_batch_id(a_payload()[:-30]) == "01K742SG00X9VXH3HPMF8SSXB4"
    assert find_batch_id(b"\xff\xff") == ""
    assert find_batch_id(a_payload(batch="a b")) == ""


def test_receipt_goes_both_ways_and_passes_over_new_keys() -> None:
    receipt = Receipt("a", "stored", 3, 1, (ReasonCount("unknown_point", 1),))
    assert decode_receipt(encode_receipt(receipt)) == receipt
    assert decode_receipt(b'{"batch": "a", "status": "duplicate", "new": [1]}') == Receipt("a", "duplicate")


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b'{"batch": "a", "status": "perhaps"}', b"[" * 100_000])
def test_bytes_that_are_no_receipt_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_receipt(payload)
    assert caught.value.reason == "undecodable"
