"""Fixtures for the edge: a buffer of the test's own, readings, and stand-ins for the line and the meters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collectors.driver import PolledDevice, PollError, PollResult
from collectors.errors import Unreachable
from collectors.profile import MeterProfile, load_profile, shipped_config_dir
from collectors.reading import Reading
from collectors.wire import Receipt, Status, decode_batch, encode_receipt, stamped
from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
from edge_agent.buffer import Buffer, BufferLimits, open_buffer
from edge_agent.polling import SynchronousPolling
from edge_agent.publisher import LineDetails

NOW_MS = 1_760_000_000_000
POINTS = ("energy_import", "power")


@pytest.fixture
def now_ms() -> int:
    """A fixed moment: 2025-10-09T08:53:20Z."""
    return NOW_MS


@pytest.fixture
def make_readings() -> Callable[..., list[Reading]]:
    """A function that gives `count` readings of one device, one second apart."""

    def make(count: int = 3, device: str = "incomer-1", at_ms: int = NOW_MS) -> list[Reading]:
        return [Reading(device, "energy_import", at_ms + 1000 * index, 100.0 + index) for index in range(count)]

    return make


@pytest.fixture
def open_at(tmp_path: Path) -> Iterator[Callable[..., Buffer]]:
    """A function that opens (again) the test's buffer, closing what was open before."""
    opened: list[Buffer] = []

    def open_again(now_ms: int = NOW_MS, path: Path = tmp_path / "buffer.sqlite", **limits: int) -> Buffer:
        for buffer in opened:
            buffer.close()
        opened[:] = [open_buffer(path, BufferLimits(**limits), now_ms)]
        return opened[0]

    yield open_again
    for buffer in opened:
        buffer.close()


class FakeLine:
    """A line to the gateway that the test holds in its hand."""

    def __init__(self) -> None:
        self.connected = True
        self.connections = 1
        self.problem = ""
        self.dropped_receipts = 0
        self.details = LineDetails()
        self.sent: list[bytes] = []
        self.statuses: list[bytes] = []
        self.receipts: list[Receipt] = []

    def send(self, payload: bytes) -> bool:
        if self.connected:
            self.sent.append(payload)
        return self.connected

    def send_status(self, document: bytes) -> bool:
        self.statuses.append(document)
        return self.connected

    def take_receipts(self) -> list[Receipt]:
        receipts, self.receipts = self.receipts, []
        return receipts


class FakeDriver:
    """Meters on a bus: each answers with its own call number, or is dead."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.asked: list[tuple[str, int]] = []

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        self.asked.append((device.id, now_ms))
        if device.id in self.dead:
            return PollResult((), (PollError(device.id, device.points, Unreachable("no reply in 1 s")),))
        value = float(len(self.asked))
        return PollResult(tuple(Reading(device.id, point, now_ms, value) for point in device.points), ())

    def close(self) -> None:
        """There is nothing to give back."""


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture(scope="session")
def meter() -> MeterProfile:
    """A shipped profile."""
    return load_profile(shipped_config_dir() / "meter_profiles" / "eastron-sdm630.yaml")


@pytest.fixture
def make_agent(
    driver: Any, line: Any, open_at: Callable[..., Buffer], meter: MeterProfile, now_ms: int
) -> Callable[..., EdgeAgent]:
    """A function that makes an agent with devices a (every 10 s) and b (every 60 s) on one bus each."""

    def make(max_readings: int = 1000, max_age_ms: int = 0, buffer: Buffer | None = None, **drivers: Any) -> EdgeAgent:
        devices = [
            AgentDevice(PolledDevice(name, unit, meter, POINTS), f"bus-{name}", every_ms)
            for unit, (name, every_ms) in enumerate([("a", 10_000), ("b", 60_000)], 1)
        ]
        polling = SynchronousPolling({"bus-a": driver, "bus-b": driver} | drivers)
        return EdgeAgent(devices, polling, buffer or open_at(), line, Grouping(max_readings, max_age_ms), now_ms)

    return make


class FakeGateway:
    """The other side of a real broker: stores what `answers` lets through and says so by receipt."""

    def __init__(self, url: str) -> None:
        self.payloads: list[bytes] = []
        self.statuses: list[bytes] = []
        self.stored: dict[str, bytes] = {}
        self.answers = False
        self.clock_off_ms: int | None = None  # what its clock shows beside ours; None = it says no time
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.reconnect_delay_set(1, 1)
        self._subscribed = threading.Event()
        self._client.connect("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._client.loop_start()
        assert self._subscribed.wait(5)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([("tanmai/v1/+/+/readings", 1), ("tanmai/v1/+/+/status", 1)])

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/status"):
            self.statuses.append(message.payload)
            return
        self.payloads.append(message.payload)
        if not self.answers:
            return
        batch = decode_batch(message.payload)
        status: Status = "duplicate" if batch.batch_id in self.stored else "stored"
        assert self.stored.setdefault(batch.batch_id, message.payload) == message.payload
        topic = message.topic.removesuffix("readings") + "receipts"
        receipt = Receipt(batch.batch_id, status, batch.cells)
        if self.clock_off_ms is not None:
            receipt = stamped(receipt, time.time_ns() // 1_000_000 + self.clock_off_ms)
        client.publish(topic, encode_receipt(receipt), qos=1)


@pytest.fixture
def gateway() -> Iterator[Callable[[str], FakeGateway]]:
    """A function that puts a stand-in for the gateway on a broker."""
    opened: list[FakeGateway] = []

    def start(url: str) -> FakeGateway:
        opened.append(FakeGateway(url))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """A function that polls a condition and fails when it does not come true in time."""

    def wait(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, "did not come true in time"
            time.sleep(0.02)

    return wait
