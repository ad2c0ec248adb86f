"""Steps between readings, cut into UTC hours by integers.

The part of a step that has passed by a time t is round(amount × elapsed / duration); an hour gets the difference of
two such parts. The differences telescope, so the hours of a step add up to the step exactly, whatever the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.clock import HOUR_MS
from collectors.reading import Int64s
from gateway.store.timeseries import Int32s, UsageColumns

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segments:
    """Steps between two neighbouring readings, sorted by (point, start). Columns of equal length."""

    point_id: Int32s
    start_ms: Int64s
    end_ms: Int64s  # >= start_ms; equal only at a declared replacement
    amount_u: Int64s  # millionths that passed
    gap: Bools  # longer than gap_max: what passed is estimated, and the time is not covered
    blind: Bools  # nothing is known of this step (quarantined, undecided): not covered, amount 0

    def __len__(self) -> int:
        return int(self.start_ms.size)

    def only(self, rows: Bools) -> Segments:
        """Some rows; the very same where that is all of them."""
        if rows.all():
            return self
        return Segments(
            self.point_id[rows], self.start_ms[rows], self.end_ms[rows],
            self.amount_u[rows], self.gap[rows], self.blind[rows],
        )  # fmt: skip


def usage_of(segments: Segments, deltas: UsageColumns, start_ms: int, end_ms: int) -> UsageColumns:
    """Hourly sums of the segments' parts and of single amounts, with start_ms <= hour < end_ms."""
    inside = segments.only((segments.end_ms > start_ms) & (segments.start_ms < end_ms))
    first = inside.start_ms // HOUR_MS
    last = np.maximum((inside.end_ms - 1) // HOUR_MS, first)
    single = first == last  # by far the most: one reading a minute
    parts = [
        _summed(_whole(inside.only(single), first[single])),
        _summed(_cut(inside.only(~single), first[~single], last[~single], start_ms, end_ms)),
        _summed(deltas),
    ]
    joined = _summed(_sorted(_joined(parts)))
    return _rows(joined, (joined.hour_ms >= start_ms) & (joined.hour_ms < end_ms))


def _whole(segments: Segments, hour: Int64s) -> UsageColumns:
    """Segments that lie in one hour."""
    estimated_u = np.where(segments.gap, segments.amount_u, 0)
    covered_ms = np.where(segments.gap | segments.blind, 0, segments.end_ms - segments.start_ms)
    return UsageColumns(segments.point_id, hour * HOUR_MS, segments.amount_u, estimated_u, covered_ms)


def _cut(segments: Segments, first: Int64s, last: Int64s, start_ms: int, end_ms: int) -> UsageColumns:
    """Segments over several hours: one row per hour of the window that they touch."""
    first = np.maximum(first, start_ms // HOUR_MS)
    last = np.minimum(last, (end_ms - 1) // HOUR_MS)
    count = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(count.size), count)
    hour = first[row] + (np.arange(row.size) - np.repeat(np.cumsum(count) - count, count))
    begin_ms, finish_ms = segments.start_ms[row], segments.end_ms[row]
    from_ms = np.maximum(begin_ms, hour * HOUR_MS)
    to_ms = np.minimum(finish_ms, (hour + 1) * HOUR_MS)
    total_u, duration_ms = segments.amount_u[row], finish_ms - begin_ms
    part_u = _part(total_u, to_ms - begin_ms, duration_ms) - _part(total_u, from_ms - begin_ms, duration_ms)
    gap, blind = segments.gap[row], segments.blind[row]
    return UsageColumns(
        segments.point_id[row],
        hour * HOUR_MS,
        part_u,
        np.where(gap, part_u, 0),
        np.where(gap | blind, 0, to_ms - from_ms),
    )


def _part(total_u: Int64s, elapsed_ms: Int64s, duration_ms: Int64s) -> Int64s:
    """round(total × elapsed / duration) without leaving 64 bits: the whole multiples exactly, the rest by float.

    The rest is below duration, so its part is far below 2^53 and the float is good to the last unit.
    """
    whole, rest = np.divmod(total_u, duration_ms)
    return np.asarray(whole * elapsed_ms + np.rint(rest * (elapsed_ms / duration_ms)).astype(np.int64))


def _summed(usage: UsageColumns) -> UsageColumns:
    """One row per (point, hour); the rows must be sorted by them."""
    if not len(usage):
        return usage
    new = np.ones(len(usage), dtype=bool)
    new[1:] = (usage.point_id[1:] != usage.point_id[:-1]) | (usage.hour_ms[1:] != usage.hour_ms[:-1])
    starts = np.flatnonzero(new)
    return UsageColumns(
        usage.point_id[starts],
        usage.hour_ms[starts],
        np.add.reduceat(usage.amount_u, starts),
        np.add.reduceat(usage.estimated_u, starts),
        np.add.reduceat(usage.covered_ms, starts),
    )


def _sorted(usage: UsageColumns) -> UsageColumns:
    return _rows(usage, np.lexsort((usage.hour_ms, usage.point_id)))


def _joined(parts: list[UsageColumns]) -> UsageColumns:
    return UsageColumns(
        np.concatenate([part.point_id for part in parts]),
        np.concatenate([part.hour_ms for part in parts]),
        np.concatenate([part.amount_u for part in parts]),
        np.concatenate([part.estimated_u for part in parts]),
        np.concatenate([part.covered_ms for part in parts]),
    )


def _rows(usage: UsageColumns, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> UsageColumns:
    return UsageColumns(
        usage.point_id[rows],
        usage.hour_ms[rows],
        usage.amount_u[rows],
        usage.estimated_u[rows],
        usage.covered_ms[rows],
    )


def joined_usage(parts: list[UsageColumns]) -> UsageColumns:
    """Parts of different points, in their order."""
    return _joined(parts) if parts else UsageColumns.empty()
