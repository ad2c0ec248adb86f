"""Rows of a DuckDB store's tables as numpy columns: what is inserted, and what questions give. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gateway.store.columns import sorted_readings
from gateway.store.timeseries import ReadingColumns

Columns = Mapping[str, np.ndarray[Any, Any]]


def rows_of(readings: ReadingColumns) -> Columns:
    """Rows of `reading`, but for their arrival.

    Measured on two cores, commits of 10,000 rows: registered numpy columns 2.3M rows/s, a pandas frame 0.8M,
    `append` of a frame 1.3M, lists as parameters 0.1M.
    """
    return {
        "point_id": readings.point_id,
        "at_ms": readings.at_ms,
        "value": readings.value,
        "quality": readings.quality,
    }


def notes(pairs: Sequence[tuple[int, int]], touched: int) -> Columns:
    """Rows of `dirty_hour`."""
    points, hours = zip(*pairs, strict=True)
    return {
        "point_id": np.array(points, dtype=np.int32),
        "hour_ms": np.array(hours, dtype=np.int64),
        "touched": np.full(len(pairs), touched, dtype=np.int64),
    }


def columns_of(found: Columns) -> ReadingColumns:
    """Rows of `reading` in the order in which they were given."""
    return ReadingColumns(found["point_id"], found["at_ms"], found["value"], found["quality"])


def readings_of(found: Columns) -> ReadingColumns:
    """Rows of `reading` as the protocol gives them. Sorting here is twice as fast as ORDER BY there."""
    return sorted_readings(columns_of(found), arrival=found["arrival"])
