"""Batches and receipts as bytes: version 1 of what travels between an agent and the gateway.

What stays true:
- `decode_batch(encode_batch(batch))` gives the same columns, to the bit.
- A well-formed payload takes the fast path: typed decoding straight into columns. Anything else takes the careful one
  (`collectors.wire_careful`), which finds out what is wrong: a cell that is no number is spoiled and the rest of the
  batch is kept; a payload whose shape is wrong raises `WireError`. Both paths give the same result where both succeed.
- A batch id is made once, where the batch is born. Its content hash does not depend on `sent_at` or on JSON spelling.

- MessagePack and zstd are other spellings of the same (`collectors.wire_forms`): they give the same columns and hash.

Limits: MAX_PAYLOAD_BYTES a payload, as sent and unpacked; MAX_CELLS readings, MAX_NAME characters a name. UTF-8 only.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import struct
from functools import lru_cache
from itertools import chain
from typing import Annotated, Literal, cast

import msgspec

from collectors.errors import WireError
from collectors.reading import Batch, DeviceBlock
from collectors.wire_forms import READS, is_msgpack, unpacked

VERSION = 1
MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_CELLS = 50_000
MAX_NAME = 64
# Shapes of blocks whose names were checked and need not be again.
REMEMBERED_BLOCKS = 4_096
# Beyond this a float64 no longer tells neighbouring milliseconds apart.
MAX_TIME_MS = 2**53

BATCH_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_BATCH_ID_IN_JSON = re.compile(rb'"batch"\s*:\s*"([0-9A-Za-z_-]{1,64})"')
# The key, then a text of up to 31 bytes, or of up to 255 (MessagePack specification, "str format family").
_BATCH_ID_IN_MSGPACK = re.compile(rb"\xa5batch(?:[\xa1-\xbf]|\xd9.)([0-9A-Za-z_-]{1,64})", re.DOTALL)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# Why bytes or readings were not stored: every reason on a receipt or in the set-aside list stands here.
REASONS: dict[str, str] = {
    "undecodable": "the bytes are not JSON in UTF-8, nor MessagePack",
    "unknown_version": f"the batch is not of version {VERSION}",
    "unknown_field": "an object holds a key that the format does not have",
    "missing_field": "a key that the format requires is missing",
    "duplicate_key": "an object holds the same key twice, or a block names the same point twice",
    "wrong_type": "a value is of another JSON type than the format asks for",
    "wrong_length": "a row does not have one cell for the time and one for each point",
    "bad_batch_id": "the batch id is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -",
    "bad_name": f"a device or point name is empty, unprintable or longer than {MAX_NAME} characters",
    "bad_quality": "a quality is not 0, 1 or 2",
    "not_a_number": "a value is NaN, infinite or too large for a 64-bit float",
    "too_large": f"the message exceeds {MAX_PAYLOAD_BYTES} bytes or {MAX_CELLS} readings",
    "unknown_enterprise": "the enterprise is not in the registry",
    "unknown_agent": "the agent is not registered for this enterprise",
    "unknown_device": "the device is not registered for this enterprise",
    "unknown_point": "the device has no such point in the registry",
    "other_enterprise": "the sender's credential belongs to another enterprise or agent",
    "in_future": "the time lies ahead of the gateway's clock by more than the tolerance",
    "too_old": "the time lies before the oldest that is accepted",
    "unsigned": "the enterprise requires signatures, and the message carries none",
    "unknown_key": "the enterprise requires signatures, and the key is not registered for this sender",
    "expired_key": "the enterprise requires signatures, and the key was no longer valid",
    "bad_signature": "the message carries a signature that its key did not make",
    "conflict": "the batch id was used before for other content",
    "over_quota": "more than the device's quota, or telemetry beyond its sender's: nobody would send it again",
    "store_refused": "a store refuses this and would refuse it again",
    "failed": "the gateway tripped over it by a mistake of its own, which stands in its log",
}

_MARKS = frozenset({0, 1, 2})  # of quality

Status = Literal["stored", "duplicate", "conflict", "rejected"]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]


class _WireDevice(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One device's block, as spelled on the wire."""

    device: _Name
    points: tuple[_Name, ...]
    rows: list[list[float | None]]
    quality: list[list[int]] | None = None


