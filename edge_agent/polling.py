"""Asking the devices: one worker per bus, so that a dead device or bus never slows the others.

A driver may block up to its timeouts. So each bus has a thread of its own that does one poll at a time; the agent's
step only hands out polls and picks up what has come back.

What stays true:
- A bus runs at most one poll at a time; no queue can grow.
- A defect in a driver (any exception) becomes a failed poll that carries it; the bus goes on. Workers do not even log,
  so that nothing but the driver can fail in them.
- `SynchronousPolling` does the same without threads, in order: the agent's steps are then repeatable to the bit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from collectors.clock import monotonic_s
from collectors.driver import Driver, PolledDevice, PollError, PollResult
from collectors.errors import InstrumentError


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll that has ended."""

    device: str
    started_ms: int
    result: PollResult
    took_s: float = 0.0  # 0 where time is not measured


class Polling(Protocol):
    """All buses of an agent."""

    def free_buses(self) -> Collection[str]:
        """Buses on which no poll is running."""

    def start(self, bus: str, device: PolledDevice, now_ms: int) -> None:
        """Begin a poll on a free bus."""

    def take_finished(self) -> list[Poll]:
        """Polls that have ended since the last call."""


class SynchronousPolling:
    """Each poll is done inside `start`."""

    def __init__(self, drivers: Mapping[str, Driver]) -> None:
        self._drivers = drivers
        self._finished: list[Poll] = []

    def free_buses(self) -> Collection[str]:
        return self._drivers.keys()

    def start(self, bus: str, device: PolledDevice, now_ms: int) -> None:
        self._finished.append(poll_safely(self._drivers[bus], device, now_ms))

    def take_finished(self) -> list[Poll]:
        finished, self._finished = self._finished, []
        return finished


class ThreadedPolling:
    """One thread per bus."""

    def __init__(self, drivers: Mapping[str, Driver], wake: Callable[[], None]) -> None:
        self._finished: queue.SimpleQueue[tuple[str, Poll]] = queue.SimpleQueue()
        self._busy: set[str] = set()
        self._workers = {bus: _Worker(bus, driver, self._finished, wake) for bus, driver in drivers.items()}

    def free_buses(self) -> Collection[str]:
        return self._workers.keys() - self._busy

    def start(self, bus: str, device: PolledDevice, now_ms: int) -> None:
        if bus in self._busy:
            raise RuntimeError(f"a poll is running on bus {bus}")
        self._busy.add(bus)
        self._workers[bus].orders.put((device, now_ms))

    def take_finished(self) -> list[Poll]:
        polls: list[Poll] = []
        while True:
            try:
                bus, poll = self._finished.get_nowait()
            except queue.Empty:
                return polls
            self._busy.discard(bus)
            polls.append(poll)

    def close(self, timeout_s: float) -> None:
        """End within `timeout_s`; a driver that is blocked longer is left behind, its thread ends with the process."""
        until_s = monotonic_s() + timeout_s
        for worker in self._workers.values():
            worker.orders.put(None)
        for worker in self._workers.values():
            worker.join(max(0.0, until_s - monotonic_s()))


class _Worker(threading.Thread):
    """Does the polls of one bus, one after another, and closes the bus at the end."""

    def __init__(
        self, bus: str, driver: Driver, finished: queue.SimpleQueue[tuple[str, Poll]], wake: Callable[[], None]
    ) -> None:
        super().__init__(name=f"bus-{bus}", daemon=True)
        self.orders: queue.SimpleQueue[tuple[PolledDevice, int] | None] = queue.SimpleQueue()
        self._bus = bus
        self._driver = driver
        self._finished = finished
        self._wake = wake
        self.start()

    def run(self) -> None:
        while (order := self.orders.get()) is not None:
            began_s = monotonic_s()
            poll = poll_safely(self._driver, *order)
            self._finished.put((self._bus, replace(poll, took_s=monotonic_s() - began_s)))
            self._wake()
        self._driver.close()


def poll_safely(driver: Driver, device: PolledDevice, now_ms: int) -> Poll:
    """One poll that never raises: a defect in a driver must not stop the other devices."""
    try:
        result = driver.poll(device, now_ms)
    except Exception as error:
        defect = InstrumentError(f"the driver failed, please report this: {type(error).__name__}: {error}")
        defect.__cause__ = error
        result = PollResult((), (PollError(device.id, device.points, defect),))
    return Poll(device.id, now_ms, result)
