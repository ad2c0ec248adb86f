"""`make bench`: runs the ROWS, prints a table and then one JSON line per figure.

Everything happens on loopback, in a directory of its own that is removed at the end; every process started here is
ended here. Exit code 1 if a row could not be measured; a target that is not met is shown, not failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import (
    accounts_pull,
    edge_buffer,
    ingest_http,
    ingest_influx,
    ingest_mqtt,
    late_reading,
    memory,
    modbus_cycle,
    rollup,
    rollup_size,
    usage,
    verify,
)
from bench.figure import Figure, table_of
from bench.processes import BenchFailed
from bench.scale import FULL, TINY, Bench, Scale
from collectors.clock import monotonic_s

# To add a row, add a module with `run(bench)` and a line here.
ROWS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "ingest_mqtt": ingest_mqtt.run,
    "ingest_http": ingest_http.run,
    "ingest_influx": ingest_influx.run,
    "edge_buffer": edge_buffer.run,
    "modbus_cycle": modbus_cycle.run,
    "usage": usage.run,
    "rollup": rollup.run,
    "rollup_size": rollup_size.run,
    "late_reading": late_reading.run,
    "verify": verify.run,
    "accounts_pull": accounts_pull.run,
    "memory": memory.run,
}


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    scale = _scale(given)
    progress = Console(stderr=True, highlight=False)
    figures: list[Figure] = []
    failed = False
    for name in [given.only] if given.only else ROWS:
        started_s = monotonic_s()
        with tempfile.TemporaryDirectory(prefix="tanmai-bench-", dir=given.directory) as directory:
            try:
                figures += ROWS[name](Bench(scale, Path(directory)))
            except BenchFailed as error:
                failed = True
                progress.print(f"{name}: {error}")
        progress.print(f"{name} took {monotonic_s() - started_s:.1f} s")
    Console(width=160).print(table_of(figures))
    for figure in figures:
        print(figure.json_line(), flush=True)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure each part beside its limit.")
    parser.add_argument("--only", choices=ROWS, help="one row")
    parser.add_argument("--tiny", action="store_true", help="only show that every row runs; the figures mean nothing")
    parser.add_argument("--runs", type=int, help=f"medians are taken over these (default {FULL.runs})")
    parser.add_argument("--enterprises", type=int, help=f"of the roll-up (default {FULL.enterprises})")
    parser.add_argument("--accounts", type=int, help=f"enterprises of accounts_pull (default {FULL.accounts})")
    parser.add_argument("--load-s", type=float, help=f"seconds of load for memory (default {FULL.load_s:g})")
    parser.add_argument("--directory", type=Path, help="a directory on the disk to be measured (default: temporary)")
    return parser


def _scale(given: argparse.Namespace) -> Scale:
    names = ("runs", "enterprises", "accounts", "load_s")
    return replace(TINY if given.tiny else FULL, **{name: own for name in names if (own := getattr(given, name))})


if __name__ == "__main__":
    sys.exit(main())
