"""SIGKILL in the middle of a load: what was receipted is in the store, the rest comes again, nothing is there twice."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import pytest

from collectors.reading import Batch, DeviceBlock
from collectors.wire import decode_batch, decode_receipt, encode_batch, new_batch_id
from gateway.broker.address import BrokerAddress
from gateway.store.batches_repository import BatchesRepository
from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore

pytestmark = pytest.mark.real("mosquitto")

T0 = 1_760_000_000_000
OWN = "91350500M00000000Y"
ROWS = 20
KILLS = 3
RECEIPTS_BEFORE_KILL = 50
RESEND_AFTER_S = 2.0
GATEWAY = Path(__file__).with_name("killable_gateway.py")


def a_batch(number: int) -> tuple[str, bytes]:
    at_ms = T0 + (number * ROWS + np.arange(ROWS, dtype=np.int64)) * 1000
    values = np.stack([at_ms / 7.0, at_ms % 9973], axis=1).astype(np.float64)
    batch_id = new_batch_id(T0 + number)
    block = DeviceBlock.of("incomer-1", ("energy_import", "power"), at_ms, values)
    return batch_id, encode_batch(Batch(batch_id, T0, (block,)))


class Sender:
    """Makes a new batch every other millisecond, and sends each again until it has its receipt, as an agent does."""

    def __init__(self, url: str) -> None:
        self.payloads: dict[str, bytes] = {}
        self.receipted: dict[str, str] = {}
        self.enough = threading.Event()
        self._sent_s: dict[str, float] = {}
        self._stop = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender", clean_session=False)
        self._client.on_connect = lambda *_: self._client.subscribe(f"tanmai/v1/{OWN}/edge-1/receipts", 1)
        self._client.on_message = self._on_receipt
        address = BrokerAddress.of(url)
        self._client.connect(address.host, address.port)
        self._thread = threading.Thread(target=self._run)

    @property
    def missing(self) -> int:
        return len(self.payloads) - len(self.receipted)

    def _on_receipt(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        receipt = decode_receipt(message.payload)
        self.receipted.setdefault(receipt.batch, receipt.status)

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            if not self.enough.is_set():
                batch, payload = a_batch(len(self.payloads))
                self.payloads[batch] = payload
                self._send(batch)
            now_s = time.monotonic()
            for batch in [one for one, sent_s in self._sent_s.items() if now_s - sent_s > RESEND_AFTER_S]:
                self._send(batch)

    def _send(self, batch: str) -> None:
        if batch in self.receipted:
            self._sent_s.pop(batch, None)
            return
        self._sent_s[batch] = time.monotonic()
        self._client.publish(f"tanmai/v1/{OWN}/edge-1/readings", self.payloads[batch], qos=1)

    def __enter__(self) -> Sender:
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def a_gateway(directory: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(GATEWAY), str(directory), url], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "listening" in line:  # a line of the log, from another thread, may have run into it
                    break
            else:
                raise AssertionError("the gateway ended before it listened")
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.002)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def stored(directory: Path) -> dict[tuple[int, int], float]:
    """What is readable after a restart: the last of equal rows."""
    store = DuckDBStore(directory / "readings.duckdb")
    try:
        columns = store.read([1, 2], T0, T0 + 10**10)
    finally:
        store.close()
    keys = list(zip(columns.point_id.tolist(), columns.at_ms.tolist(), strict=True))
    assert len(keys) == len(set(keys)), "a reading is there twice"
    return dict(zip(keys, columns.value.tolist(), strict=True))


def readings_of(payload: bytes) -> dict[tuple[int, int], float]:
    (block,) = decode_batch(payload).blocks
    rows = zip(block.at_ms.tolist(), block.values.tolist(), strict=True)
    return {(point, at_ms): value for at_ms, row in rows for point, value in enumerate(row, start=1)}


def test_gateway_killed_in_the_middle_of_a_load_loses_and_doubles_nothing(tmp_path: Path, mosquitto: Any) -> None:
    with Sender(mosquitto.url) as sender:
        for kill in range(KILLS):
            with a_gateway(tmp_path, mosquitto.url):
                wanted = len(sender.receipted) + RECEIPTS_BEFORE_KILL
                until(lambda wanted=wanted: len(sender.receipted) >= wanted, f"receipts before kill {kill + 1}")
            receipted = set(sender.receipted)
            found = stored(tmp_path)
            for batch in receipted:
                assert readings_of(sender.payloads[batch]).items() <= found.items()
        assert sender.missing, "nothing was on its way: the kills mean nothing"
        with a_gateway(tmp_path, mosquitto.url):
            sender.enough.set()
            until(lambda: not sender.missing, "all receipts after the last start")
    assert set(sender.receipted.values()) <= {"stored", "duplicate"}
    expected = {key: value for payload in sender.payloads.values() for key, value in readings_of(payload).items()}
    assert stored(tmp_path) == expected
    engine = open_database(f"sqlite:///{tmp_path / 'tanmai.sqlite'}")
    known = BatchesRepository(engine).known([(OWN, "edge-1", batch) for batch in sender.payloads])
    engine.dispose()
    assert len(known) == len(sender.payloads)
