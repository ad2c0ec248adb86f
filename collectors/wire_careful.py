"""The careful way to read a batch: slow, taken only by payloads that the fast path would not take.

It names what is wrong. A cell, row or quality that cannot be is spoiled and left out (its value becomes "not
available"), the rest of the batch is kept. A wrong shape around the cells raises `WireError`, because then nobody can
say which reading is whose.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import msgspec
import numpy as np

from collectors.errors import WireError
from collectors.reading import Batch, DeviceBlock, Float64s, SpoiledCell, UInt8s
from collectors.wire import MAX_NAME, REASONS, check_batch, check_names, is_time
from collectors.wire_forms import is_msgpack

# Kept of a spoiled cell's text: enough to recognise it, too little to fill a disk.
MAX_RAW = 200

# msgspec's messages begin with one of these; the rest of the message names the place.
_REASON_BY_MESSAGE = (
    ("Object contains unknown field", "unknown_field"),
    ("Object missing required field", "missing_field"),
    ("Expected `str` of length", "bad_name"),
    ("Expected", "wrong_type"),
)


class _Device(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    points: list[str]
    rows: list[Any]
    quality: list[Any] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    batch: str
    sent_at: int
    devices: list[_Device]


def parse_json(payload: bytes) -> Any:
    """JSON -> plain objects; NaN and Infinity become floats, a key that stands twice is an error. Raises WireError."""
    try:
        return json.loads(payload.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise WireError("undecodable", f"the bytes are not JSON in UTF-8: {error}") from error


def parse_msgpack(payload: bytes) -> Any:
    """A batch in MessagePack -> plain objects; a key that stands twice in a map is an error. Raises WireError."""
    try:
        document = _mapping(payload)
        if isinstance(document, dict) and isinstance(document.get("devices"), list):
            raws = msgspec.msgpack.decode(payload, type=_Devices).devices
            document["devices"] = [_mapping(bytes(raw)) for raw in raws]
        return document
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
        raise WireError("undecodable", f"the bytes are no MessagePack: {error}") from error


def raise_for(error: msgspec.ValidationError) -> NoReturn:
    """Turn msgspec's complaint into a WireError with one of our reasons."""
    message = str(error)
    reason = next((reason for start, reason in _REASON_BY_MESSAGE if message.startswith(start)), "wrong_type")
    raise WireError(reason, message) from error


def decode_carefully(payload: bytes) -> Batch:
    """JSON or MessagePack bytes -> Batch with its spoiled cells; raises WireError."""
    document = parse_msgpack(payload) if is_msgpack(payload) else parse_json(payload)
    try:
        wire = msgspec.convert(document, _Batch)
    except msgspec.ValidationError as error:
        raise_for(error)
    check_batch(wire.v, wire.batch, sum(len(device.rows) * len(device.points) for device in wire.devices))
    spoiled: list[SpoiledCell] = []
    blocks = tuple(_block(device, spoiled) for device in wire.devices)
    return Batch(wire.batch, wire.sent_at, blocks, tuple(spoiled))


def number_or_reason(cell: object) -> float | str:
    """The cell as a float (null is NaN), or the reason why it is none."""
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return "wrong_type"
    try:
        number = float(cell)
    except OverflowError:
        return "not_a_number"
    return number if math.isfinite(number) else "not_a_number"


def raw_text(cell: object) -> str:
    """JSON text of a spoiled cell, cut to MAX_RAW characters, plain ASCII. MessagePack has values that JSON has not."""
    try:
        return json.dumps(cell)[:MAX_RAW]
    except (TypeError, ValueError, RecursionError):
        return ascii(cell)[:MAX_RAW]


def check_name_lengths(*names: str) -> None:
    for name in names:
        if not 1 <= len(name) <= MAX_NAME:
            raise WireError("bad_name", REASONS["bad_name"])


class _Devices(msgspec.Struct):
    devices: list[msgspec.Raw]


def _mapping(raw: bytes) -> Any:
    """The value; a map must hold as many keys as it announces."""
    value = msgspec.msgpack.decode(raw)
    if isinstance(value, dict):
        width = {0xDE: 2, 0xDF: 4}.get(raw[0], 0)
        announced = int.from_bytes(raw[1 : 1 + width], "big") if width else raw[0] & 0x0F
        if len(value) != announced:
            raise WireError("duplicate_key", "a key stands twice in one map")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in document if keys.count(key) > 1)
        raise WireError("duplicate_key", f"the key {twice!a} stands twice in one object")
    return document


def _block(device: _Device, spoiled: list[SpoiledCell]) -> DeviceBlock:
    points = tuple(device.points)
    check_name_lengths(device.device, *points)
    check_names(device.device, points)
    if device.quality is not None and len(device.quality) != len(device.rows):
        counts = f"{len(device.rows)} rows but {len(device.quality)} rows of quality"
        raise WireError("wrong_length", f"device {device.device} has {counts}")
    times: list[int] = []
    values: list[list[float]] = []
    qualities: list[list[int]] = []
    for index, row in enumerate(device.rows):
        quality = None if device.quality is None else device.quality[index]
        reason = _row_reason(row, quality, len(points))
        if reason is not None:
            time = int(row[0]) if isinstance(row, list) and row and is_time(row[0]) else None
            spoiled.append(SpoiledCell(device.device, "", time, raw_text(row), reason))
            continue
        at_ms = int(row[0])
        cells, marks = _cells(device.device, points, at_ms, row[1:], quality, spoiled)
        times.append(at_ms)
        values.append(cells)
        qualities.append(marks)
    return DeviceBlock.of(
        device.device,
        points,
        np.array(times, dtype=np.int64),
        _table(values, len(points)),
        None if device.quality is None else _marks(qualities, len(points)),
    )


def _row_reason(row: object, quality: object, points: int) -> str | None:
    """Why a whole row is spoiled, or None."""
    if not isinstance(row, list):
        return "wrong_type"
    if len(row) != points + 1:
        return "wrong_length"
    if not is_time(row[0]):
        return "wrong_type"
    if quality is not None and (not isinstance(quality, list) or len(quality) != points):
        return "wrong_length"
    return None


def _cells(
    device: str,
    points: tuple[str, ...],
    at_ms: int,
    row: list[Any],
    quality: list[Any] | None,
    spoiled: list[SpoiledCell],
) -> tuple[list[float], list[int]]:
    """Values and qualities of one row; what is no number, or has no valid quality, becomes NaN and is noted."""
    cells: list[float] = []
    marks: list[int] = []
    for index, point in enumerate(points):
        number = number_or_reason(row[index])
        mark = 0 if quality is None else quality[index]
        if isinstance(mark, bool) or mark not in (0, 1, 2):
            number, mark = number if isinstance(number, str) else "bad_quality", 0
        if isinstance(number, str):
            spoiled.append(SpoiledCell(device, point, at_ms, raw_text(row[index]), number))
            number = math.nan
        cells.append(number)
        marks.append(int(mark))
    return cells, marks


def _table(rows: list[list[float]], points: int) -> Float64s:
    return np.array(rows, dtype=np.float64).reshape(len(rows), points)


def _marks(rows: list[list[int]], points: int) -> UInt8s:
    return np.array(rows, dtype=np.uint8).reshape(len(rows), points)
