"""Readings over MQTT. The only file of the gateway's ingest that knows paho-mqtt.

paho keeps the connection; readings and receipts go past it, on the `Lane` that it takes for its socket.

One thread reads from the broker and answers; another one commits what was read, a group at a time, while the next one
gathers (docs/decisions/0021-commit-beside-reading.md has the figures).

What stays true:
- A message is acknowledged after its commit; then, and only then, its receipt is published. A message that is not
  acknowledged comes again, because the session is kept by the broker (clean_session false, a fixed client id).
- The callback only notes the message: it never raises and never waits. While a store is away at most
  `pending.MAX_MESSAGES` are held, then nothing more is read; the broker and the agents keep the rest.
- A connection that is lost is made anew, at once and then after pauses doubling to LONGEST_RECONNECT_S.
- A group is answered on the connection that it came by, or not at all: packet ids belong to a connection.
- A watchdog looks at both threads every WATCH_S: if one is dead, or has not come round for `stall_s`, others take their
  place. The broker then drops the old connection, since the client id is the same.
- `stop` commits and acknowledges what was read, within its time limit.
- As a member of a group (`portion`) we count as connected once a shared message of our own came back: a broker that
  knows no shared subscriptions takes them without a word and never delivers anything.

Limits: MQTT 3.1.1, QoS 1. `Lane` bounds the receipts on their way; beyond, a receipt is dropped and counted (the agent
sends the batch again and is told `duplicate`). Set the broker's `max_inflight_messages` to 4000 or more: it bounds the
group that is being committed and the one that gathers, together.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from collectors import clock
from collectors.errors import StoreUnavailable
from collectors.tls import advice_on, client_context
from collectors.wire import encode_receipt, stamped
from gateway.broker.address import BrokerAddress
from gateway.ingest.committer import Committer
from gateway.ingest.intake import Arrival, Intake
from gateway.ingest.mqtt_lane import Lane
from gateway.ingest.mqtt_packets import Published
from gateway.ingest.mqtt_topics import FORMS, Routes
from gateway.ingest.pending import Committed, Group, Message, Pending, Stored
from gateway.ingest.portion import WHOLE, Portion
from gateway.ingest.stats import IngestStats

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 10.0
FIRST_RECONNECT_S = 0.2
LONGEST_RECONNECT_S = 15.0
IDLE_S = 0.5  # the longest sleep while nothing comes
WATCH_S = 1.0
STALL_S = 300.0  # longer than any store may take for a commit
MAX_UNSENT_BYTES = 4 * 1024 * 1024  # to a broker that does not read; beyond, nothing more is read from it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerState:
    connected: bool
    detail: str  # what is wrong and what to do, or where we are connected


class MqttListener:
    """Listens until stopped; every method may be called from any thread."""

    def __init__(
        self,
        intake: Intake,
        address: BrokerAddress,
        stats: IngestStats,
        *,
        client_id: str = "tanmai-gateway",
        portion: Portion = WHOLE,
        stall_s: float = STALL_S,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._intake = intake
        self._address = address
        self._stats = stats
        # NATS takes no dots and blanks in a client id, and a host's name may stand in it.
        self._client_id = re.sub(r"[^0-9A-Za-z_-]", "-", client_id)
        self._portion = portion
        self._stall_s = stall_s
        self._now_ms = now_ms
        self._stop = threading.Event()
        self._link: _Link | None = None
        self._watchdog = threading.Thread(target=self._watch, name="mqtt-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to connect and listen; returns at once."""
        self._link = self._new_link()
        self._watchdog.start()

    def state(self) -> ListenerState:
        link = self._link
        return ListenerState(False, "not started") if link is None else link.state

    def wait_connected(self, timeout_s: float) -> bool:
        """Whether the subscriptions stand within the time."""
        deadline = clock.monotonic_s() + timeout_s
        while clock.monotonic_s() < deadline:
            if self.state().connected:
                return True
            self._stop.wait(0.02)
        return self.state().connected

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop reading, commit and acknowledge what was read, disconnect."""
        self._stop.set()
        if self._watchdog.is_alive():
            self._watchdog.join(WATCH_S * 2)
        if self._link is not None:
            self._link.stop(timeout_s)

    def _new_link(self) -> _Link:
        link = _Link(self._intake, self._address, self._stats, self._client_id, self._portion, self._now_ms)
        link.start()
        return link

    def _watch(self) -> None:
        while not self._stop.wait(min(WATCH_S, self._stall_s / 4)):
            link = self._link
            if link is None or link.healthy(self._stall_s):
                continue
            log.error("ingest.mqtt_thread_lost", alive=link.alive, next="a new thread takes its place")
            self._stats.revivals.inc()
            link.abandon()
            self._link = self._new_link()


class _Client(mqtt.Client):
    """paho on a lane of ours: readings and receipts go past it."""

    def __init__(self, client_id: str, published: Published) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=mqtt.MQTTv311, manual_ack=True
        )
        self._on_published = published

    def _create_socket(self) -> Any:  # the one place where paho makes its connection
        self.lane = Lane(cast(socket.socket, super()._create_socket()), self._on_published)
        return self.lane


class _Link(threading.Thread):
    """The network thread: connects, reads, has it committed, answers, and again."""

    def __init__(
        self,
        intake: Intake,
        address: BrokerAddress,
        stats: IngestStats,
        client_id: str,
        portion: Portion,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(name="mqtt-ingest", daemon=True)
        self._address = address
        self._stats = stats
        self._client_id = client_id
        self._portion = portion
        self._probe = f"tanmai/v1/-/{client_id}/probe".encode()
        self._now_ms = now_ms
        self._pending = Pending(intake, stats)
        self._committer: Committer[Group, Stored] = Committer(self._pending.store)
        self._under_way: tuple[_Client, Group] | None = None  # what is being committed, and the connection it came by
        self._ending = threading.Event()
        self._abandoned = threading.Event()
        self._beat_s = clock.monotonic_s()
        self._routes = Routes(portion.takes)
        self._passed_over: list[int] = []  # packet ids to be acknowledged without a commit
        self._taken = 0  # messages that came in and are not counted yet
        self._attempt = 0
        self._refusal = ""  # what the broker said against us on this connection
        self.state = ListenerState(False, f"connecting to {address!r}")

    @property
    def alive(self) -> bool:
        return self.is_alive()

    def healthy(self, stall_s: float) -> bool:
        silent_s = max(clock.monotonic_s() - self._beat_s, self._committer.held_s())
        return self.is_alive() and self._committer.alive and silent_s < stall_s

    def abandon(self) -> None:
        """Another took our place: if we ever wake up, end without a word."""
        self._abandoned.set()
        self._ending.set()
        self.state = ListenerState(False, "the network thread was lost")

    def stop(self, timeout_s: float) -> None:
        self._ending.set()
        self.join(timeout_s)
        if self.is_alive():
            log.warning("ingest.stop_timed_out", next="what was not acknowledged comes again after the next start")

    def run(self) -> None:
        self._committer.start()
        try:
            self._connect_again_and_again()
        finally:
            self._committer.end()

    def _connect_again_and_again(self) -> None:
        while not self._ending.is_set():
            try:
                self._serve()
            except OSError as error:
                self._lost(f"{self._address!r} cannot be reached: {advice_on(error) or error}")
            except Exception as error:
                log.exception("ingest.mqtt_failed", exc_info=error)
                self._lost(f"failed unexpectedly: {error}")
            pause_s = min(FIRST_RECONNECT_S * 2 ** min(self._attempt, 16), LONGEST_RECONNECT_S)
            self._attempt += 1
            self._beat_s = clock.monotonic_s() + pause_s
            self._ending.wait(pause_s)

    def _serve(self) -> None:
        """One connection from its beginning to its end."""
        client = self._make_client()
        self._refusal = ""
        client.connect(self._address.host, self._address.port, KEEPALIVE_S)
        try:
            while not self._ending.is_set():
                if not self._turn(client):
                    self._lost(self._refusal or "the connection to the broker was lost")
                    return
            if not self._abandoned.is_set():
                self._drain(client)
        finally:
            self._pending.clear()
            self._passed_over.clear()
            client.disconnect()

    def _turn(self, client: _Client) -> bool:
        """Answer what was committed, read what lies ready, have it committed. False = the connection is lost."""
        now_s = self._beat_s = clock.monotonic_s()
        committed = self._finish(client)
        if committed:
            self._begin(client)  # before answering, which takes as long as a commit's waiting for the disks
            self._answer(client, committed)
        waits_for_try = self._pending and not self._committer.busy
        if not self._exchange(client, min(self._pending.wait_s(now_s), IDLE_S) if waits_for_try else IDLE_S):
            return False
        self._stats.took("mqtt", self._taken)
        self._taken = 0
        self._begin(client)
        return True

    def _begin(self, client: _Client) -> None:
        """Have everything committed that was read, unless something is under way or it is too early to try again."""
        if self._committer.busy or not self._pending or self._pending.wait_s(clock.monotonic_s()) > 0:
            return
        try:
            group = self._pending.take(self._now_ms(), clock.monotonic_s())
        except StoreUnavailable as error:
            self._pending.put_off(error, clock.monotonic_s())
            return
        self._under_way = client, group
        self._committer.begin(group)

    def _finish(self, client: _Client) -> list[Committed]:
        """If the group under way has an outcome: what is to be answered; or keep it for another try."""
        outcome = self._committer.outcome() if self._under_way is not None else None
        if outcome is None or self._under_way is None:
            return []
        came_by, group = self._under_way
        self._under_way = None
        if isinstance(outcome, Stored):
            committed = self._pending.finish(group, outcome, clock.monotonic_s())
            return committed if came_by is client else []
        if not isinstance(outcome, StoreUnavailable):
            raise outcome
        if came_by is client:
            self._pending.put_back(group, outcome, clock.monotonic_s())
        else:
            self._pending.put_off(outcome, clock.monotonic_s())
        return []

    def _exchange(self, client: _Client, wait_s: float) -> bool:
        """Wait for broker and committer, read until nothing more comes or a group is full. False = connection lost."""
        lane = client.lane
        may_read = lane.unsent < MAX_UNSENT_BYTES and not self._pending.full
        _wait(lane, 0 if may_read and lane.pending() else wait_s, may_read, self._committer.fileno())
        while may_read and not self._pending.full and lane.read():
            pass
        lane.acknowledge(self._passed_over)
        self._passed_over.clear()
        lane.flush()
        while lane.for_paho:
            if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
        if client.want_write() and client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        return client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _answer(self, client: _Client, committed: list[Committed]) -> None:
        """Acknowledge, then publish the receipts; all of it in as few writes as the socket allows."""
        lane, now_ms = client.lane, self._now_ms()
        lane.acknowledge(one.message.mid for one in committed if one.message.qos)
        for one in committed:
            if one.receipt is None:
                continue
            if not lane.publish(one.message.receipts, encode_receipt(stamped(one.receipt, now_ms))):
                self._stats.receipts_dropped.inc()
        lane.flush()

    def _drain(self, client: _Client) -> None:
        """Commit what was read, and let the answers out."""
        self._await_outcome(client)
        self._begin(client)
        self._await_outcome(client)
        deadline = clock.monotonic_s() + 1
        while client.lane.unsent and not client.lane.for_paho and clock.monotonic_s() < deadline:
            _wait(client.lane, 0.1, may_read=False)
            client.lane.flush()

    def _await_outcome(self, client: _Client) -> None:
        while self._committer.busy and not self._abandoned.is_set():
            _wait(client.lane, IDLE_S, False, self._committer.fileno())
            self._answer(client, self._finish(client))

    def _make_client(self) -> _Client:
        address = self._address
        client = _Client(self._client_id, self._on_published)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set_context(client_context(address.files))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        return client

    def _lost(self, detail: str) -> None:
        if self.state.connected or self.state.detail != detail:
            log.warning("ingest.mqtt_lost", reason=detail, next="trying again; agents keep their readings meanwhile")
        self.state = ListenerState(False, detail)

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            self._refusal = f"{self._address!r} refuses us ({code}): check the user and password of TANMAI_MQTT_URL"
            return
        filters = self._portion.filters(tuple(FORMS))
        if self._portion.group:
            client.unsubscribe(self._portion.stale_filters(tuple(FORMS)))
            filters.append(f"$share/{self._client_id}/{self._probe.decode()}")
        client.subscribe([(one, 1) for one in filters])

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            wanted = "tanmai/v1/#" + (" and $share/+/tanmai/v1/#" if self._portion.group else "")
            self._refusal = f"the broker does not let us read {wanted}: give the gateway's user that right"
            client.disconnect()
            return
        self._attempt = 0
        self._stats.connections.inc()
        if self._portion.group:
            why = "if it stays so the broker knows no shared subscriptions: use TANMAI_INGEST_SHARD"
            self.state = ListenerState(False, f"{self._address!r} has not sent us a shared message yet; {why}")
            client.publish(self._probe.decode(), b"", qos=1)
        else:
            self._connected()

    def _connected(self) -> None:
        self.state = ListenerState(True, f"connected to {self._address!r}")
        log.info("ingest.mqtt_connected", broker=repr(self._address))

    def _on_published(self, topic: bytes, qos: int, mid: int, payload: bytes) -> None:
        """Note a message. One that says nothing (an emptied retained status) or is not for us is passed over."""
        route = self._routes.of(topic)
        if route is None or (route.kind == "status" and not payload):
            if topic == self._probe and not self.state.connected:
                self._connected()
            self._passed_over += [mid] * qos
            return
        arrival = Arrival(route.enterprise, route.sender, payload, route.form)
        self._pending.add(Message(mid, qos, route.kind, route.receipts, arrival))
        self._taken += 1


def _wait(lane: Lane, wait_s: float, may_read: bool, *also: int) -> None:
    """Until something comes, also by one of these files, or goes out if something waits for that."""
    poll = select.poll()
    poll.register(lane, (select.POLLIN if may_read else 0) | (select.POLLOUT if lane.unsent else 0))
    for number in also:
        poll.register(number, select.POLLIN)
    poll.poll(wait_s * 1000)
