"""Readings over MQTT: from a C publisher through a real broker until they are durable and queryable.

Publisher, broker and receiver share the machine. The time runs from the publisher's start to the receiver's last
message (bare) or last commit (gateway). The bare append takes the same rows in commits as large as ingest's groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, Target, figure_of, median_of
from bench.plant import AGENT, batches, ingest_directory, ingest_plant, open_house, singles
from bench.processes import BenchFailed, Child, mosquitto, published, python
from bench.scale import Bench
from collectors.clock import monotonic_s
from collectors.wire import decode_batch
from gateway.ingest.columns import cells_of
from gateway.ingest.directory import Directory
from gateway.ingest.intake import IngestLimits
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.timeseries import ReadingColumns


def run(bench: Bench) -> Iterator[Figure]:
    scale = bench.scale
    yield from _measured(bench, "ingest_mqtt", "readings/s", batches, scale.batches, 100, Target(0.5, "least"))
    yield from _measured(bench, "ingest_mqtt_single", "messages/s", singles, scale.singles, 1, Target(0.6, "least"))


def _measured(
    bench: Bench,
    name: str,
    unit: str,
    payloads: Callable[[int], Iterable[bytes]],
    messages: int,
    size: int,
    target: Target,
) -> Iterator[Figure]:
    directory = bench.fresh(name)
    lines = directory / "lines"
    lines.write_bytes(b"".join(payload + b"\n" for payload in payloads(messages)))
    readings = messages * size
    ours: list[_Flow] = []
    bare: list[_Flow] = []
    append = []
    for number in range(bench.scale.runs):
        bare.append(_bare(directory, lines, messages))
        ours.append(_gateway(directory / f"gateway-{number}", lines, readings))
        append.append(readings / append_s(directory / f"append-{number}", lines.read_bytes().splitlines()))
    limits = {
        "bare_subscriber": median_of([readings / flow.wall_s for flow in bare]),
        "bare_append": median_of(append),
    }
    yield figure_of(name, median_of([readings / flow.wall_s for flow in ours]), unit, limits, target)
    # What a busy machine does to the wall clock it does far less to this.
    cpu_us = [median_of([flow.cpu_s / messages * 1e6 for flow in flows]) for flows in (ours, bare)]
    yield figure_of(f"{name}.cpu", cpu_us[0], "CPU µs/message", {"bare_subscriber": cpu_us[1]})


@dataclass(frozen=True, slots=True)
class _Flow:
    """One run of a receiver."""

    wall_s: float  # from the publisher's start to the end
    cpu_s: float  # of the receiver's process
    stored: int  # readings, as the receiver says


def _bare(directory: Path, lines: Path, messages: int) -> _Flow:
    with mosquitto(directory) as port, python("bench.bare_subscriber", port, messages) as child:
        return _flow(child, port, lines)


def _gateway(data_dir: Path, lines: Path, readings: int) -> _Flow:
    open_house(data_dir, (ingest_plant(),)).close()
    log = data_dir.with_suffix(".log")
    with (
        mosquitto(data_dir) as port,
        python("bench.gateway_process", data_dir, port, readings, log=log) as child,
    ):
        flow = _flow(child, port, lines)
    if flow.stored != readings:
        raise BenchFailed(f"{readings} readings were sent and {flow.stored} are in the store")
    return flow


def _flow(child: Child, port: int, lines: Path) -> _Flow:
    child.answer()
    started_s = monotonic_s()
    with published(port, f"tanmai/v1/{ingest_plant().id}/{AGENT}/readings", lines):
        end = child.answer()
    return _Flow(end["at_s"] - started_s, end["cpu_s"], end.get("readings", 0))


def append_s(data_dir: Path, payloads: list[bytes]) -> float:
    """Seconds to append the rows of these batches, decoded before, in commits of ingest's group size."""
    group = IngestLimits().group_batches
    directory = ingest_directory()
    columns = [columns_of(payloads[first : first + group], directory) for first in range(0, len(payloads), group)]
    with closing(DuckDBStore(data_dir / "readings.duckdb")) as store:
        started_s = monotonic_s()
        for one in columns:
            store.append(one)
        return monotonic_s() - started_s


def columns_of(payloads: list[bytes], directory: Directory) -> ReadingColumns:
    """All readings of some batches of the ingest plant."""
    enterprise = ingest_plant().id
    cells = cells_of([(enterprise, decode_batch(payload)) for payload in payloads], directory)
    return cells.chosen(cells.point_id > 0)
