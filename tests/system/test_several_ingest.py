"""Two ingest processes share a guarded mosquitto, InfluxDB and PostgreSQL; one is killed, nothing is lost or doubled.

The sender does as an agent does: it sends each batch again until it has its receipt.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import create_engine, text

from collectors.clock import now_ms
from collectors.reading import Batch, DeviceBlock
from collectors.wire import decode_receipt, encode_batch, new_batch_id
from gateway.broker.address import BrokerAddress
from gateway.broker.dynamic_security import DynamicSecurity
from tests.conformance.conftest import Server, influxd_server
from tests.gateway.broker.test_dynamic_security import an_administrator, plugin
from tests.gateway.conftest import postgresql, postgresql_server
from tests.system.small_park import AGENT, PLANT, Gateway, until

pytestmark = [pytest.mark.real("mosquitto"), pytest.mark.real("influxdb"), pytest.mark.real("postgresql")]

__all__ = ["postgresql", "postgresql_server"]

ROWS = 5
RESEND_AFTER_S = 2.0
START_MS = now_ms() // 1000 * 1000 - 3_600_000


class Sender:
    """An agent's side: one batch every 5 ms, and again whatever has no receipt."""

    def __init__(self, port: int) -> None:
        self.payloads: dict[str, bytes] = {}
        self.values: dict[int, float] = {}
        self.receipts: dict[str, str] = {}
        self.telemetry = 0  # messages of a device that asks for no receipt
        self.enough = threading.Event()
        self._sent_s: dict[str, float] = {}
        self._stop = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "agent", clean_session=False)
        self._client.username_pw_set("gateway", "gw")
        self._client.on_connect = lambda *_: self._client.subscribe(f"tanmai/v1/{AGENT}/receipts", 1)
        self._client.on_message = self._on_receipt
        self._client.connect("127.0.0.1", port)
        self._thread = threading.Thread(target=self._run)

    def _on_receipt(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        receipt = decode_receipt(message.payload)
        self.receipts.setdefault(receipt.batch, receipt.status)

    @property
    def missing(self) -> int:
        return len(self.payloads) - len(self.receipts)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            if not self.enough.is_set():
                self._make()
            now_s = time.monotonic()
            for batch in [one for one, sent_s in self._sent_s.items() if now_s - sent_s > RESEND_AFTER_S]:
                self._send(batch)

    def _make(self) -> None:
        number = len(self.payloads)
        at_ms = START_MS + (number * ROWS + np.arange(ROWS, dtype=np.int64)) * 100
        values = at_ms % 9973 / 7.0
        self.values.update(zip(at_ms.tolist(), values.tolist(), strict=True))
        batch = new_batch_id(START_MS + number)
        block = DeviceBlock.of("line-2", ("energy_import",), at_ms, values.reshape(ROWS, 1))
        self.payloads[batch] = encode_batch(Batch(batch, START_MS, (block,)))
        self._send(batch)
        simple = json.dumps({"ts": START_MS + number, "values": {"power": float(number)}})
        self._client.publish(f"tanmai/v1/{PLANT}/incomer-1/telemetry", simple, qos=1)
        self.telemetry += 1

    def _send(self, batch: str) -> None:
        if batch in self.receipts:
            self._sent_s.pop(batch, None)
            return
        self._sent_s[batch] = time.monotonic()
        self._client.publish(f"tanmai/v1/{AGENT}/readings", self.payloads[batch], qos=1)

    def __enter__(self) -> Sender:
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Server]:
    server = influxd_server(tmp_path / "influx")
    server.start()
    yield server
    server.end()


@pytest.fixture
def broker(tmp_path: Path, start_mosquitto: Callable[..., Any]) -> Any:
    store = tmp_path / "dynamic-security.json"
    store.write_text(json.dumps(an_administrator("adm1n")))
    server = start_mosquitto(f"allow_anonymous false\nplugin {plugin()}\nplugin_opt_config_file {store}")
    DynamicSecurity(BrokerAddress.of(f"mqtt://admin:adm1n@127.0.0.1:{server.port}")).put_gateway("gateway", "gw")
    return server


def test_one_of_two_ingest_processes_is_killed_and_nothing_is_lost_or_doubled(
    tmp_path: Path, influx: Server, broker: Any, postgresql: str, started: ExitStack
) -> None:
    def ingest(name: str) -> Gateway:
        one = Gateway(
            tmp_path / name,
            "ingest",
            TANMAI_INGEST_SHARE="city",
            TANMAI_MQTT_URL=f"mqtt://gateway:gw@127.0.0.1:{broker.port}",
            TANMAI_TIMESERIES=f"influx://{influx.base.removeprefix('http://')}/?bucket=readings",
            TANMAI_DATABASE_URL=postgresql,
        )
        started.callback(one.close)
        one.start()
        return one

    def metric(gateway: Gateway, name: str) -> float:
        lines = gateway.get("/metrics", gateway.token("admin")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    first, second = ingest("first"), ingest("second")
    first.apply_registry()
    with Sender(broker.port) as sender:
        until(lambda: metric(first, "tanmai_ingest_readings_total") > 0, "the first works")
        until(lambda: metric(second, "tanmai_ingest_readings_total") > 0, "the second works")
        first.end(signal.SIGKILL)
        seen = metric(second, "tanmai_ingest_readings_total")
        until(lambda: metric(second, "tanmai_ingest_readings_total") > seen + 20 * ROWS, "the second goes on alone")
        assert sender.missing, "nothing was on its way: the kill means nothing"
        first.start()
        sender.enough.set()
        until(lambda: not sender.missing, "a receipt for every batch")
        until(lambda: telemetry(postgresql) == sender.telemetry, "all simple telemetry: it waits for the one killed")
    assert set(sender.receipts.values()) <= {"stored", "duplicate"}
    stored = {item["value"] for item in second.readings("incomer-1", "power")}
    assert stored == {float(number) for number in range(sender.telemetry)}
    assert sorted(item["value"] for item in second.readings("line-2")) == sorted(sender.values.values())
    engine = create_engine(postgresql)
    with engine.connect() as connection:
        counted = connection.execute(text("SELECT count(*), sum(accepted) FROM batches WHERE sender = 'edge-1'")).one()
        aside = connection.execute(text("SELECT count(*) FROM set_aside")).scalar_one()
    engine.dispose()
    assert (tuple(counted), aside) == ((len(sender.payloads), len(sender.values)), 0)


def telemetry(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = int(connection.execute(text("SELECT count(*) FROM batches WHERE sender = 'incomer-1'")).scalar_one())
    engine.dispose()
    return found
