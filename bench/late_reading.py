"""One late reading in a year of data -> the new version of its month's statement, in years of two lengths.

The year is rolled up and quiet; then readings come one by one for a day near its beginning, and each is rolled up. The
limit is the same in a tenth of the year: what a late reading costs must not depend on how much there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import DAY_MS, open_house, rolled_up_plants
from bench.processes import BenchFailed
from bench.scale import Bench
from collectors.clock import HOUR_MS, monotonic_s
from gateway.store.timeseries import ReadingColumns
from gateway.wiring import House

ENTERPRISES = 2
STEP_MS = 300_000  # one reading in five minutes
LATE_DAY = 3  # of the year
PER_HOUR = 10.0


def run(bench: Bench) -> Iterator[Figure]:
    days = bench.scale.year_days
    year_s = _late_s(bench.fresh("year"), days, bench.scale.runs)
    tenth_s = _late_s(bench.fresh("tenth"), max(days // 10, LATE_DAY + 2), bench.scale.runs)
    limits = {"tenth_of_the_year": median_of(tenth_s)}
    yield figure_of("late_reading", median_of(year_s), "s", limits, Target(0.1, "most", "figure"))


def _late_s(data_dir: Path, days: int, runs: int) -> list[float]:
    house = open_house(data_dir, rolled_up_plants(ENTERPRISES))
    start_ms, now_ms = DAY_MS - days * 24 * HOUR_MS, DAY_MS + HOUR_MS // 2
    points = np.array(sorted(house.registry().refs_by_id), np.int32)
    house.pipeline.run(start_ms)
    for first_ms in range(start_ms, DAY_MS, 24 * HOUR_MS):
        at_ms = np.arange(first_ms, first_ms + 24 * HOUR_MS, STEP_MS, dtype=np.int64)
        house.timeseries.append(_readings(points, at_ms, start_ms))
    house.pipeline.run(now_ms)
    seconds = [_one_late_s(house, points[:1], start_ms, now_ms, number) for number in range(runs + 1)]
    house.close()
    return seconds[1:]  # the first one warms up


def _one_late_s(house: House, point: np.ndarray, start_ms: int, now_ms: int, number: int) -> float:
    at_ms = np.array([start_ms + LATE_DAY * 24 * HOUR_MS + 10 * STEP_MS + number * 1000 + 500], np.int64)
    house.timeseries.append(_readings(point, at_ms, start_ms))
    started_s = monotonic_s()
    done = house.pipeline.run(now_ms + number)
    duration_s = monotonic_s() - started_s
    if not done["statements"]["statements_changed"]:
        raise BenchFailed(f"the late reading changed no statement: {done}")
    return duration_s


def _readings(points: np.ndarray, at_ms: np.ndarray, start_ms: int) -> ReadingColumns:
    value = np.round((at_ms - start_ms) / HOUR_MS * PER_HOUR, 3)
    size = points.size * at_ms.size
    return ReadingColumns(
        np.tile(points, at_ms.size), np.repeat(at_ms, points.size), np.repeat(value, points.size),
        np.zeros(size, np.uint8),
    )  # fmt: skip
