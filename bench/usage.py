"""Usage from readings: a day of one reading a minute of every point, counters, gauges and deltas, all in one call.

Measured in CPU seconds of a process of its own, so that a busy machine changes little and the memory is that of this
work. The target is the one of the product: 14.4 million readings in 6 s on two cores, within 1.5 GB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import DAY_MS
from bench.processes import BenchFailed
from bench.scale import Bench
from collectors.quantities import Kind
from gateway.carbon.falls import Limits
from gateway.carbon.point_rule import PointRule
from gateway.carbon.usage import usage_from
from gateway.store.timeseries import ReadingColumns

MINUTES = 1_440
START_MS = 20_000 * DAY_MS
KINDS: tuple[Kind, ...] = ("counter",) * 8 + ("gauge", "delta")  # of each ten points
SECONDS, MEGABYTES = 6.0, 1_500.0  # for 10,000 points


def run(bench: Bench) -> Iterator[Figure]:
    measured = [_in_a_process(bench.scale.points) for _ in range(bench.scale.runs)]
    cpu_s = median_of([one["cpu_s"] for one in measured])
    reduced_s = median_of([one["sum_s"] for one in measured])
    yield figure_of("usage", cpu_s, "CPU s", {"sum_by_hour": reduced_s}, Target(SECONDS, "most", "figure"))
    peak_mb = max(one["peak_mb"] for one in measured)
    yield figure_of("usage.memory", peak_mb, "MB", {}, Target(MEGABYTES, "most", "figure"))


def _in_a_process(points: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.usage", str(points)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"the process ended with {done.returncode}: {done.stderr[-500:]}")
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _readings(points: int) -> ReadingColumns:
    at_ms = np.tile(START_MS + np.arange(MINUTES) * 60_000, points)
    value = np.empty((points, MINUTES))
    shapes = {"counter": 1_000 + np.cumsum(np.full(MINUTES, 5.0)), "gauge": np.full(MINUTES, 300.0)}
    for place, kind in enumerate(KINDS):
        value[place :: len(KINDS)] = shapes.get(kind, np.full(MINUTES, 0.5))
    point_id = np.repeat(np.arange(1, points + 1, dtype=np.int32), MINUTES)
    return ReadingColumns(point_id, at_ms, value.reshape(-1), np.zeros(at_ms.size, np.uint8))


def measure(points: int) -> dict[str, float]:
    """CPU seconds of the usage, of a bare sum of the same values by hour, and the most memory held."""
    readings = _readings(points)
    limits = Limits(1_000.0, 1.0, ())
    rules = {
        number: PointRule("91350500M00000000L", "meter.point", "kWh", KINDS[(number - 1) % len(KINDS)], limits)
        for number in range(1, points + 1)
    }
    started_s = time.process_time()
    result = usage_from(readings, rules, START_MS, START_MS + DAY_MS)
    cpu_s = time.process_time() - started_s
    if len(result.usage) != points * 24 or result.findings:
        raise BenchFailed(f"{len(result.usage)} hours of {points * 24}, {len(result.findings)} findings")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    started_s = time.process_time()
    np.add.reduceat(readings.value, np.arange(0, readings.value.size, 60))
    return {"cpu_s": cpu_s, "sum_s": time.process_time() - started_s, "peak_mb": peak_mb}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
