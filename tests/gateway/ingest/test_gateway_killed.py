"""SIGKILL in the middle of a load: what was receipted is in the store, the rest comes again, nothing is there twice."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
BATCHES = 600
KILLS = 3
GATEWAY = Path(__file__).with_name("killable_gateway.py")


def a_batch(number: int) -> tuple[str, bytes]:
    at_ms = T0 + (number * ROWS + np.arange(ROWS, dtype=np.int64)) * 1000
    values = np.stack([at_ms / 7.0, at_ms % 9973], axis=1).astype(np.float64)
    batch_id = new_batch_id(T0 + number)
    block = DeviceBlock("incomer-1", ("energy_import", "power"), at_ms, values)
    return batch_id, encode_batch(Batch(batch_id, T0, (block,)))


class Sender:
    """Sends every batch until it has its receipt, as an agent does."""

    def __init__(self, url: str) -> None:
        self.payloads = dict(a_batch(number) for number in range(BATCHES))
        self.receipted: dict[str, str] = {}
        self._stop = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender", clean_session=False)
        self._client.on_connect = lambda *_: self._client.subscribe(f"tanmai/v1/{OWN}/edge-1/receipts", 1)
        self._client.on_message = self._on_receipt
        address = BrokerAddress.of(url)
        self._client.connect(address.host, address.port)
        self._thread = threading.Thread(target=self._run)

    def _on_receipt(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        receipt = decode_receipt(message.payload)
        self.receipted.setdefault(receipt.batch, receipt.status)

    def _run(self) -> None:
        while not self._stop.is_set():
            missing = [batch for batch in self.payloads if batch not in self.receipted]
            if not missing:
                return
            for batch in missing:
                self._client.publish(f"tanmai/v1/{OWN}/edge-1/readings", self.payloads[batch], qos=1)
                if self._stop.wait(0.001):
                    return
            self._stop.wait(0.3)

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
                if line.strip() == "listening":
                    break
            else:
                raise AssertionError("the gateway ended before it listened")
            yield process
        finally:
            process.kill()


def stored(directory: Path) -> dict[tuple[int, int], float]:
    """What is readable after a restart: the last of equal rows."""
    store = DuckDBStore(directory / "readings.duckdb")
    try:
        columns = store.read([1, 2], T0, T0 + BATCHES * ROWS * 1000)
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
                wanted = len(sender.receipted) + BATCHES // (KILLS + 2)
                deadline = time.monotonic() + 30
                while len(sender.receipted) < wanted and time.monotonic() < deadline:
                    time.sleep(0.002)
                assert len(sender.receipted) >= wanted, f"too few receipts before kill {kill + 1}"
            receipted = set(sender.receipted)
            assert len(receipted) < BATCHES, "the kill came too late to mean anything"
            found = stored(tmp_path)
            for batch in receipted:
                assert readings_of(sender.payloads[batch]).items() <= found.items()
        with a_gateway(tmp_path, mosquitto.url):
            deadline = time.monotonic() + 60
            while len(sender.receipted) < BATCHES and time.monotonic() < deadline:
                time.sleep(0.01)
    assert len(sender.receipted) == BATCHES
    assert set(sender.receipted.values()) <= {"stored", "duplicate"}
    expected = {key: value for payload in sender.payloads.values() for key, value in readings_of(payload).items()}
    assert stored(tmp_path) == expected
    engine = open_database(f"sqlite:///{tmp_path / 'tanmai.sqlite'}")
    known = BatchesRepository(engine).known([(OWN, "edge-1", batch) for batch in sender.payloads])
    engine.dispose()
    assert len(known) == BATCHES
