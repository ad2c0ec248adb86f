"""The line to the gateway: MQTT 5 or 3.1.1, QoS 1, made anew whenever it is lost.

Topics are `tanmai/v1/{enterprise}/{agent}/…`: `readings` and retained `status` go out, `receipts` come in. The broker
tells the gateway who we are by the topic; the client id `tanmai-{enterprise}-{agent}` only keeps us from being two.

What stays true:
- Nothing here is a promise: a batch counts as delivered when its receipt is taken from `receipts`, never by PUBACK.
- Connected means that the broker accepted us *and* the subscription to receipts, so that no receipt passes us by.
- Each connection is a new client without memory: what was on its way is sent again by the buffer, not by paho.
- After a failure the next attempt waits 1 s, doubled each time to at most `LONGEST_RECONNECT_S`, less up to half by
  chance, so that a park's agents do not come back in step.
- Losing the connection publishes the last will: `status` says offline.
- In which form a batch travels is `forms.FormChoice`'s business: plain JSON until the gateway said what else it reads.

Limit: MAX_RECEIPTS receipts not yet taken; beyond, a receipt is dropped and counted (its batch is sent again).
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from collectors.clock import monotonic_s
from collectors.errors import WireError
from collectors.tls import advice_on, client_context
from collectors.wire import Receipt, decode_receipt
from collectors.wire_forms import JSON, Form
from edge_agent.connection import LONGEST_RECONNECT_S, Connection, VersionChoice, reconnect_delay_s
from edge_agent.forms import FormChoice
from edge_agent.mqtt_link import MqttLink, Sent

MAX_RECEIPTS = 10_000


@dataclass(frozen=True, slots=True)
class LineDetails:
    """What else there is to say of the line, for the status."""

    mqtt_version: str = ""  # of the connection that stands; "" = there is none
    form: str = JSON.name  # in which batches travel now
    refused_messages: int = 0  # that the broker did not take (MQTT 5 says so)
    oversized_batches: int = 0  # larger than the broker takes
    warning: str = ""  # why messages are not taken although the connection stands


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

    @property
    def details(self) -> LineDetails: ...

    def send(self, payload: bytes) -> bool:
        """Hand a batch to the line; False = not now, keep it."""

    def send_status(self, document: bytes) -> bool:
        """Publish the retained status; False = not now."""

    def take_receipts(self) -> list[Receipt]:
        """Receipts that came in since the last call."""


class MqttPublisher:
    """Keeps a connection up in a thread of its own; every method may be called from any other thread."""

    def __init__(
        self,
        connection: Connection,
        last_will: bytes,
        wake: Callable[[], None],
        chance: Callable[[], float] = random.random,
        wanted_form: str = "auto",
        seal: Callable[[bytes], bytes] = lambda payload: payload,
        on_config: Callable[[bytes], None] | None = None,
    ) -> None:
        self._connection = connection
        self._last_will = last_will
        self._wake = wake  # called when there is something new for the agent
        self._chance = chance
        self._context = client_context(connection.tls) if connection.is_tls else None
        self._versions = VersionChoice(connection.version)
        self._forms = FormChoice(wanted_form)
        self._seal = seal  # puts our signature in front of a batch, where there is a key
        self._receipts: queue.Queue[Receipt] = queue.Queue(MAX_RECEIPTS)
        # Last level of the topic -> who takes what comes in on it; all of them are subscribed to.
        self._handlers: dict[str, Callable[[bytes], None]] = {"receipts": self._receive}
        if on_config is not None:
            self._handlers["config"] = on_config
        self._stop = threading.Event()
        self._lock = threading.Lock()  # guards what follows
        self._link: MqttLink | None = None  # the one that is connected and subscribed
        self._connections = 0
        self._problem = "not connected yet"
        self._dropped_receipts = 0
        self._refused_messages = 0
        self._oversized_batches = 0
        self._warning = ""
        self._thread = threading.Thread(target=self._run, name="mqtt-supervisor", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    @property
    def connections(self) -> int:
        return self._connections

    @property
    def connected(self) -> bool:
        return self._link is not None

    @property
    def problem(self) -> str:
        return self._problem

    @property
    def dropped_receipts(self) -> int:
        return self._dropped_receipts

    @property
    def details(self) -> LineDetails:
        with self._lock:
            version = self._link.version if self._link is not None else ""
            form = self._forms.form.name
            return LineDetails(version, form, self._refused_messages, self._oversized_batches, self._warning)

    def send(self, payload: bytes) -> bool:
        with self._lock:
            link = self._link
            form = self._forms.form_for(payload)
        if link is None:
            return False
        body = self._seal(form.pack(payload))
        if len(body) > link.largest_payload:
            self._note_oversized(len(body), link.largest_payload)
            return True  # never taken by this broker; the others must not wait for it
        return self._publish("readings", body, retain=False, form=form) is not None

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
            said.wait(timeout_s / 2)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s / 2)

    def _publish(
        self,
        leaf: str,
        payload: bytes,
        *,
        retain: bool,
        form: Form = JSON,
        user_properties: Iterable[tuple[str, str]] = (),
    ) -> Sent | None:
        """Hand a message to the link; None = not now. On MQTT 3.1.1 form and properties are not said."""
        with self._lock:
            link = self._link
        if link is None:
            return None
        topic = self._connection.topic(leaf)
        return link.publish(
            topic, payload, retain=retain, content_type=form.content_type, user_properties=user_properties
        )

    def _run(self) -> None:
        """Connect, watch, wait, again. Ends with `close`."""
        attempt = 0
        while not self._stop.is_set():
            began_s = monotonic_s()
            version = self._versions.choose(began_s)
            link: MqttLink | None = None
            try:
                link = MqttLink(self, self._connection, version, self._context, self._last_will, self._handlers)
                link.run(self._stop)
            except OSError as error:
                reason = advice_on(error) or str(error)
                self.lost(f"cannot reach {self._connection.url}: {reason}")
            except Exception as error:  # a defect must end this connection, not the thread that makes the next one
                self.lost(f"the MQTT client failed, please report this: {type(error).__name__}: {error}")
            if link is not None and self._other_version_at_once(link):
                continue
            held = link is not None and link.stood and monotonic_s() - began_s > LONGEST_RECONNECT_S
            attempt = 0 if held else attempt + 1  # a broker that throws us out each time is not asked every second
            self._stop.wait(reconnect_delay_s(max(attempt - 1, 0), self._chance()))

    def _other_version_at_once(self, link: MqttLink) -> bool:
        if link.stood or not link.reached:
            return False
        if link.version_refused:
            return self._versions.refused(link.version, monotonic_s())
        if not link.answered:
            self._versions.unanswered(link.version)
        return False

    def stands(self, link: MqttLink) -> None:
        self._versions.stood(link.version, monotonic_s())
        with self._lock:
            self._link = link
            self._forms.connected(may_pack=link.version == "5")
            self._connections += 1
            self._problem = ""
        self._wake()

    def lost(self, reason: str) -> None:
        with self._lock:
            self._link = None
            self._problem = reason
        self._wake()

    def _receive(self, payload: bytes) -> None:
        try:
            receipt = decode_receipt(payload)
            with self._lock:
                is_for_us = self._forms.heard(receipt)
            if is_for_us:
                self._receipts.put_nowait(receipt)
        except (WireError, queue.Full):
            with self._lock:
                self._dropped_receipts += 1
        self._wake()

    def answered(self, refusal: str) -> None:
        """The broker's word on a message (MQTT 5; in 3.1.1 it cannot refuse one without ending the connection)."""
        with self._lock:
            self._refused_messages += bool(refusal)
            self._warning = f"the broker does not take our messages ({refusal}): check its rules" if refusal else ""

    def _note_oversized(self, size: int, largest: int) -> None:
        with self._lock:
            self._oversized_batches += 1
            self._warning = (
                f"a batch of {size} bytes is larger than the broker takes ({largest}): "
                "raise its limit, or lower batch.max_readings for those to come"
            )
