"""Ingest before a real InfluxDB that is away, slow, full, choosy or forgetful: nothing is answered that is not stored.

The way is that of MQTT: messages wait in `Pending` until a commit takes them. The server is the real influxd, stopped,
started and configured; where it has to be slow, its bytes pass a proxy of ours.
"""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from collectors.wire import Receipt
from gateway.ingest.again import accept_again
from gateway.ingest.intake import Arrival, Intake
from gateway.ingest.isolate import MAX_APPENDS
from gateway.ingest.pending import LONGEST_PAUSE_S, Message, Pending
from gateway.ingest.stats import IngestStats
from gateway.registry.model import Agent, Device, Enterprise, Name, Park, Point, Registry
from gateway.store import influx_protocol
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.batches_repository import BatchesRepository
from gateway.store.opening import open_timeseries
from gateway.store.set_aside_repository import SetAsideRepository

pytestmark = pytest.mark.real("influxdb")

DAY_MS = 86_400_000
T0 = 1_760_000_400_000
NOW = T0 + 30 * DAY_MS
OWN = "91350500M00000000Y"
POINTS = tuple(f"p{number}" for number in range(6))


def a_registry() -> Registry:
    points = tuple(Point(number, "meter", name, "power") for number, name in enumerate(POINTS, start=1))
    enterprise = Enterprise(
        OWN, Name("甲", "A"), "park", "C3071", agents=(Agent("edge"),), devices=(Device("meter", points),)
    )
    return Registry(1, {"park": Park("park", Name("园", "Park"), "fujian", "Asia/Shanghai")}, {OWN: enterprise})


@dataclass
class Gateway:
    """Pending, and the stores behind it."""

    intake: Intake
    pending: Pending
    aside: SetAsideRepository
    now_s: float = 0.0
    sent: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)

    def send(self, *rows: Sequence[float], points: Sequence[str] = POINTS[:1]) -> str:
        """One batch of rows [time, value per point] comes in."""
        self.sent += 1
        block = {"device": "meter", "points": points, "rows": rows}
        batch = {"v": 1, "batch": f"b{self.sent}", "sent_at": T0, "devices": [block]}
        self.pending.add(
            Message(self.sent, 1, "readings", b"receipts", Arrival(OWN, "edge", json.dumps(batch).encode()))
        )
        return f"b{self.sent}"

    def commit(self) -> int:
        """One try, after whatever pause; gives how many batches it answered."""
        self.now_s += LONGEST_PAUSE_S
        committed = self.pending.commit(NOW, self.now_s)
        answers = [one.receipt for one in committed if one.receipt is not None]
        self.receipts.update({receipt.batch: receipt for receipt in answers})
        return len(answers)

    def stored(self, point: int = 1) -> list[float]:
        values: list[float] = self.intake.timeseries.read([point], 0, NOW).value.tolist()
        return values

    def reasons(self, batch: str) -> dict[str, int]:
        return {one.reason: one.count for one in self.receipts[batch].reasons}


OpenGateway = Callable[..., Gateway]


@pytest.fixture
def open_gateway(tmp_path: Path, relational: Engine) -> Iterator[OpenGateway]:
    """A function that opens a gateway on a port, with a database of its own on that server."""
    opened: list[Any] = []
    own = f"test-{uuid.uuid4()}"

    def make(port: int, bucket: str = own) -> Gateway:
        registry = a_registry()
        url = f"influx://127.0.0.1:{port}/?bucket={bucket}"
        series = open_timeseries(url, path=tmp_path, directory=registry.refs_by_id.__getitem__, engine=relational)
        opened.append(series)
        batches = BatchesRepository(relational)
        intake = Intake(series, lambda: registry, batches, AgentStatusRepository(relational))
        pending = Pending(intake, IngestStats(CollectorRegistry()))
        return Gateway(intake, pending, SetAsideRepository(relational))

    yield make
    for series in opened:
        series.close()


def configure(server: Any, section: str, line: str) -> None:
    """Stop the server, set one line in its configuration, start it again."""
    server.end()
    config = server.log.parent / "influxdb.conf"
    kept = [old for old in config.read_text().splitlines() if not old.startswith(line.partition("=")[0])]
    kept.insert(kept.index(f"[{section}]") + 1, line)
    config.write_text("\n".join(kept) + "\n")
    server.start()


def test_away_nothing_is_answered_and_back_everything_is_stored_once(
    own_influxd: Any, open_gateway: OpenGateway
) -> None:
    gateway = open_gateway(own_influxd.port)
    gateway.send([T0, 1.0])
    assert gateway.commit() == 1
    own_influxd.end()
    for number in range(1, 4):
        gateway.send([T0 + number, 1.0 + number])
        assert gateway.commit() == 0
    assert len(gateway.pending) == 3
    own_influxd.start()
    assert gateway.commit() == 3
    assert gateway.stored() == [1.0, 2.0, 3.0, 4.0]
    assert {receipt.status for receipt in gateway.receipts.values()} == {"stored"}


