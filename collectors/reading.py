"""Readings: one at a time at the meter's pace, in columns everywhere else.

A `Batch` is what an agent sends: per device a block of points × times × values. It stays in columns from the wire to
the store; no object per reading is made on the gateway's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
UInt8s = npt.NDArray[np.uint8]

_NUMBER_BYTES = 8  # of a time and of a value


class Quality(IntEnum):
    """How far a value may be trusted, as its maker said."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point at one instant, as the edge sees it."""

    device: str
    point: str
    at_ms: int  # UTC epoch milliseconds
    value: float | None  # canonical unit of the point's quantity; None = the instrument says "not available"
    quality: Quality = Quality.GOOD


class DeviceBlock(msgspec.Struct, frozen=True, gc=False):
    """Readings of one device: n instants × m points.

    Columns are kept as the bytes of their numbers, in the machine's order. As such they are hashed, and joined by the
    thousand to the columns of a commit; a numpy array for each block would cost more than decoding it.
    """

    device: str
    points: tuple[str, ...]  # m names
    time_bytes: bytes  # n int64
    value_bytes: bytes  # n × m float64, row by row
    quality_bytes: bytes | None = None  # n × m uint8; None = all good

    @classmethod
    def of(
        cls, device: str, points: tuple[str, ...], at_ms: Int64s, values: Float64s, quality: UInt8s | None = None
    ) -> DeviceBlock:
        """From columns of the shapes that the properties give."""
        return cls(device, points, at_ms.tobytes(), values.tobytes(), None if quality is None else quality.tobytes())

    def __len__(self) -> int:
        return len(self.time_bytes) // _NUMBER_BYTES

    @property
    def cells(self) -> int:
        """Number of values including those not available."""
        return len(self.value_bytes) // _NUMBER_BYTES

    @property
    def at_ms(self) -> Int64s:
        """Shape (n,)."""
        return np.frombuffer(self.time_bytes, np.int64)

    @property
    def values(self) -> Float64s:
        """Shape (n, m); NaN = not available."""
        return np.frombuffer(self.value_bytes, np.float64).reshape(len(self), len(self.points))

    @property
    def quality(self) -> UInt8s | None:
        """Shape (n, m); None = all good."""
        if self.quality_bytes is None:
            return None
        return np.frombuffer(self.quality_bytes, np.uint8).reshape(len(self), len(self.points))


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What an agent sends in one message. The id is made where the batch is born and never changes."""

    batch_id: str  # ULID
    sent_at_ms: int
    blocks: tuple[DeviceBlock, ...]
    # Cells that were on the wire but are no numbers, so that the rest of the batch can be kept.
    spoiled: tuple[SpoiledCell, ...] = ()

    @property
    def cells(self) -> int:
        """Number of values including those not available."""
        return sum([block.cells for block in self.blocks])


@dataclass(frozen=True, slots=True)
class SpoiledCell:
    """A cell or row of a decodable batch that cannot be a reading."""

    device: str
    point: str  # "" when a whole row is spoiled
    at_ms: int | None  # None when the time itself is spoiled
    raw: str  # the JSON text of the cell or row
    reason: str  # a name out of collectors.wire.REASONS


def batch_from_readings(batch_id: str, sent_at_ms: int, readings: list[Reading]) -> Batch:
    """Group single readings into a batch: one block per device, rows by time, a missing cell is NaN.

    Two readings of the same point and instant: the later in the list stands.
    """
    by_device: dict[str, list[Reading]] = {}
    for reading in readings:
        by_device.setdefault(reading.device, []).append(reading)
    blocks = []
    for device, own in by_device.items():
        points = tuple(dict.fromkeys(reading.point for reading in own))
        times = sorted({reading.at_ms for reading in own})
        column = {point: index for index, point in enumerate(points)}
        row = {at_ms: index for index, at_ms in enumerate(times)}
        values = np.full((len(times), len(points)), np.nan)
        quality = np.zeros((len(times), len(points)), dtype=np.uint8)
        for reading in own:
            place = row[reading.at_ms], column[reading.point]
            values[place] = np.nan if reading.value is None else reading.value
            quality[place] = reading.quality
        blocks.append(
            DeviceBlock.of(device, points, np.array(times, dtype=np.int64), values, quality if quality.any() else None)
        )
    return Batch(batch_id, sent_at_ms, tuple(blocks))
