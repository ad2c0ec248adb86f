"""Months to archive: readings of them, and a store told to archive all it has."""

from __future__ import annotations

import numpy as np

from gateway.store.duckdb_archive import month_after, month_of
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns

OCTOBER = month_of(1_760_000_400_000)  # 2025
NOVEMBER = month_after(OCTOBER)
DECEMBER = month_after(NOVEMBER)
EVER = 2**62


def readings(point: int, times: list[int], value: float = 1.0) -> ReadingColumns:
    count = len(times)
    return ReadingColumns(
        np.full(count, point, np.int32), np.array(times, np.int64), np.full(count, value), np.zeros(count, np.uint8)
    )


def every_minute(point: int, start_ms: int, count: int, value: float = 1.0) -> ReadingColumns:
    return readings(point, [start_ms + minute * 60_000 for minute in range(count)], value)


def archive_all(store: DuckDBStore, before_ms: int = EVER) -> list[str]:
    done = []
    while (archived := store.archive(before_ms)) is not None:
        done.append(archived.month)
    return done