class SlowLine:
    """Passes bytes to a server and back; while `held`, what the server answers stays here."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.passing = threading.Event()
        self.passing.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._open += [here, there]
                threading.Thread(target=self._pass, args=(here, there, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(there, here, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                if is_answer:
                    self.passing.wait()
                target.sendall(part)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.passing.set()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_slow_beyond_patience_is_not_answered_and_storing_twice_changes_nothing(
    influxd: Any, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_protocol, "ANSWER_TIMEOUT_S", 1)
    line = SlowLine(influxd.port)
    try:
        gateway = open_gateway(line.port)
        gateway.send([T0, 1.0])
        line.passing.clear()
        assert gateway.commit() == 0  # the server may well have stored it: nobody told us
        line.passing.set()
        assert gateway.commit() == 1
        assert gateway.receipts["b1"] == Receipt("b1", "stored", 1)
        assert gateway.stored() == [1.0]
    finally:
        line.close()


def test_full_nothing_is_answered_and_with_room_again_everything_is_stored(
    own_influxd: Any, open_gateway: OpenGateway
) -> None:
    gateway = open_gateway(own_influxd.port)
    configure(own_influxd, "data", "cache-max-memory-size = 2000")
    gateway.send(*([T0 + second * 1000, float(second)] for second in range(500)))
    gateway.commit()
    gateway.send(*([T0 + second * 1000, float(second)] for second in range(500, 1000)))
    assert gateway.commit() == 0  # "cache-max-memory-size exceeded"
    waiting = len(gateway.pending)
    assert waiting
    configure(own_influxd, "data", "cache-max-memory-size = 100000000")
    assert gateway.commit() == waiting
    assert gateway.stored() == [float(second) for second in range(1000)]


def test_a_server_that_takes_no_more_series_keeps_the_known_ones_going(
    own_influxd: Any, open_gateway: OpenGateway
) -> None:
    gateway = open_gateway(own_influxd.port)
    configure(own_influxd, "data", "max-series-per-database = 2")
    known = gateway.send([T0, 1.0, 2.0], points=POINTS[:2])
    assert (gateway.commit(), gateway.reasons(known)) == (1, {})
    mixed = gateway.send([T0 + 1, 1.0, 2.0, 3.0, 4.0], points=POINTS[:4])
    assert gateway.commit() == 1
    assert gateway.receipts[mixed] == Receipt(mixed, "stored", 2, 2, gateway.receipts[mixed].reasons)
    assert gateway.reasons(mixed) == {"store_refused": 2}
    assert "max-series-per-database" in gateway.aside.page()[0].detail
    assert (gateway.stored(1), gateway.stored(3)) == ([1.0, 1.0], [])
    configure(own_influxd, "data", "max-series-per-database = 100")
    again = accept_again(gateway.intake, gateway.aside, None, NOW, ["store_refused"])
    assert (again.messages, again.readings) == (1, 2)
    assert (gateway.stored(3), gateway.stored(4), gateway.aside.page()) == ([3.0], [4.0], [])


def test_poison_readings_are_set_aside_and_the_others_of_their_batch_stored(
    influxd: Any, open_gateway: OpenGateway
) -> None:
    bucket = f"test-{uuid.uuid4()}"
    gateway = open_gateway(influxd.port, bucket)
    gateway.send([T0, 0.0])
    gateway.commit()
    # Another program wrote integers into a later week of our measurement: InfluxDB refuses our numbers of that week.
    week_ms = T0 + 14 * DAY_MS
    foreign = f"reading,enterprise=other value=1i,quality=0i {week_ms}"
    assert urllib3.request("POST", f"{influxd.base}/write?db={bucket}&precision=ms", body=foreign).status == 204
    rows = [[T0 + second * 1000, float(second)] for second in range(1, 200)]
    bad = gateway.send(*rows[:100], [week_ms, 666.0], *rows[100:])
    good = gateway.send([T0 + 900_000, 900.0])
    assert gateway.commit() == 2
    assert (gateway.receipts[bad].accepted, gateway.reasons(bad)) == (199, {"store_refused": 1})
    assert gateway.receipts[good] == Receipt(good, "stored", 1)
    assert gateway.stored() == [0.0, *(float(second) for second in range(1, 200)), 900.0]
    (row,) = gateway.aside.page()
    assert "field type conflict" in row.detail
    assert len(gateway.pending) == 0


def test_what_is_older_than_the_retention_is_set_aside_with_few_questions(
    influxd: Any, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"test-{uuid.uuid4()}"
    statement = f'CREATE DATABASE "{bucket}" WITH DURATION 1d NAME "short"'
    urllib3.request("POST", f"{influxd.base}/query", fields={"q": statement})
    gateway = open_gateway(influxd.port, f"{bucket}/short")
    asked: list[int] = []
    append = gateway.intake.timeseries.append

    def counting(readings: Any) -> None:
        asked.append(len(readings))
        append(readings)

    monkeypatch.setattr(gateway.intake.timeseries, "append", counting)
    old = gateway.send(*([T0 + second * 1000, 1.0] for second in range(3000)))
    assert gateway.commit() == 1
    assert (gateway.receipts[old].accepted, gateway.reasons(old)) == (0, {"store_refused": 3000})
    assert asked == [3000]  # the server said itself that it dropped all of them
    assert len(asked) < MAX_APPENDS
    assert (gateway.commit(), len(gateway.pending)) == (0, 0)
    assert "retention" in gateway.aside.page()[0].detail
