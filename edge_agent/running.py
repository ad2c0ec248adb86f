"""Putting the parts together and running the agent until it is told to stop.

What stays true:
- SIGTERM and SIGINT end the process within STOP_S: readings that came back are on disk by then, a last status says
  "stopped". A driver or broker that does not answer cannot delay that; its thread ends with the process.
- A second signal changes nothing: stopping is short.
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from types import FrameType

import structlog

from collectors import clock
from collectors.driver import PolledDevice
from collectors.drivers import open_driver
from collectors.modbus.plan_memory import PlanMemory
from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
from edge_agent.buffer import open_buffer
from edge_agent.connection import Connection
from edge_agent.health import last_will, write_status
from edge_agent.polling import ThreadedPolling
from edge_agent.publisher import MqttPublisher
from edge_agent.settings import EdgeSettings
from edge_agent.signing import seal_of

STOP_S = 2.0
SIGNAL_CHECK_S = 0.25  # a handler may not touch locks, so the loop looks for its mark this often

_log = structlog.get_logger(__name__)


class StopMark:
    """Set by a signal handler; an attribute, because a handler that takes a lock can block the thread it interrupts."""

    def __init__(self) -> None:
        self.is_set = False

    def install(self) -> None:
        """Listen to SIGTERM and SIGINT; only in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def agent_devices(settings: EdgeSettings) -> list[AgentDevice]:
    """The devices of a configuration as the agent needs them."""
    return [
        AgentDevice(
            PolledDevice(
                device.id, device.section.unit, device.profile, tuple(spec.point for spec in device.registers)
            ),
            device.section.bus,
            device.every_ms,
        )
        for device in settings.devices
    ]


def run_agent(settings: EdgeSettings, connection: Connection, stop: StopMark) -> None:
    """Run until `stop` is set; raises ConfigurationError if the buffer cannot be had, BufferDamaged if it breaks."""
    wake = threading.Event()
    with ExitStack() as closing:
        buffer = open_buffer(settings.buffer_path, settings.buffer_limits, clock.now_ms())
        closing.callback(buffer.close)
        seal = seal_of(settings)
        publisher = MqttPublisher(connection, last_will(), wake.set, wanted_form=settings.gateway.form, seal=seal)
        memory = PlanMemory(settings.plans_path)
        polling = ThreadedPolling({bus.id: open_driver(bus, memory) for bus in settings.buses}, wake.set)
        grouping = Grouping(settings.batch.max_readings, round(settings.batch.max_age_s * 1000))
        agent = EdgeAgent(agent_devices(settings), polling, buffer, publisher, grouping, clock.now_ms())
        closing.callback(lambda: publisher.close(agent.farewell, STOP_S / 2))
        closing.callback(lambda: _leave_status(settings, agent.farewell))
        closing.callback(lambda: agent.stop(clock.now_ms()))
        closing.callback(lambda: polling.close(STOP_S / 4))
        publisher.start()
        counts = {"devices": len(settings.devices), "buses": len(settings.buses)}
        _log.info("running", **counts, buffer=str(settings.buffer_path))
        _loop(agent, settings, wake, stop)
    _log.info("stopped")


def _loop(agent: EdgeAgent, settings: EdgeSettings, wake: threading.Event, stop: StopMark) -> None:
    written = b""
    while not stop.is_set:
        until_s = clock.monotonic_s() + agent.step(clock.now_ms())
        if agent.status != written:
            written = agent.status
            _leave_status(settings, written)
        while not stop.is_set and not wake.is_set() and clock.monotonic_s() < until_s:
            wake.wait(min(SIGNAL_CHECK_S, max(until_s - clock.monotonic_s(), 0)))
        wake.clear()


def _leave_status(settings: EdgeSettings, document: bytes) -> None:
    try:
        write_status(settings.status_path, document)
    except OSError as error:
        _log.warning("status_not_written", path=str(settings.status_path), reason=str(error))
