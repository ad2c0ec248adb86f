"""The time-series store, as the rest of the gateway sees it.

Two implementations pass one conformance suite (`tests/conformance`): `duckdb_store` (embedded) and `influx_store`.

What stays true for both:
- Append only. Of several readings of one point and instant the last one written is the one that is read.
- When `append` returns, the readings are durable, and so is the note of which (point, hour) they touched: the
  dirty-hour log, from which the roll-up works.
- Reads give columns sorted by (point_id, at_ms), one row per point and instant.
- Points are known here by their integer id; who they are is the registry's knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from collectors.reading import Float64s, Int64s, UInt8s

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """Readings in columns of equal length n. Values are finite: "not available" is never stored."""

    point_id: Int32s
    at_ms: Int64s  # UTC epoch milliseconds
    value: Float64s  # canonical unit of the point's quantity
    quality: UInt8s

    def __len__(self) -> int:
        return int(self.at_ms.size)

    @classmethod
    def empty(cls) -> Self:
        return cls(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))

    @classmethod
    def concatenate(cls, parts: Sequence[ReadingColumns]) -> Self:
        """All rows of all parts, in the parts' order; the last of two rows for one instant stands."""
        if not parts:
            return cls.empty()
        if len(parts) == 1:  # columns are never written to, so they need not be copied
            return cls(parts[0].point_id, parts[0].at_ms, parts[0].value, parts[0].quality)
        return cls(
            np.concatenate([part.point_id for part in parts]),
            np.concatenate([part.at_ms for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.quality for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class UsageColumns:
    """Hourly usage in columns of equal length n. Amounts are integers, so sums are exact in any order."""

    point_id: Int32s
    hour_ms: Int64s  # start of the UTC hour
    amount_u: Int64s  # millionths of the quantity's usage unit
    estimated_u: Int64s  # the part of amount_u interpolated over gaps longer than gap_max
    covered_ms: Int64s  # milliseconds of the hour backed by readings closer than gap_max; 0..3_600_000

    def __len__(self) -> int:
        return int(self.hour_ms.size)

    @classmethod
    def empty(cls) -> Self:
        none = np.empty(0, np.int64)
        return cls(np.empty(0, np.int32), none, none.copy(), none.copy(), none.copy())


@dataclass(frozen=True, slots=True)
class DirtyHours:
    """Hours that new readings touched, claimed for recomputation. Opaque `token` says which notes were claimed."""

    point_id: Int32s
    hour_ms: Int64s
    token: int

    def __len__(self) -> int:
        return int(self.hour_ms.size)


@dataclass(frozen=True, slots=True)
class Archived:
    """What was moved to where it takes less room."""

    month: str  # 2026-10, UTC
    readings: int  # in the files that were written
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PointRef:
    """Who a point is. The store's own key is `point_id`; the rest makes its series readable to others."""

    point_id: int
    enterprise: str
    device: str
    point: str
    quantity: str

    @property
    def name(self) -> str:
        return f"{self.device}.{self.point}"


# Gives the readable identity of a point id; the InfluxDB store writes it as tags.
PointDirectory = Callable[[int], PointRef]


class TimeSeriesStore(Protocol):
    """Raises `StoreUnavailable` (retry later) or `StoreRefused` (this data will never be taken)."""

    def append(self, readings: ReadingColumns) -> None:
        """Store readings and note their hours as dirty; both durable on return."""

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        """Readings with start_ms <= at_ms < end_ms."""

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        """Of each point that has any: how many rows `read` must look at. What was sent twice may count twice."""

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` newest readings per point with at_ms strictly before `at_ms`."""

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        """Up to `count` oldest readings per point at or after `at_ms`."""

    def latest(self, point_ids: Sequence[int]) -> ReadingColumns:
        """The newest reading of each point that has one."""

    def claim_dirty(self, limit: int) -> DirtyHours:
        """`limit` distinct dirty (point, hour), or all if fewer wait, the oldest note among them. Removes nothing."""

    def clear_dirty(self, claimed: DirtyHours) -> None:
        """Forget the claimed notes, unless readings touched the hour again since the claim."""

    def dirty_count(self) -> int:
        """Distinct dirty (point, hour) waiting."""

    def put_usage(self, usage: UsageColumns) -> None:
        """Store hourly usage; replaces what stood for the same (point, hour)."""

    def usage(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> UsageColumns:
        """Hourly usage with start_ms <= hour_ms < end_ms, sorted by (point_id, hour_ms)."""

    def archive(self, before_ms: int) -> Archived | None:
        """Move a month that ended before an instant to where it takes less room; None if there is none left.

        Every question gives the same answers before, meanwhile and after. Servers do such things by themselves.
        """

    def forget(self, before: Mapping[int, int]) -> None:
        """Forget readings for good: of each point those before its instant. Repeating it changes nothing.

        Raises StoreRefused if this engine cannot; nothing was forgotten then.
        """

    def archived(self) -> tuple[int, int]:
        """Readings that were moved, and the bytes they take."""

    def is_archived(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> bool:
        """Whether readings of these points with start_ms <= at_ms < end_ms may stand where `archive` moves them."""

    def ping(self) -> str:
        """The engine and its version, such as "InfluxDB 1.6.7"; raises StoreUnavailable if it does not answer."""

    def close(self) -> None:
        """Give back files and connections. Further calls are programmer errors."""
