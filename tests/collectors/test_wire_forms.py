"""Other spellings of a batch: same columns, same hash, same complaints; and no bomb unpacks."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import WireError
from collectors.wire import MAX_PAYLOAD_BYTES, content_hash, decode_batch, find_batch_id
from collectors.wire_forms import FORMS, READS, ZSTD_MAGIC, is_msgpack, unpacked

T0 = 1_760_000_000_000
DOCUMENT: dict[str, Any] = {
    "v": 1,
    "batch": "01K742SG00X9VXH3HPMF8SSXB4",
    "sent_at": T0,
    "devices": [
        {"device": "a", "points": ["energy_import", "power"], "rows": [[T0, 1.5, None], [T0 + 1, -2, 3e300]]},
        {"device": "b", "points": ["volume"], "rows": [[T0, 7.25]], "quality": [[1]]},
    ],
}
PLAIN = json.dumps(DOCUMENT).encode()
every_form = pytest.mark.parametrize("name", FORMS)


def with_row(*row: Any) -> bytes:
    return msgspec.msgpack.encode(DOCUMENT | {"devices": [DOCUMENT["devices"][1] | {"rows": [list(row)]}]})


def reason_of(payload: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_batch(payload)
    return caught.value.reason


@every_form
def test_every_form_says_the_same(name: str) -> None:
    body = FORMS[name].pack(PLAIN)
    assert content_hash(decode_batch(body)) == content_hash(decode_batch(PLAIN))
    assert find_batch_id(body) == DOCUMENT["batch"]


def test_reads_announces_what_the_forms_need() -> None:
    assert set().union(*(form.needs for form in FORMS.values())) == set(READS)


def test_json_is_never_taken_for_another_form() -> None:
    for opening in (b"{", b" {", b"\n{", b"[", b"\xef\xbb\xbf{", b"1", b'"'):
        assert not is_msgpack(opening)
        assert not opening.startswith(ZSTD_MAGIC)


@pytest.mark.parametrize("claims", [True, False])
def test_bomb_is_refused_by_the_limit(claims: bool) -> None:
    bomb = zstandard.ZstdCompressor(19, write_content_size=claims).compress(b" " * 300 * MAX_PAYLOAD_BYTES)
    assert len(bomb) < 100_000
    assert reason_of(bomb) == "too_large"
    assert find_batch_id(bomb) == ""


def test_frame_that_lies_about_its_size_is_refused() -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(b" " * 1000))
    at = frame.index((1000 - 256).to_bytes(2, "little"))  # RFC 8878, clause 3.1.1.1.4: two bytes hold the size less 256
    frame[at : at + 2] = (10).to_bytes(2, "little")
    assert reason_of(bytes(frame)) == "undecodable"


def test_limit_itself_still_unpacks() -> None:
    assert len(unpacked(zstandard.ZstdCompressor().compress(b" " * 1000), 1000)) == 1000
    with pytest.raises(WireError, match="exceeds 999 bytes"):
        unpacked(zstandard.ZstdCompressor().compress(b" " * 1000), 999)


@pytest.mark.parametrize(
    "payload",
    [
        ZSTD_MAGIC,
        FORMS["json+zstd"].pack(PLAIN)[:-3],
        FORMS["json+zstd"].pack(PLAIN) + b"x",
        FORMS["json+zstd"].pack(FORMS["json+zstd"].pack(PLAIN)),
        FORMS["msgpack"].pack(PLAIN)[:-3],
        FORMS["msgpack"].pack(PLAIN) + b"\x00",
        b"\x84",
        b"\xde\x00",
    ],
)
def test_damaged_bytes_are_undecodable(payload: bytes) -> None:
    assert reason_of(payload) == "undecodable"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (math.nan, "not_a_number"),
        (math.inf, "not_a_number"),
        ("7", "wrong_type"),
        (True, "wrong_type"),
        (b"\x00\xff", "wrong_type"),
        ({1: 2}, "wrong_type"),
        ({b"k": 2}, "wrong_type"),
        (msgspec.msgpack.Ext(5, b"x"), "wrong_type"),
    ],
)
def test_cell_that_is_no_number_is_spoiled_and_named(cell: Any, reason: str) -> None:
    batch = decode_batch(with_row(T0, cell))
    assert [spoiled.reason for spoiled in batch.spoiled] == [reason]
    assert math.isnan(batch.blocks[0].values[0, 0])


def test_null_is_not_available_also_among_others() -> None:
    batch = decode_batch(with_row(T0, None))
    assert batch.spoiled == ()
    assert math.isnan(batch.blocks[0].values[0, 0])


def test_key_that_stands_twice_is_an_error_in_messagepack_too() -> None:
    key = msgspec.msgpack.encode("v") + msgspec.msgpack.encode(1)
    batch = b"\x85" + key + FORMS["msgpack"].pack(PLAIN)[1:]
    assert reason_of(batch) == "duplicate_key"
    device = msgspec.msgpack.encode(DOCUMENT["devices"][1])
    twice = b"\x85" + msgspec.msgpack.encode("device") + msgspec.msgpack.encode("x") + device[1:]
    assert device[0] == 0x84
    whole = msgspec.msgpack.encode(DOCUMENT | {"devices": [DOCUMENT["devices"][1]]})
    assert reason_of(whole.replace(device, twice)) == "duplicate_key"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 2}, "unknown_version"),
        ({"batch": "no spaces"}, "bad_batch_id"),
        ({"more": 1}, "unknown_field"),
        ({"devices": 7}, "wrong_type"),
        ({"devices": [7]}, "wrong_type"),
        ({"sent_at": "now"}, "wrong_type"),
    ],
)
def test_wrong_shape_has_the_same_reason_in_both(change: dict[str, Any], reason: str) -> None:
    assert reason_of(json.dumps(DOCUMENT | change).encode()) == reason
    assert reason_of(msgspec.msgpack.encode(DOCUMENT | change)) == reason


@given(st.sampled_from([b"\x84", b"\x81\xa7devices", ZSTD_MAGIC, b"\xdf\x00\x00\x00\x04"]), st.binary(max_size=80))
def test_arbitrary_bytes_never_do_more_than_be_refused(opening: bytes, rest: bytes) -> None:
    try:
        decode_batch(opening + rest)
    except WireError as error:
        assert str(error)


@given(st.data())
def test_bytes_changed_anywhere_never_do_more_than_be_refused(data: st.DataObject) -> None:
    body = bytearray(FORMS[data.draw(st.sampled_from(sorted(FORMS)))].pack(PLAIN))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_batch(bytes(body))
    except WireError as error:
        assert str(error)
