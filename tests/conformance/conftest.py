"""The time-series stores under test, with real servers: influxd and VictoriaMetrics on free loopback ports.

`stand` runs a test once per store. One influxd serves all tests of a process, each test in a database of its own;
`own_influxd` is a server that a test may stop and kill.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import Engine

from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.opening import open_timeseries
from gateway.store.timeseries import DirtyHours, PointDirectory, PointRef, ReadingColumns, TimeSeriesStore
from tests.plant_life.quick_store import QuickStore
from tests.simulation.plain_store import PlainStore

START_TIMEOUT_S = 30
NEVER_ENDS_MS = 2**62
ENTERPRISE = "91350500M00000000Y"


def _named(point_id: int) -> PointRef:
    """Names for any point; all of them need escaping in InfluxDB."""
    device = f"incomer {point_id}, hall=3" if point_id % 2 else f"进线-{point_id}'s"
    return PointRef(point_id, ENTERPRISE, device, "energy_import", "energy_import")


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binary(name: str, package: str) -> str:
    """Path of a server's program; without it the test is skipped, which CI does not allow."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; under CI nothing may be skipped")
        pytest.skip(missing)
    return found


@dataclass
class Server:
    """A server process with its own folder and ports, kept over restarts."""

    command: list[str]
    port: int
    log: Path
    probe: str  # a path that answers once it is ready
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log.read_text()
            with suppress(urllib3.exceptions.HTTPError):
                if urllib3.request("GET", self.base + self.probe, retries=False, timeout=1).status < 300:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{self.command[0]} does not answer after {START_TIMEOUT_S} s: {self.log.read_text()}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop or kill it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None


def influxd_server(folder: Path) -> Server:
    """A real InfluxDB 1.x that tells nobody about itself and listens on loopback only."""
    folder.mkdir(parents=True, exist_ok=True)
    port, rpc_port = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc_port}"\n'
        f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n'
        '[logging]\nlevel = "warn"\n'
    )
    command = [binary("influxd", "influxdb"), "run", "-config", str(config)]
    return Server(command, port, folder / "influxd.log", "/ping")


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One InfluxDB for all tests of this process; not to be stopped."""
    server = influxd_server(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Server]:
    """An InfluxDB that the test may stop, kill and start again."""
    server = influxd_server(tmp_path / "influxd")
    server.start()
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real VictoriaMetrics: it takes /api/v2/write as InfluxDB 2 does, and calls itself InfluxDB 1.8."""
    folder = tmp_path_factory.mktemp("victoria-metrics")
    port = free_port()
    command = [
        binary("victoria-metrics", "victoria-metrics"),
        f"-storageDataPath={folder}/data",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    server = Server(command, port, folder / "victoria-metrics.log", "/health")
    server.start()
    yield server
    server.end(signal.SIGKILL)


@dataclass
class Stand:
    """A store under test, and how to close and open it again on the same data."""

    name: str
    open: Callable[[], TimeSeriesStore]
    store: TimeSeriesStore

    def reopen(self) -> TimeSeriesStore:
        """What a restart of the gateway sees."""
        self.store.close()
        self.store = self.open()
        return self.store


@pytest.fixture
def relational(tmp_path: Path) -> Iterator[Engine]:
    """A relational database, which keeps InfluxDB's dirty-hour log."""
    engine = open_database(f"sqlite:///{tmp_path}/tanmai.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def directory() -> PointDirectory:
    """Names for any point."""
    return _named


OpenInflux = Callable[[Server], TimeSeriesStore]


@pytest.fixture
def open_influx(tmp_path: Path, relational: Engine) -> Iterator[OpenInflux]:
    """A function that opens a store on a server, always in the same bucket."""
    bucket = f"test-{uuid.uuid4()}"
    opened: list[TimeSeriesStore] = []

    def open_on(server: Server) -> TimeSeriesStore:
        url = f"influx://127.0.0.1:{server.port}/?org=park&bucket={bucket}&token=not-a-secret"
        opened.append(open_timeseries(url, path=tmp_path / "unused", directory=_named, engine=relational))
        return opened[-1]

    yield open_on
    for store in opened:
        store.close()


class ArchivingStore(DuckDBStore):
    """A DuckDB store that archives every month, the running one too, before each question about readings."""

    def read(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> ReadingColumns:
        self._archive_all()
        return super().read(point_ids, start_ms, end_ms)

    def counts(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
        self._archive_all()
        return super().counts(point_ids, start_ms, end_ms)

    def before(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        self._archive_all()
        return super().before(point_ids, at_ms, count)

    def after(self, point_ids: Sequence[int], at_ms: int, count: int) -> ReadingColumns:
        self._archive_all()
        return super().after(point_ids, at_ms, count)

    def claim_dirty(self, limit: int) -> DirtyHours:
        self._archive_all()
        return super().claim_dirty(limit)

    def _archive_all(self) -> None:
        while self.archive(NEVER_ENDS_MS) is not None:
            pass


@pytest.fixture(
    params=["duckdb", "archived", "plain", "quick", pytest.param("influxdb", marks=pytest.mark.real("influxdb"))]
)
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """Each store, empty."""
    if request.param == "influxdb":
        server, open_on = request.getfixturevalue("influxd"), request.getfixturevalue("open_influx")

        def opened() -> TimeSeriesStore:
            return open_on(server)
    elif request.param == "archived":

        def opened() -> TimeSeriesStore:
            return ArchivingStore(tmp_path / "timeseries.duckdb")
    elif request.param == "plain":

        def opened() -> TimeSeriesStore:
            return PlainStore(tmp_path / "journal")
    elif request.param == "quick":
        kept = QuickStore()  # it outlives those who open it

        def opened() -> TimeSeriesStore:
            return kept
    else:

        def opened() -> TimeSeriesStore:
            return open_timeseries("duckdb", path=tmp_path / "timeseries.duckdb", directory=_named, engine=None)

    stand = Stand(request.param, opened, opened())
    yield stand
    stand.store.close()


@pytest.fixture
def store(stand: Stand) -> TimeSeriesStore:
    """Each store, empty; for tests that do not restart it."""
    return stand.store
