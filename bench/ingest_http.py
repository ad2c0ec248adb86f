"""Readings over HTTP: NDJSON bodies of a hundred batches, posted to a real `tanmai serve`, each over a kept connection.

`ingest_http` has one sender, which waits for each answer before it posts the next body. The limit decodes and appends
the same bytes, body by body, in this process, without HTTP, checks, receipts or the memory of batches.

`ingest_http_four` has as many senders at once as the gateway takes, as plants that post for themselves. Their requests
share commits, and the limit may do so too: it decodes and appends four bodies with one commit.
"""

from __future__ import annotations

import http.client
import json
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bench.figure import Figure, Target, figure_of, median_of
from bench.ingest_mqtt import columns_of
from bench.plant import AGENT, batches, ingest_directory, ingest_plant, open_house
from bench.processes import BenchFailed, served
from bench.scale import Bench
from collectors.clock import monotonic_s
from gateway.store.duckdb_store import DuckDBStore

BATCHES = 100  # of a body
READINGS = 100  # of a batch
ROWS = {"ingest_http": 1, "ingest_http_four": 4}  # senders at once, and bodies of one commit of the limit


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("ingest_http")
    lines = list(batches(bench.scale.posts * BATCHES))
    bodies = [b"\n".join(lines[first : first + BATCHES]) for first in range(0, len(lines), BATCHES)]
    readings = len(lines) * READINGS
    for name, senders in ROWS.items():
        ours, bare = [], []
        for number in range(bench.scale.runs):
            bare.append(readings / _bare_s(directory / f"{name}-bare-{number}", bodies, senders))
            ours.append(readings / _posted_s(directory / f"{name}-{number}", bodies, senders))
        limits = {"decode_and_append": median_of(bare)}
        yield figure_of(name, median_of(ours), "readings/s", limits, Target(0.7, "least"))


def _bare_s(data_dir: Path, bodies: Sequence[bytes], together: int) -> float:
    directory = ingest_directory()
    with closing(DuckDBStore(data_dir / "readings.duckdb")) as store:
        started_s = monotonic_s()
        for first in range(0, len(bodies), together):
            lines = [line for body in bodies[first : first + together] for line in body.split(b"\n")]
            store.append(columns_of(lines, directory))
        return monotonic_s() - started_s


def _posted_s(data_dir: Path, bodies: Sequence[bytes], senders: int) -> float:
    house = open_house(data_dir, (ingest_plant(),))
    token = house.operations.call("token_create", role="device", subject=f"{ingest_plant().id}/{AGENT}")["token"]
    house.close()
    left: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        left.put(body)
    with served(data_dir, "ingest") as (port, _), ThreadPoolExecutor(senders) as threads:
        started_s = monotonic_s()
        for sent in [threads.submit(_send, port, token, left) for _ in range(senders)]:
            sent.result()
        return monotonic_s() - started_s


def _send(port: int, token: str, left: queue.SimpleQueue[bytes]) -> None:
    """Post what is left, one body after the other."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while True:
            try:
                body = left.get_nowait()
            except queue.Empty:
                return
            connection.request("POST", "/api/v1/readings", body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200 or answer.count(b'"stored"') != BATCHES:
                raise BenchFailed(f"POST gave {response.status}: {json.dumps(answer[:500].decode())}")
