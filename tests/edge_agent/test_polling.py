"""One thread per bus: a bus that hangs holds up nobody but itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from collectors.driver import PolledDevice, PollResult
from collectors.profile import MeterProfile
from edge_agent.polling import Poll, ThreadedPolling


class Stuck:
    """A driver that does not come back until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed = threading.Event()

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        self.go.wait(30)
        return PollResult((), ())

    def close(self) -> None:
        self.closed.set()


def test_stuck_bus_does_not_hold_up_the_others(driver: Any, meter: MeterProfile, until: Callable[..., None]) -> None:
    stuck, woken = Stuck(), threading.Event()
    polling = ThreadedPolling({"stuck": stuck, "fine": driver}, woken.set)
    device = PolledDevice("a", 1, meter, ("power",))
    polling.start("stuck", device, 1)
    polls: list[Poll] = []
    for now_ms in range(20):
        polling.start("fine", device, now_ms)
        until(lambda: polls.extend(polling.take_finished()) or "fine" in polling.free_buses())
    assert [poll.started_ms for poll in polls] == list(range(20))
    assert polling.free_buses() == {"fine"}
    assert woken.is_set()
    with pytest.raises(RuntimeError, match="bus stuck"):
        polling.start("stuck", device, 2)
    stuck.go.set()
    until(lambda: polling.take_finished())
    assert polling.free_buses() == {"fine", "stuck"}
    polling.close(5)
    assert stuck.closed.is_set()


def test_close_does_not_wait_for_a_stuck_driver(meter: MeterProfile) -> None:
    stuck = Stuck()
    polling = ThreadedPolling({"stuck": stuck}, lambda: None)
    polling.start("stuck", PolledDevice("a", 1, meter, ("power",)), 1)
    polling.close(0.1)
    assert not stuck.closed.is_set(), "it came back although the driver still hangs"
    stuck.go.set()
    assert stuck.closed.wait(5)
