"""Simple telemetry: `{"ts": …, "values": {"power": 1.2}}` or a list, from a device that knows nothing of batches.

What stays true: the batch id is made from the content, so that the same message sent again is a duplicate and not a
second set of readings. A value that is no number is spoiled; the others are kept. `ts` is required: a reading without
its own time could not be told from its repetition.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec
import numpy as np

from collectors.errors import WireError
from collectors.reading import Batch, DeviceBlock, SpoiledCell
from collectors.wire import MAX_CELLS, MAX_PAYLOAD_BYTES, MAX_TIME_MS, check_names, is_time
from collectors.wire_careful import check_name_lengths, number_or_reason, parse_json, raise_for, raw_text


class _Sample(msgspec.Struct, forbid_unknown_fields=True):
    ts: int
    values: dict[str, float | None]


class _LooseSample(msgspec.Struct, forbid_unknown_fields=True):
    ts: Any
    values: dict[str, Any]


_DECODER = msgspec.json.Decoder(_Sample | list[_Sample])


def decode_telemetry(payload: bytes, device: str) -> Batch:
    """Telemetry bytes of one device -> Batch; raises WireError with a reason out of REASONS."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("too_large", f"the message has {len(payload)} bytes; send at most {MAX_PAYLOAD_BYTES}")
    batch_id = f"t-{hashlib.sha256(payload).hexdigest()[:40]}"
    samples = _decode_fast(payload)
    spoiled: list[SpoiledCell] = []
    if samples is None:
        samples = _decode_carefully(payload, device, spoiled)
    cells = sum(len(sample.values) for sample in samples)
    if cells > MAX_CELLS:
        raise WireError("too_large", f"the message holds {cells} readings; send at most {MAX_CELLS} in one")
    return Batch(batch_id, 0, _blocks(samples, device), tuple(spoiled))


def _decode_fast(payload: bytes) -> list[_Sample] | None:
    try:
        decoded = _DECODER.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    samples = decoded if isinstance(decoded, list) else [decoded]
    # Each key brings one colon: more of them and a key stands twice, or a name holds a colon.
    if payload.count(b":") != sum(2 + len(sample.values) for sample in samples):
        return None
    return samples if all(abs(sample.ts) < MAX_TIME_MS for sample in samples) else None


def _decode_carefully(payload: bytes, device: str, spoiled: list[SpoiledCell]) -> list[_Sample]:
    document = parse_json(payload)
    try:
        loose = msgspec.convert(document if isinstance(document, list) else [document], list[_LooseSample])
    except msgspec.ValidationError as error:
        raise_for(error)
    samples = []
    for sample in loose:
        if not is_time(sample.ts):
            whole = raw_text({"ts": sample.ts, "values": sample.values})
            spoiled.append(SpoiledCell(device, "", None, whole, "wrong_type"))
            continue
        values: dict[str, float | None] = {}
        for point, cell in sample.values.items():
            number = number_or_reason(cell)
            if isinstance(number, str):
                spoiled.append(SpoiledCell(device, point, int(sample.ts), raw_text(cell), number))
                number = math.nan
            values[point] = number
        samples.append(_Sample(int(sample.ts), values))
    return samples


def _blocks(samples: list[_Sample], device: str) -> tuple[DeviceBlock, ...]:
    """Neighbouring samples that name the same points share a block; the order of samples is kept."""
    runs: list[tuple[tuple[str, ...], list[_Sample]]] = []
    for sample in samples:
        points = tuple(sample.values)
        if runs and runs[-1][0] == points:
            runs[-1][1].append(sample)
        else:
            runs.append((points, [sample]))
    blocks = []
    for points, run in runs:
        check_name_lengths(*points)
        check_names(device, points)
        values = np.array([list(sample.values.values()) for sample in run], dtype=np.float64)
        at_ms = np.array([sample.ts for sample in run], dtype=np.int64)
        blocks.append(DeviceBlock.of(device, points, at_ms, values.reshape(len(run), len(points))))
    return tuple(blocks)
