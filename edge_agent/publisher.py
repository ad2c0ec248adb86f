"""The line to the gateway: MQTT 3.1.1, QoS 1. The only file on this side that knows paho-mqtt.

Topics are `tanmai/v1/{enterprise}/{agent}/…`: `readings` and retained `status` go out, `receipts` come in. The broker
tells the gateway who we are by the topic; the client id `tanmai-{enterprise}-{agent}` only keeps us from being two.

What stays true:
- Nothing here is a promise: a batch counts as delivered when its receipt is taken from `receipts`, never by PUBACK.
- Connected means that the broker accepted us *and* the subscription to receipts, so that no receipt passes us by.
- Each connection is a new client without memory: what was on its way is sent again by the buffer, not by paho.
- Callbacks never raise, wait or log: the agent's step does the talking. A network thread that died anyway is noticed,
  and so is a broker that takes the connection and then says nothing.
- After a failure the next attempt waits 1 s, doubled each time to at most `LONGEST_RECONNECT_S`, less up to half by
  chance, so that a park's agents do not come back in step.
- Losing the connection publishes the last will: `status` says offline.

Limits: MAX_UNSENT messages handed over and not yet acknowledged by the broker, MAX_RECEIPTS receipts not yet taken;
beyond, a message is refused and a receipt is dropped and counted (its batch is sent again).
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from collectors.clock import monotonic_s
from collectors.errors import WireError
from collectors.wire import Receipt, decode_receipt

MAX_UNSENT = 256
MAX_RECEIPTS = 10_000
FIRST_RECONNECT_S = 1.0
LONGEST_RECONNECT_S = 30.0
KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 5.0
WELCOME_TIMEOUT_S = 15.0  # from the TCP connection to the granted subscription
WATCH_S = 0.2  # how often the network thread is looked at, and whether we are to stop
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the gateway's broker, and who we are."""

    url: str  # mqtt://host[:port] or mqtts://host[:port]
    enterprise: str
    agent: str
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None  # mqtts: certificate authorities instead of the system's

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def client_id(self) -> str:
        return f"tanmai-{self.enterprise}-{self.agent}"

    def topic(self, leaf: str) -> str:
        return f"tanmai/v1/{self.enterprise}/{self.agent}/{leaf}"

    def __repr__(self) -> str:
        return f"Connection({self.url}, {self.username})"


class Publisher(Protocol):
    """What the agent needs of the line; tests put something simpler in its place."""

    @property
    def connections(self) -> int:
        """How often a connection came to stand: a change means that what was on its way may be lost."""

    @property
    def connected(self) -> bool: ...

    @property
    def problem(self) -> str:
        """Why there is no connection; "" if there is one."""

    @property
    def dropped_receipts(self) -> int: ...

    def send(self, payload: bytes) -> bool:
        """Hand a batch to the line; False = not now, keep it."""

    def send_status(self, document: bytes) -> bool:
        """Publish the retained status; False = not now."""

    def take_receipts(self) -> list[Receipt]:
        """Receipts that came in since the last call."""


def reconnect_delay_s(attempt: int, chance: float) -> float:
    """Wait before the n-th attempt after the first; `chance` out of [0, 1) shortens it by up to half."""
    longest = min(FIRST_RECONNECT_S * 2 ** min(attempt, 16), LONGEST_RECONNECT_S)
    return float(longest * (1 - chance / 2))


