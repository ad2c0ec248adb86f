"""The way between plant and gateway: a broker that loses, doubles, delays and reorders, and a line that breaks."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from collectors.wire import Receipt, decode_receipt
from edge_agent.publisher import LineDetails
from tests.simulation.faults import Fuse, Weather


@dataclass(frozen=True, slots=True)
class Letter:
    """A message under way. The number tells letters of one instant apart."""

    due_ms: int
    number: int
    sender: str
    kind: str  # readings | status | receipts
    payload: bytes


class Broker:
    """Holds what is under way in both directions."""

    def __init__(self, rng: random.Random, weather: Callable[[], Weather]) -> None:
        self._rng = rng
        self._weather = weather
        self._numbers = count()
        self.to_gateway: list[Letter] = []
        self.to_plant: defaultdict[str, list[Letter]] = defaultdict(list)  # by whom they are for

    def take(self, way: list[Letter], sender: str, kind: str, payload: bytes, now_ms: int) -> None:
        """A message is handed over: it may be lost, doubled and delayed, and so overtaken."""
        weather = self._weather()
        if self._rng.random() < weather.lost:
            return
        for _ in range(2 if self._rng.random() < weather.doubled else 1):
            late = self._rng.random() < weather.delayed
            due_ms = now_ms + (self._rng.randrange(weather.longest_delay_ms) if late else 0)
            way.append(Letter(due_ms, next(self._numbers), sender, kind, payload))

    def due(self, way: list[Letter], now_ms: int) -> list[Letter]:
        """Take out what has arrived by now."""
        ready = sorted((letter for letter in way if letter.due_ms <= now_ms), key=lambda one: (one.due_ms, one.number))
        way[:] = [letter for letter in way if letter.due_ms > now_ms]
        return ready


class Line:
    """The agent's `Publisher`: one per run of the agent, as a process has its own connection."""

    def __init__(self, broker: Broker, sender: str, fuse: Fuse, rng: random.Random) -> None:
        self._broker = broker
        self._sender = sender
        self._fuse = fuse
        self._rng = rng
        self.now_ms = 0
        self.connected = False
        self.connections = 0
        self.dropped_receipts = 0
        self.details = LineDetails()
        self.refusing = 0.0  # share of sends that the line does not take

    @property
    def problem(self) -> str:
        return "" if self.connected else "cannot reach the broker (simulated)"

    def set_connected(self, connected: bool, now_ms: int) -> None:
        self.now_ms = now_ms
        if connected and not self.connected:
            self.connections += 1
        self.connected = connected

    def send(self, payload: bytes) -> bool:
        self._fuse.burn("before a batch is sent")
        if not self.connected or self._rng.random() < self.refusing:
            return False
        self._broker.take(self._broker.to_gateway, self._sender, "readings", payload, self.now_ms)
        self._fuse.burn("after a batch was sent")
        return True

    def send_status(self, document: bytes) -> bool:
        if self.connected and self._rng.random() < 0.1:
            self._broker.take(self._broker.to_gateway, self._sender, "status", document, self.now_ms)
        return self.connected

    def take_receipts(self) -> list[Receipt]:
        """What came for us; without a connection it is gone, for the session is not kept."""
        letters = self._broker.due(self._broker.to_plant[self._sender], self.now_ms)
        self._fuse.burn("with receipts in hand")
        return [decode_receipt(letter.payload) for letter in letters] if self.connected else []
