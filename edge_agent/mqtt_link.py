"""One MQTT connection from its beginning to its end. The only file on this side that knows paho-mqtt.

What stays true:
- Callbacks never raise, wait or log; they only tell the owner. A network thread that died anyway is noticed, and so is
  a broker that takes the connection and then says nothing.
- The connection stands when the broker accepted us and granted every subscription.
- On MQTT 5 each message says what it is (content type), and the broker's word on it is heard (reason codes).

Limits: MAX_UNSENT messages handed over and not yet acknowledged by the broker; beyond, a message is refused.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collectors.clock import monotonic_s
from collectors.wire_forms import JSON
from edge_agent.connection import Connection, Version

MAX_UNSENT = 256
MAX_PACKET_BYTES = 268_435_455  # MQTT 5, clause 2.1.4: a length has at most 4 bytes of 7 bits
PACKET_OVERHEAD_BYTES = 1024  # topic and properties beside the payload, at most
KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 5.0
WELCOME_TIMEOUT_S = 15.0  # from the TCP connection to the granted subscriptions
WATCH_S = 0.2  # how often the network thread is looked at, and whether we are to stop
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_UNSUPPORTED_VERSION = "Unsupported protocol version"


class Owner(Protocol):
    """Who is told; all of it is called from threads of the link."""

    def stands(self, link: MqttLink) -> None:
        """The broker let us in and granted the subscriptions."""

    def lost(self, reason: str) -> None:
        """There is no connection (any more), and why."""

    def answered(self, refusal: str) -> None:
        """The broker took a message (""), or says why it does not (MQTT 5; in 3.1.1 it cannot)."""


class Sent:
    """A message that was handed over."""

    def __init__(self, info: mqtt.MQTTMessageInfo) -> None:
        self._info = info

    def wait(self, timeout_s: float) -> None:
        """Until the broker has it, at most so long."""
        with suppress(RuntimeError, ValueError):  # the connection went meanwhile
            self._info.wait_for_publish(timeout_s)


class MqttLink:
    """One connection from its beginning to its end: one paho client, used once."""

    def __init__(
        self,
        owner: Owner,
        settings: Connection,
        version: Version,
        context: ssl.SSLContext | None,
        last_will: bytes,
        handlers: Mapping[str, Callable[[bytes], None]],
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._handlers = handlers
        self._ended = threading.Event()
        self._awaited: dict[int, str] = {}  # number of a subscription that is not granted yet -> its topic's last level
        self.version: Version = version
        self.reached = False  # the connection (TCP, TLS) was made
        self.answered = False  # the broker said something
        self.version_refused = False
        self.stood = False
        self.largest_payload = _payload_limit(None)
        self._client = self._make_client(context, last_will)

    def run(self, stop: threading.Event) -> None:
        """Hold the connection until it is lost or `stop` is set; raises OSError if it cannot be made."""
        client = self._client
        client.connect(self._settings.host, self._settings.port, KEEPALIVE_S)
        self.reached = True
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
            self._owner.lost("stopped")

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool,
        content_type: str,
        user_properties: Iterable[tuple[str, str]] = (),
    ) -> Sent | None:
        """Hand a message over, QoS 1; None = not now. On MQTT 3.1.1 its properties are left out."""
        properties = _properties(PacketTypes.PUBLISH, content_type, user_properties) if self.version == "5" else None
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        return Sent(info) if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def _make_client(self, context: ssl.SSLContext | None, last_will: bytes) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            protocol=_PROTOCOLS[self.version],
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True  # an exception in a callback would end paho's network thread unseen
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(MAX_UNSENT)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if context is not None:
            client.tls_set_context(context)
        will = _properties(PacketTypes.WILLMESSAGE, JSON.content_type) if self.version == "5" else None
        client.will_set(settings.topic("status"), last_will, qos=1, retain=True, properties=will)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _network_thread_lives(self) -> bool:
        name = f"paho-mqtt-client-{self._settings.client_id}"
        return any(thread.name == name and thread.is_alive() for thread in threading.enumerate())

    def _end(self, reason: str) -> None:
        if not self._ended.is_set():  # the first reason is the cause, what follows is its consequence
            self._ended.set()
            self._owner.lost(reason)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.answered = True
        if code.is_failure:
            self.version_refused = code.getName() == _UNSUPPORTED_VERSION
            advice = "set gateway.version" if self.version_refused else "check gateway.username and the password"
            self._end(f"the broker refuses us ({code}): {advice}")
            return
        self.largest_payload = _payload_limit(getattr(properties, "MaximumPacketSize", None))
        for leaf in self._handlers:
            _, number = client.subscribe(self._settings.topic(leaf), qos=1)
            if number is not None:
                self._awaited[number] = leaf

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, number: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        leaf = self._awaited.pop(number, "receipts")
        if any(code.is_failure for code in codes):
            self._end(f"the broker does not let us read {self._settings.topic(leaf)}: check its access rules")
        elif not self._awaited:
            self.stood = True
            self._owner.stands(self)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if not self.answered and self._settings.is_tls:
            advice = "it may want a client certificate (gateway.cert_file, gateway.key_file), or another one"
            self._end(f"the broker at {self._settings.url} ended the connection without an answer ({code}): {advice}")
        self._end(f"the connection was lost ({code})")

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        handle = self._handlers.get(message.topic.rpartition("/")[2])
        if handle is not None:
            handle(bytes(message.payload))

    def _on_publish(self, _client: mqtt.Client, _data: Any, _number: int, code: ReasonCode, _properties: Any) -> None:
        self._owner.answered(str(code) if code.is_failure else "")


def _payload_limit(packet_bytes: int | None) -> int:
    """What a payload may have, given the largest packet that the broker takes; None = it names no limit."""
    largest = MAX_PACKET_BYTES if packet_bytes is None else packet_bytes
    return max(largest - PACKET_OVERHEAD_BYTES, 0)


def _properties(packet: int, content_type: str, user_properties: Iterable[tuple[str, str]] = ()) -> Properties:
    """Of an MQTT 5 message: what its payload is, and what else is said of it."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    properties.ContentType = content_type
    for pair in user_properties:
        properties.UserProperty = pair
    return properties