class MqttPublisher:
    """Keeps a connection up in a thread of its own; every method may be called from any other thread."""

    def __init__(
        self,
        connection: Connection,
        last_will: bytes,
        wake: Callable[[], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._last_will = last_will
        self._wake = wake  # called when there is something new for the agent
        self._chance = chance
        self._receipts: queue.Queue[Receipt] = queue.Queue(MAX_RECEIPTS)
        self._stop = threading.Event()
        self._lock = threading.Lock()  # guards what follows
        self._client: mqtt.Client | None = None  # the one that is connected and subscribed
        self._connections = 0
        self._problem = "not connected yet"
        self._dropped_receipts = 0
        self._thread = threading.Thread(target=self._run, name="mqtt-supervisor", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    @property
    def connections(self) -> int:
        return self._connections

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def problem(self) -> str:
        return self._problem

    @property
    def dropped_receipts(self) -> int:
        return self._dropped_receipts

    def send(self, payload: bytes) -> bool:
        return self._publish("readings", payload, retain=False) is not None

    def send_status(self, document: bytes) -> bool:
        return self._publish("status", document, retain=True) is not None

    def take_receipts(self) -> list[Receipt]:
        receipts: list[Receipt] = []
        while len(receipts) < MAX_RECEIPTS:
            try:
                receipts.append(self._receipts.get_nowait())
            except queue.Empty:
                break
        return receipts

    def close(self, farewell: bytes, timeout_s: float = 1.0) -> None:
        """Publish a last status, if the broker takes it in half the time, and end within `timeout_s`."""
        said = self._publish("status", farewell, retain=True)
        if said is not None:
            with suppress(RuntimeError, ValueError):  # the connection went meanwhile: the last will speaks for us
                said.wait_for_publish(timeout_s / 2)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s / 2)

    def _publish(self, leaf: str, payload: bytes, *, retain: bool) -> mqtt.MQTTMessageInfo | None:
        with self._lock:
            client = self._client
        if client is None:
            return None
        info = client.publish(self._connection.topic(leaf), payload, qos=1, retain=retain)
        return info if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def _run(self) -> None:
        """Connect, watch, wait, again. Ends with `close`."""
        attempt = 0
        while not self._stop.is_set():
            link = None
            try:
                link = _Link(self)
                link.run(self._stop)
            except OSError as error:
                self._lost(f"cannot reach {self._connection.url}: {error}")
            except Exception as error:  # a defect must end this connection, not the thread that makes the next one
                self._lost(f"the MQTT client failed, please report this: {type(error).__name__}: {error}")
            attempt = 0 if link is not None and link.stood else attempt + 1
            self._stop.wait(reconnect_delay_s(max(attempt - 1, 0), self._chance()))

    def _stands(self, client: mqtt.Client) -> None:
        with self._lock:
            self._client = client
            self._connections += 1
            self._problem = ""
        self._wake()

    def _lost(self, reason: str) -> None:
        with self._lock:
            self._client = None
            self._problem = reason
        self._wake()

    def _receive(self, payload: bytes) -> None:
        try:
            self._receipts.put_nowait(decode_receipt(payload))
        except (WireError, queue.Full):
            with self._lock:
                self._dropped_receipts += 1
        self._wake()


class _Link:
    """One connection from its beginning to its end: one paho client, used once."""

    def __init__(self, owner: MqttPublisher) -> None:
        self._owner = owner
        self._settings = owner._connection
        self._ended = threading.Event()
        self.stood = False
        self._client = self._make_client()

    def run(self, stop: threading.Event) -> None:
        """Hold the connection until it is lost or `stop` is set; raises OSError if it cannot be made."""
        client = self._client
        client.connect(self._settings.host, self._settings.port, KEEPALIVE_S)
        client.loop_start()
        try:
            give_up_s = monotonic_s() + WELCOME_TIMEOUT_S
            while not self._ended.wait(WATCH_S) and not stop.is_set():
                if not self._network_thread_lives():
                    self._end("the network thread ended unexpectedly")
                elif not self.stood and monotonic_s() > give_up_s:
                    self._end(f"the broker at {self._settings.url} takes the connection but does not answer")
        finally:
            client.disconnect()
            client.loop_stop()
        if stop.is_set():
            self._owner._lost("stopped")

    def _make_client(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, settings.client_id, protocol=mqtt.MQTTv311, reconnect_on_failure=False
        )
        client.suppress_exceptions = True  # an exception in a callback would end paho's network thread unseen
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(MAX_UNSENT)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.url.startswith("mqtts:"):
            client.tls_set(ca_certs=settings.ca_file)
        client.will_set(settings.topic("status"), self._owner._last_will, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _network_thread_lives(self) -> bool:
        name = f"paho-mqtt-client-{self._settings.client_id}"
        return any(thread.name == name and thread.is_alive() for thread in threading.enumerate())

    def _end(self, reason: str) -> None:
        if not self._ended.is_set():  # the first reason is the cause, what follows is its consequence
            self._ended.set()
            self._owner._lost(reason)

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            self._end(f"the broker refuses us ({code}): check gateway.username and the password")
            return
        client.subscribe(self._settings.topic("receipts"), qos=1)

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self._end(f"the broker does not let us read {self._settings.topic('receipts')}: check its access rules")
            return
        self.stood = True
        self._owner._stands(client)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        self._end(f"the connection was lost ({code})")

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._owner._receive(bytes(message.payload))
