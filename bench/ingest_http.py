"""Readings over HTTP: NDJSON bodies of a hundred batches, posted one after the other to a real `tanmai serve`.

The limit decodes and appends the same bytes, body by body, in this process, without HTTP, checks, receipts or the
memory of batches.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
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


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("ingest_http")
    lines = list(batches(bench.scale.posts * BATCHES))
    bodies = [b"\n".join(lines[first : first + BATCHES]) for first in range(0, len(lines), BATCHES)]
    readings = len(lines) * READINGS
    ours, bare = [], []
    for number in range(bench.scale.runs):
        bare.append(readings / _bare_s(directory / f"bare-{number}", bodies))
        ours.append(readings / _posted_s(directory / f"gateway-{number}", bodies))
    limits = {"decode_and_append": median_of(bare)}
    yield figure_of("ingest_http", median_of(ours), "readings/s", limits, Target(0.7, "least"))


def _bare_s(data_dir: Path, bodies: Sequence[bytes]) -> float:
    directory = ingest_directory()
    with closing(DuckDBStore(data_dir / "readings.duckdb")) as store:
        started_s = monotonic_s()
        for body in bodies:
            store.append(columns_of(body.split(b"\n"), directory))
        return monotonic_s() - started_s


def _posted_s(data_dir: Path, bodies: Sequence[bytes]) -> float:
    house = open_house(data_dir, (ingest_plant(),))
    token = house.operations.call("token_create", role="device", subject=f"{ingest_plant().id}/{AGENT}")["token"]
    house.close()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    with served(data_dir, "ingest") as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        started_s = monotonic_s()
        for body in bodies:
            connection.request("POST", "/api/v1/readings", body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200 or answer.count(b'"stored"') != BATCHES:
                raise BenchFailed(f"POST gave {response.status}: {json.dumps(answer[:500].decode())}")
        duration_s = monotonic_s() - started_s
        connection.close()
    return duration_s
