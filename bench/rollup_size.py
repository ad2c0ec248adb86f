"""What the roll-up costs against its size: the same day for ten times as many enterprises each time.

Measured in CPU seconds of this process, so that a busy machine changes little. A run has a cost of its own, whatever
it has to do, which weighs on small sizes; so each size is compared with the one before it, and the target is judged at
the largest. Then what a quiet enterprise costs: in a run in which nothing came of it, and in the run in which its day
ends and is counted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise

from bench.figure import Figure, Target, figure_of
from bench.plant import DAY_MS, ROLLED_UP_MS, a_day, open_house, rolled_up_plants
from bench.processes import BenchFailed, used_cpu_s
from bench.rollup import SOURCES
from bench.scale import Bench
from gateway.wiring import House

EVERY_MIN = 10  # one reading of each of ten points: at 10,000 enterprises 14.5 million
NEXT_DAY_MS = 24 * 3_600_000
MOST = 1.2


def run(bench: Bench) -> Iterator[Figure]:
    sizes = bench.scale.sizes
    spent = {size: _spent_s(bench, size, last=size == sizes[-1]) for size in sizes}
    each_ms = {size: 1_000 * spent[size][0] / size for size in sizes}
    for fewer, more in pairwise(sizes):
        limits = {"at_the_size_before": each_ms[fewer]}
        target = Target(MOST, "most") if more == sizes[-1] else None
        yield figure_of(f"rollup_size.{more}", each_ms[more], "CPU ms per enterprise", limits, target)
    _, nothing_s, ended_s = spent[sizes[-1]]
    yield figure_of("rollup_size.nothing_came", 1e6 * nothing_s / sizes[-1], "CPU µs per enterprise")
    yield figure_of("rollup_size.day_ended", 1e6 * ended_s / sizes[-1], "CPU µs per enterprise")


def _spent_s(bench: Bench, enterprises: int, *, last: bool) -> tuple[float, float, float]:
    """CPU seconds of a day's roll-up; of a run after it; of the run in which an empty day ends (both 0 unless last)."""
    directory = bench.fresh("size")
    house = open_house(directory, rolled_up_plants(enterprises))
    house.pipeline.run(DAY_MS)
    for columns in a_day(house, EVERY_MIN):
        house.timeseries.append(columns)
    day_s = _run_s(house, ROLLED_UP_MS, enterprises * SOURCES)
    nothing_s = _run_s(house, ROLLED_UP_MS + 60_000, 0) if last else 0.0
    ended_s = _run_s(house, ROLLED_UP_MS + NEXT_DAY_MS, 0) if last else 0.0
    house.close()
    shutil.rmtree(directory)
    return day_s, nothing_s, ended_s


def _run_s(house: House, now_ms: int, expected: int) -> float:
    started_s = used_cpu_s()
    done = house.pipeline.run(now_ms)
    spent_s = used_cpu_s() - started_s
    if done["entries"]["entries_posted"] != expected:
        raise BenchFailed(f"{done['entries']['entries_posted']} entries were posted in place of {expected}: {done}")
    return spent_s
