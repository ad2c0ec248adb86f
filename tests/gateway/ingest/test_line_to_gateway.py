"""An agent's line to the listener over either real broker: MQTT version, forms, and that all of it is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collectors.reading import Reading, batch_from_readings
from collectors.wire import Receipt, encode_batch
from edge_agent.connection import Connection
from edge_agent.health import last_will, offline
from edge_agent.publisher import MqttPublisher
from gateway.broker.accounts import GATEWAY_USER, agent_account, gateway_account, password_hash
from gateway.broker.address import BrokerAddress
from gateway.broker.embedded import EmbeddedBroker
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats

pytestmark = pytest.mark.real("mosquitto")
OWN = "91350500M00000000Y"
T0 = 1_760_000_000_000
PASSWORD = "p" * 43


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


def payload(batch_id: str, first: int, rows: int = 40) -> bytes:
    readings = [Reading("incomer-1", "power", T0 + first + row, 230.5 + row) for row in range(rows)]
    return encode_batch(batch_from_readings(batch_id, T0, readings))


def receipt_of(publisher: MqttPublisher) -> tuple[str, str, int]:
    receipts: list[Receipt] = []
    until(lambda: receipts.extend(publisher.take_receipts()) or receipts, "a receipt")
    return receipts[0].batch, receipts[0].status, receipts[0].accepted


@pytest.fixture
def broker(tmp_path: Path, engine: str) -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker(tmp_path / "broker", engine=engine)
    hashed = password_hash(PASSWORD)
    running.start((gateway_account(hashed), agent_account(OWN, "edge-1", hashed)))
    yield running
    running.stop()


@pytest.fixture
def listener(broker: EmbeddedBroker, house: Any) -> Iterator[MqttListener]:
    address = BrokerAddress.of(broker.url.replace("//", f"//{GATEWAY_USER}:{PASSWORD}@"))
    one = MqttListener(house.intake, address, IngestStats(CollectorRegistry()))
    one.start()
    assert one.wait_connected(20), one.state()
    yield one
    one.stop()


@pytest.fixture
def connect(broker: EmbeddedBroker) -> Iterator[Callable[..., MqttPublisher]]:
    opened: list[MqttPublisher] = []

    def start(form: str = "auto") -> MqttPublisher:
        connection = Connection(broker.url, OWN, "edge-1", f"{OWN}/edge-1", PASSWORD)
        publisher = MqttPublisher(connection, last_will(), lambda: None, wanted_form=form)
        opened.append(publisher)
        publisher.start()
        until(lambda: publisher.connected, "a connection")
        return publisher

    yield start
    for publisher in opened:
        publisher.close(offline("stopped"))


@pytest.mark.parametrize(("engine", "version", "form"), [("mosquitto", "5", "json+zstd"), ("nats", "3.1.1", "json")])
def test_best_version_and_form_are_found_and_everything_is_stored(
    listener: MqttListener, connect: Any, house: Any, version: str, form: str
) -> None:
    publisher = connect()
    assert publisher.details.mqtt_version == version
    for batch_id, first in (("b0", 0), ("b1", 100), ("b2", 200)):
        assert publisher.send(payload(batch_id, first))
        assert receipt_of(publisher) == (batch_id, "stored", 40)
    assert publisher.details.form == form
    assert len(house.series.rows) == 120
    assert house.batches.set_aside == []


@pytest.mark.parametrize("engine", ["mosquitto"])
@pytest.mark.parametrize("form", ["msgpack", "msgpack+zstd"])
def test_wanted_form_is_spoken_once_the_gateway_said_that_it_reads_it(
    listener: MqttListener, connect: Any, house: Any, form: str
) -> None:
    publisher = connect(form)
    for batch_id, first in (("b0", 0), ("b1", 100)):
        assert publisher.send(payload(batch_id, first))
        assert receipt_of(publisher) == (batch_id, "stored", 40)
    assert publisher.details.form == form
    assert len(house.series.rows) == 80
    assert house.batches.set_aside == []
