"""The gateway over TLS against a real broker: believed, refused in words and tried again, client certificates."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collectors.reading import Reading, batch_from_readings
from collectors.tls import TlsFiles
from collectors.wire import encode_batch
from edge_agent.connection import Connection
from edge_agent.health import last_will, offline
from edge_agent.publisher import MqttPublisher
from gateway.broker.address import BrokerAddress
from gateway.ingest.mqtt_listener import MqttListener
from gateway.ingest.stats import IngestStats
from tests.authority import Authority

pytestmark = pytest.mark.real("mosquitto")
OWN = "91350500M00000000Y"
T0 = 1_760_000_000_000


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def listen(house: Any) -> Iterator[Callable[..., MqttListener]]:
    started: list[MqttListener] = []

    def start(broker: Any, *files: Path) -> MqttListener:
        address = BrokerAddress.of(f"mqtts://127.0.0.1:{broker.port}", TlsFiles(*map(str, files)))
        started.append(MqttListener(house.intake, address, IngestStats(CollectorRegistry())))
        started[-1].start()
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


def test_agent_and_gateway_meet_over_tls_with_certificates_of_their_own(
    start_mosquitto: Any, listen: Any, house: Any, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("broker")
    broker = start_mosquitto(
        f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}\n"
        f"cafile {authority.ca_file}\nrequire_certificate true"
    )
    listener = listen(broker, authority.ca_file, *authority.issue("gateway"))
    until(lambda: listener.state().connected, "the gateway is connected")
    files = TlsFiles(str(authority.ca_file), *map(str, authority.issue("edge-1")))
    connection = Connection(f"mqtts://127.0.0.1:{broker.port}", OWN, "edge-1", tls=files)
    publisher = MqttPublisher(connection, last_will(), lambda: None)
    publisher.start()
    try:
        until(lambda: publisher.connected, "the agent is connected")
        readings = [Reading("incomer-1", "power", T0 + row, 1.5) for row in range(500)]
        publisher.send(encode_batch(batch_from_readings("b1", T0, readings)))
        until(lambda: [one.status for one in publisher.take_receipts()] == ["stored"], "the receipt")
    finally:
        publisher.close(offline("stopped"))
    assert len(house.series.rows) == 500


def test_broker_that_cannot_be_trusted_is_said_and_tried_again_until_it_is_mended(
    start_mosquitto: Any, listen: Any, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    expired = authority.issue("expired", days_left=-1)
    broker = start_mosquitto(f"allow_anonymous true\ncertfile {expired[0]}\nkeyfile {expired[1]}")
    listener = listen(broker, authority.ca_file)
    until(lambda: "it has expired: renew" in listener.state().detail, "the reason is said")
    for mended, place in zip(authority.issue("right"), expired, strict=True):
        shutil.copy(mended, place)
    broker.restart()
    until(lambda: listener.state().connected, "the gateway is connected")
