"""Clients at a real broker, and the embedded brokers that are tested."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from collectors.errors import ConfigurationError
from gateway.broker.address import BrokerAddress
from gateway.broker.engines import choose_engine


def until(condition: Callable[[], Any], what: str, timeout_s: float = 15) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


# NATS takes no dots in a client id.
_PLAIN = str.maketrans("/.", "--")


@dataclass
class Client:
    """A client with a session that the broker keeps."""

    mqtt: mqtt.Client
    address: BrokerAddress
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    connected: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    granted: dict[int, bool] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)

    def subscribe(self, *topics: str) -> None:
        """Ask for each topic by itself; a refusal is not an error here."""
        for topic in topics:
            _, mid = self.mqtt.subscribe(topic, 1)
            until(lambda mid=mid: mid in self.granted, f"an answer about {topic}")

    def send(self, topic: str, payload: bytes = b"x") -> None:
        """Publish without waiting: a broker may answer a forbidden message with nothing at all."""
        self.mqtt.publish(topic, payload, qos=1)

    def deliver(self, topic: str, payload: bytes) -> None:
        """Publish and wait for the PUBACK, over a new connection if the broker ends this one."""
        mid = self.mqtt.publish(topic, payload, qos=1).mid
        until(lambda: mid in self.confirmed, f"a PUBACK for {topic}")

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """connect(url, user, password) -> Client; all are closed at the end."""
    made: list[Client] = []

    def open_client(url: str, user: str, password: str, name: str = "", wait: bool = True) -> Client:
        inner = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, name or f"test-{user[-8:].translate(_PLAIN)}", clean_session=False
        )
        client = Client(inner, BrokerAddress.of(url))
        made.append(client)
        inner.username_pw_set(user, password)
        inner.reconnect_delay_set(1, 1)

        def on_connect(_c: Any, _d: Any, _f: Any, code: Any, _p: Any) -> None:
            (client.refused if code.is_failure else client.connected).set()

        inner.on_connect = on_connect
        inner.on_subscribe = lambda _c, _d, mid, codes, _p: client.granted.update({mid: not codes[0].is_failure})
        inner.on_publish = lambda _c, _d, mid, _code, _p: client.confirmed.add(mid)
        inner.on_message = lambda _c, _d, message: client.messages.append((message.topic, message.payload))
        inner.connect(client.address.host, client.address.port)
        inner.loop_start()
        if wait:
            assert client.connected.wait(10), f"{user} could not connect"
        return client

    yield open_client
    for client in made:
        client.close()


@pytest.fixture(params=["mosquitto", "nats"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine that can be embedded and is here."""
    name = str(request.param)
    try:
        choose_engine(name)
    except ConfigurationError as error:
        pytest.skip(str(error))
    return name
