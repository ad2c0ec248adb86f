"""The readings of one commit in columns, and the way back from a column's row to the block it came from.

What stays true: row i of every column is the same cell; cells stand in the order of batches, blocks, rows, points.
Cells that are "not available" keep their place (their value is NaN): a position can be traced back without an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from collectors.reading import Batch, DeviceBlock, Float64s, Int64s, UInt8s
from gateway.ingest.directory import Directory
from gateway.store.timeseries import Int32s, ReadingColumns

Mask = npt.NDArray[np.bool_]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of a group of batches."""

    blocks: tuple[DeviceBlock, ...]
    starts: Int64s  # position of each block's first cell
    batch: Int32s  # position of the batch in the group
    point_id: Int32s  # or UNKNOWN_DEVICE, UNKNOWN_POINT
    at_ms: Int64s
    value: Float64s  # NaN = not available
    quality: UInt8s

    def chosen(self, mask: Mask) -> ReadingColumns:
        """The cells under the mask as readings."""
        if mask.all():
            return ReadingColumns(self.point_id, self.at_ms, self.value, self.quality)
        return ReadingColumns(self.point_id[mask], self.at_ms[mask], self.value[mask], self.quality[mask])

    def parts(self, positions: Int64s) -> tuple[DeviceBlock, ...]:
        """The cells at these positions as blocks again, without the rows and points that hold none of them."""
        numbers = np.searchsorted(self.starts, positions, side="right") - 1
        parts = []
        for number in np.unique(numbers).tolist():
            block = self.blocks[number]
            mask = np.zeros(block.values.size, dtype=np.bool_)
            mask[positions[numbers == number] - self.starts[number]] = True
            parts.append(_part(block, mask.reshape(block.values.shape)))
        return tuple(parts)


def cells_of(batches: Sequence[tuple[str, Batch]], directory: Directory) -> Cells:
    """Columns of all cells of (enterprise, batch) pairs."""
    # A block without cells would share its start with the next one: `parts` could not tell them apart.
    numbered = [
        (number, enterprise, block)
        for number, (enterprise, batch) in enumerate(batches)
        for block in batch.blocks
        if block.value_bytes
    ]
    blocks = tuple([block for _, _, block in numbered])
    sizes = np.array([block.cells for block in blocks], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    ids = [directory.point_ids(own, block.device, block.points).tobytes() * len(block) for _, own, block in numbered]
    heights = np.array([len(block) for block in blocks], dtype=np.int64)
    widths = np.array([len(block.points) for block in blocks], dtype=np.int64)
    return Cells(
        blocks,
        starts,
        np.repeat(np.array([number for number, _, _ in numbered], dtype=np.int32), sizes),
        _joined(ids, np.int32),
        np.repeat(_joined([block.time_bytes for block in blocks], np.int64), np.repeat(widths, heights)),
        _joined([block.value_bytes for block in blocks], np.float64),
        _qualities(blocks, starts, sizes),
    )


def _qualities(blocks: Sequence[DeviceBlock], starts: Int64s, sizes: Int64s) -> UInt8s:
    quality = np.zeros(int(sizes.sum()), np.uint8)
    for block, start, size in zip(blocks, starts.tolist(), sizes.tolist(), strict=True):
        if block.quality_bytes is not None:
            quality[start : start + size] = np.frombuffer(block.quality_bytes, np.uint8)
    return quality


def _joined(parts: Sequence[bytes], kind: type[_Scalar]) -> npt.NDArray[_Scalar]:
    """Columns of blocks as one. All in one go: numpy calls for each block would cost more than its readings."""
    return np.frombuffer(b"".join(parts), kind)


def _part(block: DeviceBlock, mask: Mask) -> DeviceBlock:
    """The rows and points of a block where the mask is set anywhere; other cells become "not available"."""
    rows, points = mask.any(axis=1), mask.any(axis=0)
    values = np.where(mask, block.values, np.nan)[rows][:, points]
    quality = None if block.quality is None else block.quality[rows][:, points]
    names = tuple(block.points[index] for index in np.flatnonzero(points).tolist())
    return DeviceBlock.of(block.device, names, block.at_ms[rows], values, quality)
