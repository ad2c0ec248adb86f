"""The agent's memory: readings appended durably, then drained as receipts come.

The limits write the same bytes with the same pragmas and nothing else: an insert a batch, as many batches a commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import DAY_MS
from bench.scale import Bench
from collectors.clock import monotonic_s
from collectors.reading import Reading
from collectors.wire import Receipt
from edge_agent.buffer import Buffer, BufferLimits, open_buffer

READINGS = 1_000  # of a batch: what the agent writes at once if its meters are many
TOGETHER = 10  # batches a commit, as the agent does when so many are due at once
SINGLE_COMMITS = 2_000
OF_THE_DISK = 0.9
_TABLE = "CREATE TABLE batch (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, payload BLOB)"
_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("edge_buffer")
    many = [_readings(number, READINGS) for number in range(bench.scale.buffered)]
    single = [_readings(number, 1) for number in range(bench.scale.commits)]
    runs: dict[str, list[_Run]] = {"edge_buffer": [], "edge_buffer_busy": [], "edge_buffer_single": []}
    for number in range(bench.scale.runs):
        runs["edge_buffer"].append(_Run.of(directory / f"many-{number}", many, 1))
        runs["edge_buffer_busy"].append(_Run.of(directory / f"busy-{number}", many, TOGETHER))
        runs["edge_buffer_single"].append(_Run.of(directory / f"single-{number}", single, 1))
    limits = {name: {"bare_sqlite": median_of([run.bare for run in own])} for name, own in runs.items()}
    figures = {name: median_of([run.appended for run in own]) for name, own in runs.items()}
    for name in ("edge_buffer", "edge_buffer_busy"):
        yield figure_of(name, figures[name], "readings/s", limits[name], Target(300_000, "least", "figure"))
    drained = median_of([run.drained for run in runs["edge_buffer"]])
    yield figure_of("edge_buffer_drain", drained, "readings/s", limits["edge_buffer"])
    name = "edge_buffer_single"
    yield figure_of(name, figures[name], "commits/s", limits[name], _single_target(limits[name]))


@dataclass(frozen=True, slots=True)
class _Run:
    """Readings a second."""

    appended: float
    drained: float
    bare: float

    @classmethod
    def of(cls, path: Path, batches: Sequence[list[Reading]], together: int) -> _Run:
        filling_s, draining_s, payloads = _through_s(path, batches, together)
        bare_s = _bare_s(path.with_suffix(".bare"), payloads, together)
        total = sum(map(len, batches))
        return cls(total / filling_s, total / draining_s, total / bare_s)


def _single_target(limits: dict[str, float]) -> Target:
    """2,000 commits/s; where the disk cannot sync that often, as good as the disk."""
    reachable = limits["bare_sqlite"] * OF_THE_DISK >= SINGLE_COMMITS
    return Target(SINGLE_COMMITS, "least", "figure") if reachable else Target(OF_THE_DISK, "least")


def _readings(number: int, count: int) -> list[Reading]:
    """Ten points a device, as polling gives them."""
    at_ms = DAY_MS + number * 1000
    return [
        Reading(f"meter-{place // 10}", f"point-{place % 10}", at_ms, round(place * 1.37 + number / 50, 2))
        for place in range(count)
    ]


def _through_s(path: Path, batches: Sequence[list[Reading]], together: int) -> tuple[float, float, list[bytes]]:
    """(seconds to append, seconds to drain, the payloads that went through)."""
    with closing(open_buffer(path, BufferLimits(), DAY_MS)) as buffer:
        started_s = monotonic_s()
        for start in range(0, len(batches), together):
            buffer.append_all(batches[start : start + together], DAY_MS)
        filled_s = monotonic_s()
        payloads = _drain(buffer)
        return filled_s - started_s, monotonic_s() - filled_s, payloads


def _drain(buffer: Buffer) -> list[bytes]:
    """Send a window, take its receipts, and again until nothing is left."""
    payloads: list[bytes] = []
    while True:
        outgoing = buffer.next_batches(DAY_MS)
        if not outgoing:
            return payloads
        for batch in outgoing:
            buffer.mark_sent(batch, DAY_MS)
        payloads += [batch.payload for batch in outgoing]
        buffer.acknowledge([Receipt(batch.batch_id, "stored") for batch in outgoing], DAY_MS)


def _bare_s(path: Path, payloads: Sequence[bytes], together: int) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(_TABLE)
        started_s = monotonic_s()
        for start in range(0, len(payloads), together):
            connection.execute("BEGIN IMMEDIATE")
            for number, payload in enumerate(payloads[start : start + together], start):
                connection.execute("INSERT INTO batch (id, payload) VALUES (?, ?)", (f"{number:026d}", payload))
            connection.execute("COMMIT")
        return monotonic_s() - started_s
