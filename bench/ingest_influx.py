"""Readings into a real InfluxDB 1.x: batches of a hundred readings through the whole of accepting, until durable.

The limit posts the same lines, built before, in requests as large as ours over one connection, and does nothing else.
The server's own speed differs by half from one second to the next, so both are measured MORE times than other rows, and
take turns in coming first.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figure import Figure, Target, figure_of, median_of
from bench.ingest_mqtt import columns_of
from bench.plant import AGENT, DAY_MS, PANEL, batches, ingest_directory, ingest_plant, open_house
from bench.processes import BenchFailed, influxd
from bench.scale import Bench
from collectors.clock import monotonic_s
from gateway.ingest.accept import accept_batches
from gateway.ingest.intake import Arrival
from gateway.store.columns import take_readings
from gateway.store.line_protocol import SeriesKeys, reading_lines, slices
from gateway.store.timeseries import PointRef

READINGS = 100  # of a batch
GROUP = 1_000  # batches accepted together, as a busy listener does
MORE = 4


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("ingest_influx")
    payloads = list(batches(bench.scale.influx_batches))
    readings = len(payloads) * READINGS
    bodies = list(_bodies(payloads))
    ours, bare = [], []
    with influxd(directory) as port:
        for number in range(MORE * bench.scale.runs):
            for is_bare in (True, False) if number % 2 else (False, True):
                if is_bare:
                    bare.append(readings / _posted_s(port, f"bare{number}", bodies))
                else:
                    gateway = directory / f"gateway-{number}"
                    ours.append(readings / _accepted_s(gateway, port, f"ours{number}", payloads))
    limits = {"bare_post": median_of(bare)}
    yield figure_of("ingest_influx", median_of(ours), "readings/s", limits, Target(0.85, "least"))


def _bodies(payloads: Sequence[bytes]) -> Iterator[bytes]:
    """The lines of all readings, cut as the store cuts them."""
    keys = SeriesKeys(_named)
    directory = ingest_directory()
    for first in range(0, len(payloads), GROUP):
        readings = columns_of(list(payloads[first : first + GROUP]), directory)
        for rows in slices(len(readings)):
            yield reading_lines(take_readings(readings, rows), keys)


def _named(point_id: int) -> PointRef:
    panel, point = divmod(point_id - 1, len(PANEL))
    return PointRef(point_id, ingest_plant().id, f"panel-{panel}", PANEL[point], PANEL[point])


def _posted_s(port: int, database: str, bodies: Sequence[bytes]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    _post(connection, f"/query?q=CREATE+DATABASE+{database}", b"", 200)
    started_s = monotonic_s()
    for body in bodies:
        _post(connection, f"/write?db={database}&precision=ms", body, 204)
    duration_s = monotonic_s() - started_s
    connection.close()
    return duration_s


def _post(connection: http.client.HTTPConnection, target: str, body: bytes, wanted: int) -> None:
    connection.request("POST", target, body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != wanted:
        raise BenchFailed(f"influxd answers {response.status} to {target}: {answer[:500]!r}")


def _accepted_s(data_dir: Path, port: int, database: str, payloads: Sequence[bytes]) -> float:
    house = open_house(data_dir, (ingest_plant(),), timeseries=f"influx://127.0.0.1:{port}/?bucket={database}")
    arrivals = [Arrival(ingest_plant().id, AGENT, payload) for payload in payloads]
    started_s = monotonic_s()
    for first in range(0, len(arrivals), GROUP):
        receipts = accept_batches(arrivals[first : first + GROUP], house.intake, DAY_MS + 10**9)
        if sum(receipt.accepted for receipt in receipts) != len(receipts) * READINGS:
            raise BenchFailed(f"not all readings were stored: {receipts[0]}")
    duration_s = monotonic_s() - started_s
    house.close()
    return duration_s
