"""Where each point's rows lie in columns that are sorted by point: found in one pass, without sorting again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from collectors.reading import Float64s, Int64s
from gateway.carbon.point_rule import PointRule
from gateway.store.timeseries import Int32s


@dataclass(frozen=True, slots=True)
class Runs:
    """One run of rows per point, in the column's order."""

    points: tuple[int, ...]
    firsts: Int64s
    counts: Int64s

    @classmethod
    def of(cls, point_id: Int32s) -> Runs:
        """The runs of a column in which each point's rows stand together."""
        if not point_id.size:
            return cls((), np.empty(0, np.int64), np.empty(0, np.int64))
        firsts = np.concatenate([[0], np.flatnonzero(point_id[1:] != point_id[:-1]) + 1]).astype(np.int64)
        counts = np.diff(firsts, append=point_id.size)
        return cls(tuple(point_id[firsts].tolist()), firsts, counts)

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value per point as a value per row."""
        return np.repeat(values, self.counts)

    def per_row(self, rules: Mapping[int, PointRule], of: Callable[[PointRule], float]) -> Float64s:
        """A number per row out of its point's rule."""
        return self.spread(np.array([of(rules[point]) for point in self.points], dtype=np.float64))
