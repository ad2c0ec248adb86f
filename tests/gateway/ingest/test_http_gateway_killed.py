"""SIGKILL while several senders post at once and share commits: what was answered is in both stores, nothing twice."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from collectors.reading import Batch, DeviceBlock
from collectors.wire import encode_batch, new_batch_id
from gateway.store.batches_repository import BatchesRepository
from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore

T0 = 1_760_000_000_000
OWN = "91350500M00000000Y"
SENDERS = 4
BATCHES = 3  # of a body
ROWS = 5  # of a batch, of two points
KILLS = 3
ANSWERS_BEFORE_KILL = 20
PATIENCE_S = 90.0
GATEWAY = Path(__file__).with_name("killable_gateway.py")


class Body:
    """Some batches, and what is to be found of them."""

    def __init__(self, sender: int, number: int) -> None:
        self.readings: dict[tuple[int, int], float] = {}
        self.batches: list[str] = []
        lines = []
        for place in range(BATCHES):
            turn = (number * SENDERS + sender) * BATCHES + place
            at_ms = T0 + (turn * ROWS + np.arange(ROWS, dtype=np.int64)) * 1000
            values = np.stack([at_ms / 7.0, at_ms % 9973], axis=1).astype(np.float64)
            self.batches.append(new_batch_id(T0 + turn))
            block = DeviceBlock.of("incomer-1", ("energy_import", "power"), at_ms, values)
            lines.append(encode_batch(Batch(self.batches[-1], T0, (block,))))
            for at, row in zip(at_ms.tolist(), values.tolist(), strict=True):
                self.readings |= {(1, at): row[0], (2, at): row[1]}
        self.bytes = b"\n".join(lines)


class Senders:
    """Each posts one body after the other over a connection of its own, and each body until it is answered."""

    def __init__(self) -> None:
        self.port = 0  # of the gateway of now
        self.sent: list[Body] = []
        self.answered: list[Body] = []
        self.statuses: set[str] = set()
        self._enough, self._given_up = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def _send(self, sender: int) -> None:
        number = 0
        while not self._enough.is_set():
            body = Body(sender, number)
            self.sent.append(body)
            while not self._answered(body):
                if self._given_up.wait(0.02):  # the gateway is down, or sends us away
                    return
            self.answered.append(body)
            number += 1

    def _answered(self, body: Body) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/api/v1/readings", body.bytes, {"Content-Type": "application/x-ndjson"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if response.status != 200:
            return False
        receipts = json.loads(answer)["receipts"]
        assert [receipt["batch"] for receipt in receipts] == body.batches
        self.statuses |= {receipt["status"] for receipt in receipts}
        return True

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self.finish()

    def finish(self) -> None:
        """Make no more bodies, and wait until those that were made are answered."""
        self._enough.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def await_answers(self, wanted: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline_s, f"{len(self.answered)} answers, {wanted} wanted"
            time.sleep(0.002)


@contextmanager
def a_gateway(directory: Path) -> Iterator[int]:
    """Its port; killed at the end."""
    with subprocess.Popen(
        [sys.executable, str(GATEWAY), str(directory), "http"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "listening" in line:
                    break
            else:
                raise AssertionError("the gateway ended before it listened")
            yield int(line.rpartition(":")[2])
        finally:
            process.kill()


def stored(directory: Path) -> dict[tuple[int, int], float]:
    store = DuckDBStore(directory / "readings.duckdb")
    try:
        columns = store.read([1, 2], T0, T0 + 10**10)
    finally:
        store.close()
    keys = zip(columns.point_id.tolist(), columns.at_ms.tolist(), strict=True)
    return dict(zip(keys, columns.value.tolist(), strict=True))


def known(directory: Path, bodies: list[Body]) -> dict[str, int]:
    """batch -> readings that it was receipted with."""
    engine = open_database(f"sqlite:///{directory / 'tanmai.sqlite'}")
    rows = BatchesRepository(engine).known([(OWN, "edge-1", batch) for body in bodies for batch in body.batches])
    engine.dispose()
    return {batch: row.accepted for (_, _, batch), row in rows.items()}


def test_killed_while_senders_share_commits_loses_and_doubles_nothing(tmp_path: Path) -> None:
    under_way = 0
    with Senders() as senders:
        for _ in range(KILLS):
            with a_gateway(tmp_path) as senders.port:
                senders.await_answers(len(senders.answered) + ANSWERS_BEFORE_KILL)
            answered = list(senders.answered)
            under_way += len(senders.sent) - len(answered)
            found, batches = stored(tmp_path), known(tmp_path, answered)
            for body in answered:
                assert body.readings.items() <= found.items()
                assert [batches[batch] for batch in body.batches] == [2 * ROWS] * BATCHES
        assert under_way, "nothing was on its way: the kills mean nothing"
        with a_gateway(tmp_path) as senders.port:
            senders.finish()
    assert len(senders.answered) == len(senders.sent)
    assert senders.statuses <= {"stored", "duplicate"}
    assert stored(tmp_path) == {key: value for body in senders.sent for key, value in body.readings.items()}
    assert len(known(tmp_path, senders.sent)) == BATCHES * len(senders.sent)
