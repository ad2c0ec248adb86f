"""Single readings, as the edge takes them, to the JSON bytes of a batch, without numpy in between.

A poll gives the points of one device at one instant, one after another: that is a row of the wire already. So runs of
equal device and time become rows as they stand. Only where the rows of a device differ in their points, or are not in
order of time, are they merged cell by cell. Every reading of the edge goes this way (`make bench ONLY=edge_buffer`).

What stays true: the bytes say what `encode_batch(batch_from_readings(…))` says, down to the content hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import msgspec

from collectors.reading import Quality, Reading
from collectors.wire import VERSION

_Row = tuple[int, tuple[str, ...], tuple[float | None, ...], tuple[int, ...]]  # time, points, values, qualities

_place = attrgetter("device", "at_ms")
_cell = attrgetter("point", "value", "quality")
_ENCODER = msgspec.json.Encoder()  # what is not finite goes out as null


def encode_readings(batch_id: str, sent_at_ms: int, readings: Sequence[Reading]) -> bytes:
    """One block per device, rows by time, null where a row lacks a point that another row of its device has.

    Of two readings of one point and instant the later in the sequence stands.
    """
    by_device: dict[str, list[_Row]] = {}
    for (device, at_ms), run in groupby(readings, _place):
        points, values, qualities = zip(*map(_cell, run), strict=True)
        by_device.setdefault(device, []).append((at_ms, points, values, qualities))
    devices = [_block(device, rows) for device, rows in by_device.items()]
    return _ENCODER.encode({"v": VERSION, "batch": batch_id, "sent_at": sent_at_ms, "devices": devices})


def _block(device: str, rows: list[_Row]) -> dict[str, Any]:
    points = rows[0][1]
    if not _are_aligned(rows, points):
        points, rows = _merged(rows)
    block = {"device": device, "points": points, "rows": [(at_ms, *values) for at_ms, _, values, _ in rows]}
    if any(any(qualities) for _, _, _, qualities in rows):
        block["quality"] = [qualities for _, _, _, qualities in rows]
    return block


def _are_aligned(rows: list[_Row], points: tuple[str, ...]) -> bool:
    """Whether all rows have these points, each of them once, and lie in order of time."""
    before_ms = None
    for at_ms, own, _, _ in rows:
        if own != points or (before_ms is not None and at_ms <= before_ms):
            return False
        before_ms = at_ms
    return len(set(points)) == len(points)


def _merged(rows: list[_Row]) -> tuple[tuple[str, ...], list[_Row]]:
    """(all points of the rows, the rows in order of time with a cell for each point)."""
    points = tuple(dict.fromkeys(chain.from_iterable(own for _, own, _, _ in rows)))
    by_time: dict[int, dict[str, tuple[float | None, int]]] = {}
    for at_ms, own, values, qualities in rows:
        by_time.setdefault(at_ms, {}).update(zip(own, zip(values, qualities, strict=True), strict=True))
    merged: list[_Row] = []
    for at_ms in sorted(by_time):
        cells = [by_time[at_ms].get(point, (None, Quality.GOOD)) for point in points]
        merged.append((at_ms, points, tuple(value for value, _ in cells), tuple(quality for _, quality in cells)))
    return points, merged