class _WireBatch(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    batch: str
    sent_at: int
    devices: list[_WireDevice]


class _PackedBatch(msgspec.Struct, forbid_unknown_fields=True):
    """The same in MessagePack: devices are kept as bytes first, to see how many keys each of them has."""

    v: int
    batch: str
    sent_at: int
    devices: list[msgspec.Raw]


class ReasonCount(msgspec.Struct, frozen=True, gc=False):
    reason: str  # a name out of REASONS
    count: int  # readings, or 1 for a message that could not be read


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The gateway's word on one batch, given after the commit. Whatever its status, the edge need not send it again."""

    batch: str  # "" where the id could not be read
    status: Status
    accepted: int = 0  # readings stored; "not available" cells are neither accepted nor set aside
    set_aside: int = 0
    reasons: tuple[ReasonCount, ...] = ()
    at: int | None = None  # epoch milliseconds of the gateway's clock when it answered; None = it did not say
    reads: tuple[str, ...] = ()  # what the gateway reads beside plain JSON: names out of wire_forms.READS


_BATCH_DECODER = msgspec.json.Decoder(_WireBatch)
_PACKED_BATCH_DECODER = msgspec.msgpack.Decoder(_PackedBatch)
_PACKED_DEVICE_DECODER = msgspec.msgpack.Decoder(_WireDevice)
_RECEIPT_DECODER = msgspec.json.Decoder(Receipt)
_ENCODER = msgspec.json.Encoder()


def new_batch_id(now_ms: int) -> str:
    """A ULID: 48 bits of time, 80 of chance, sortable as text (github.com/ulid/spec)."""
    number = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def first_batch_id(at_ms: int) -> str:
    """The smallest id that `new_batch_id` can give at a time: ids from then on sort at or after it."""
    number = at_ms << 80
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def encode_batch(batch: Batch) -> bytes:
    """Batch -> JSON bytes. A value that is not finite goes out as null; spoiled cells are not repeated."""
    devices = [
        _WireDevice(
            block.device,
            block.points,
            [[at_ms, *row] for at_ms, row in zip(block.at_ms.tolist(), block.values.tolist(), strict=True)],
            None if block.quality is None else block.quality.tolist(),
        )
        for block in batch.blocks
    ]
    return _ENCODER.encode(_WireBatch(VERSION, batch.batch_id, batch.sent_at_ms, devices))


def decode_batch(payload: bytes) -> Batch:
    """Bytes in any of the forms -> Batch in columns; raises WireError with a reason out of REASONS."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("too_large", f"the message has {len(payload)} bytes; send at most {MAX_PAYLOAD_BYTES}")
    plain = payload if payload.startswith(b"{") else unpacked(payload, MAX_PAYLOAD_BYTES)
    batch = _decode_msgpack_fast(plain) if is_msgpack(plain) else _decode_fast(plain)
    if batch is None:
        from collectors.wire_careful import decode_carefully

        batch = decode_carefully(plain)
    return batch


def find_batch_id(payload: bytes) -> str:
    """The batch id of bytes that may be anything, so that even a rejection can name it; "" if there is none."""
    try:
        plain = unpacked(payload, MAX_PAYLOAD_BYTES)
    except WireError:
        return ""
    pattern = _BATCH_ID_IN_MSGPACK if is_msgpack(plain) else _BATCH_ID_IN_JSON
    found = pattern.search(plain, 0, 64 * 1024)
    return found.group(1).decode() if found else ""


def content_hash(batch: Batch) -> str:
    """SHA-256 (hex) of what the batch says: equal for the same readings however they were spelled or when sent."""
    parts: list[bytes] = []
    for block in batch.blocks:
        shape = len(block), len(block.points)
        parts += (_block_head(block.device, block.points, shape, block.quality_bytes is None), block.time_bytes)
        parts += (block.value_bytes, block.quality_bytes or b"")
    if batch.spoiled:
        parts.append(repr(batch.spoiled).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


@lru_cache(maxsize=REMEMBERED_BLOCKS)
def _block_head(*shape: object) -> bytes:
    return repr(shape).encode()


def stamped(receipt: Receipt, now_ms: int) -> Receipt:
    """The receipt as it leaves: with the time of our clock, and with what we read."""
    return Receipt(receipt.batch, receipt.status, receipt.accepted, receipt.set_aside, receipt.reasons, now_ms, READS)


def encode_receipt(receipt: Receipt) -> bytes:
    return _ENCODER.encode(receipt)


def decode_receipt(payload: bytes) -> Receipt:
    """JSON bytes -> Receipt; raises WireError. Keys of a newer gateway are passed over."""
    try:
        return _RECEIPT_DECODER.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError("undecodable", f"not a receipt: {error}") from error


def check_batch(version: int, batch_id: str, cells: int) -> None:
    """What both paths demand of a batch as a whole; raises WireError."""
    if version != VERSION:
        raise WireError("unknown_version", f"v is {version}; this gateway reads version {VERSION}")
    if not BATCH_ID.match(batch_id):
        raise WireError("bad_batch_id", REASONS["bad_batch_id"])
    if cells > MAX_CELLS:
        raise WireError("too_large", f"the batch holds {cells} readings; send at most {MAX_CELLS} in one")


def check_names(device: str, points: tuple[str, ...]) -> None:
    """What both paths demand of names: printable, so that they can stand in any store and message; no point twice."""
    for name in (device, *points):
        if not name.isprintable():
            raise WireError("bad_name", f"the name {name!a} holds characters that cannot be printed")
    if len(set(points)) != len(points):
        raise WireError("duplicate_key", f"device {device} names the same point twice")


def _decode_fast(payload: bytes) -> Batch | None:
    """The batch, or None if anything at all is unusual: then the careful path decides."""
    try:
        wire = _BATCH_DECODER.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    # Each key brings one colon. More colons than keys: a key stands twice, or a name holds a colon.
    keys = 4 + sum([3 if device.quality is None else 4 for device in wire.devices])
    if payload.count(b":") != keys:
        return None
    return _batch(wire.v, wire.batch, wire.sent_at, wire.devices, may_hold_nan=False)


def _decode_msgpack_fast(payload: bytes) -> Batch | None:
    """The same for MessagePack. A map says how many keys it has: more than were found means that one stands twice."""
    try:
        wire = _PACKED_BATCH_DECODER.decode(payload)
        devices = [_PACKED_DEVICE_DECODER.decode(raw) for raw in wire.devices]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    sizes = [0x80 + (3 if device.quality is None else 4) for device in devices]
    if payload[0] != 0x84 or sizes != [memoryview(raw)[0] for raw in wire.devices]:
        return None
    return _batch(wire.v, wire.batch, wire.sent_at, devices, may_hold_nan=True)


def _batch(v: int, batch_id: str, sent_at: int, devices: list[_WireDevice], *, may_hold_nan: bool) -> Batch | None:
    check_batch(v, batch_id, sum([len(device.rows) * len(device.points) for device in devices]))
    blocks = []
    for device in devices:
        block = _block(device, may_hold_nan=may_hold_nan)
        if block is None:
            return None
        blocks.append(block)
    return Batch(batch_id, sent_at, tuple(blocks))


def _block(device: _WireDevice, *, may_hold_nan: bool) -> DeviceBlock | None:
    name, points = _checked_names(device.device, device.points)
    rows, width = device.rows, len(points) + 1
    if rows and set(map(len, rows)) != {width}:
        return None
    values = [*chain.from_iterable(rows)]
    times = values[::width]
    del values[::width]
    time_bytes = _time_bytes(times)
    value_bytes = _value_bytes(values, may_hold_nan=may_hold_nan)
    if time_bytes is None or value_bytes is None:
        return None
    quality_bytes = None
    if device.quality is not None:
        quality_bytes = _quality_bytes(device.quality, len(rows), len(points))
        if quality_bytes is None:
            return None
    return DeviceBlock(name, points, time_bytes, value_bytes, quality_bytes)


@lru_cache(maxsize=REMEMBERED_BLOCKS)
def _checked_names(device: str, points: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The same names, checked once: a device sends the same points again and again."""
    check_names(device, points)
    return device, points


def _time_bytes(times: list[float | None]) -> bytes | None:
    """A column of whole milliseconds, or None if one is none."""
    try:
        whole = [*map(int, cast(list[float], times))]
    except (TypeError, ValueError, OverflowError):
        return None
    if whole != times or (whole and not -MAX_TIME_MS < min(whole) <= max(whole) < MAX_TIME_MS):
        return None
    return struct.pack(f"{len(whole)}q", *whole)


def _value_bytes(values: list[float | None], *, may_hold_nan: bool) -> bytes | None:
    """A column of numbers, null as NaN; None if one is not finite, which only MessagePack can say."""
    if may_hold_nan and not all(value is None or math.isfinite(value) for value in values):
        return None
    form = f"{len(values)}d"
    try:
        return struct.pack(form, *values)
    except struct.error:  # it takes no None
        return struct.pack(form, *[math.nan if value is None else value for value in values])


def _quality_bytes(rows: list[list[int]], height: int, width: int) -> bytes | None:
    if len(rows) != height or not all(len(row) == width for row in rows):
        return None
    marks = [*chain.from_iterable(rows)]
    return bytes(marks) if _MARKS.issuperset(marks) else None


def is_time(value: object) -> bool:
    """Whether a JSON value can be a time: a whole number of milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < MAX_TIME_MS and int(value) == value
