"""The line over TLS against a real broker: what is right connects, what is wrong is said in words and tried again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from collectors.tls import TlsFiles, advice_on, client_context
from edge_agent import connection as connection_module
from edge_agent.connection import Connection
from edge_agent.health import last_will, offline
from edge_agent.publisher import MqttPublisher
from tests.authority import Authority

pytestmark = pytest.mark.real("mosquitto")
Until = Callable[..., None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def start_broker(start_mosquitto: Any, tmp_path: Path) -> Callable[..., Any]:
    """A function that starts a broker with TLS, given its certificate and key; the address with the scheme mqtts."""

    def start(pair: tuple[Path, Path], ca_of_clients: Path | None = None) -> Any:
        certificate, key = pair
        lines = ["allow_anonymous true", f"certfile {certificate}", f"keyfile {key}"]
        if ca_of_clients is not None:
            lines += [f"cafile {ca_of_clients}", "require_certificate true"]
        return start_mosquitto(extra="\n".join(lines))

    return start


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MqttPublisher]]:
    monkeypatch.setattr(connection_module, "FIRST_RECONNECT_S", 0.05)
    opened: list[MqttPublisher] = []

    def start(broker: Any, ca: Path, cert: tuple[Path, Path] | None = None, host: str = "127.0.0.1") -> MqttPublisher:
        files = TlsFiles(str(ca), *(str(path) for path in cert or ()))
        connection = Connection(f"mqtts://{host}:{broker.port}", "acme", "edge-1", tls=files)
        publisher = MqttPublisher(connection, last_will(), lambda: None)
        opened.append(publisher)
        publisher.start()
        return publisher

    yield start
    for publisher in opened:
        publisher.close(offline("stopped"))


def test_trusted_broker_is_connected_and_takes_batches(
    start_broker: Any, authority: Authority, connect: Any, until: Until
) -> None:
    broker = start_broker(authority.issue("broker"))
    publisher = connect(broker, authority.ca_file)
    until(lambda: publisher.connected)
    assert publisher.details.mqtt_version == "5"
    assert publisher.send(b"a batch")


@pytest.mark.parametrize(
    ("issued", "said"),
    [
        ({"days_left": -1}, "it has expired: renew the broker's certificate"),
        ({"days_left": 5}, "it is not valid yet: compare this machine's clock"),
        ({"host": "127.0.0.9"}, "it is for another IP address"),
        ({"host": "broker.example"}, "it is for another"),
    ],
)
def test_broker_that_cannot_be_trusted_is_said_in_words(
    start_broker: Any, authority: Authority, connect: Any, until: Until, issued: dict[str, Any], said: str
) -> None:
    broker = start_broker(authority.issue("broker", **issued))
    publisher = connect(broker, authority.ca_file)
    until(lambda: said in publisher.problem)
    assert publisher.connections == 0


def test_unknown_authority_is_tried_again_until_the_broker_is_mended(
    start_broker: Any, authority: Authority, connect: Any, until: Until, tmp_path: Path
) -> None:
    wrong = Authority(tmp_path / "other", "other").issue("broker")
    broker = start_broker(wrong)
    publisher = connect(broker, authority.ca_file)
    until(lambda: "give that authority's certificate as the CA file" in publisher.problem)
    for mended, place in zip(authority.issue("right"), wrong, strict=True):
        shutil.copy(mended, place)
    broker.restart()
    until(lambda: publisher.connected)


def test_client_certificate_is_shown_and_its_absence_explained(
    start_broker: Any, authority: Authority, connect: Any, until: Until
) -> None:
    broker = start_broker(authority.issue("broker"), ca_of_clients=authority.ca_file)
    nameless = connect(broker, authority.ca_file)
    until(lambda: "client certificate" in nameless.problem)
    assert nameless.connections == 0
    nameless.close(offline("stopped"))
    known = connect(broker, authority.ca_file, authority.issue("edge-1"))
    until(lambda: known.connected)


def test_port_without_tls_is_recognised(mosquitto: Any, authority: Authority, connect: Any, until: Until) -> None:
    publisher = connect(mosquitto, authority.ca_file)
    until(lambda: "TLS" in publisher.problem)
    assert "speak" in publisher.problem


def test_files_that_cannot_be_used_are_refused_before_the_first_connection(
    authority: Authority, tmp_path: Path
) -> None:
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("nothing")
    certificate, _ = authority.issue("one")
    _, other_key = authority.issue("two")
    for files, said in (
        (TlsFiles(str(no_pem)), "no PEM certificates of authorities"),
        (TlsFiles(None, str(certificate), str(other_key)), "no PEM certificate with its unencrypted key"),
        (TlsFiles(None, str(certificate)), "no PEM certificate with its unencrypted key"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            client_context(files)


def test_errors_that_are_not_of_tls_get_no_advice() -> None:
    assert advice_on(ConnectionRefusedError(os.strerror(111))) == ""
