"""The roll-up: a day of raw readings -> hourly usage, ledger entries, statements and ratings, all posted.

The limits are DuckDB's own scan and aggregate of the same rows by (point, hour), on the closed file with the store's
memory and threads; and a plain read of all of them into columns, which the usage stage cannot do without.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import DAY_MS, ROLLED_UP_MS, a_day, open_house, rolled_up_plants
from bench.processes import BenchFailed
from bench.scale import Bench
from collectors.clock import monotonic_s
from gateway.store.duckdb_store import MEMORY_LIMIT_MIB, THREADS

_AGGREGATE = """
select point_id, at_ms // 3600000 as hour, min(value), max(value), count(*), min(at_ms), max(at_ms)
from reading group by point_id, hour
"""
SOURCES = 2  # of each enterprise


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A data directory with a day of readings that nobody has rolled up."""

    data_dir: Path
    readings: int
    enterprises: int


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("rollup")
    loaded = _load(directory / "loaded", bench.scale.enterprises)
    ours, scans, reads = [], [], []
    for number in range(bench.scale.runs):
        copy = directory / f"run-{number}"
        shutil.copytree(loaded.data_dir, copy)
        ours.append(loaded.readings / _rolled_up_s(copy, loaded))
        scans.append(loaded.readings / _scanned_s(copy))
        reads.append(loaded.readings / _read_s(copy))
        shutil.rmtree(copy)
    limits = {"scan_and_aggregate": median_of(scans), "read_all": median_of(reads)}
    yield figure_of("rollup", median_of(ours), "readings/s", limits, Target(0.25, "least"))


def _load(data_dir: Path, enterprises: int) -> _Loaded:
    house = open_house(data_dir, rolled_up_plants(enterprises))
    house.pipeline.run(DAY_MS)  # so that the day before is marked as ended and the rules are known
    readings = 0
    for columns in a_day(house):
        house.timeseries.append(columns)
        readings += len(columns)
    house.close()
    return _Loaded(data_dir, readings, enterprises)


def _rolled_up_s(data_dir: Path, loaded: _Loaded) -> float:
    house = open_house(data_dir)
    house.registry()  # as in a gateway that runs
    started_s = monotonic_s()
    done = house.pipeline.run(ROLLED_UP_MS)
    duration_s = monotonic_s() - started_s
    house.close()
    posted = done["entries"]["entries_posted"]
    if posted != loaded.enterprises * SOURCES:
        raise BenchFailed(f"{posted} entries were posted in place of {loaded.enterprises * SOURCES}: {done}")
    return duration_s


def _scanned_s(data_dir: Path) -> float:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{MEMORY_LIMIT_MIB}MiB",
        "threads": THREADS,
    }
    with duckdb.connect(data_dir / "timeseries.duckdb", read_only=True, config=config) as connection:
        started_s = monotonic_s()
        connection.execute(_AGGREGATE).fetchnumpy()
        return monotonic_s() - started_s


def _read_s(data_dir: Path) -> float:
    house = open_house(data_dir)
    points = list(house.registry().refs_by_id)
    started_s = monotonic_s()
    house.timeseries.read(points, 0, ROLLED_UP_MS)
    duration_s = monotonic_s() - started_s
    house.close()
    return duration_s
