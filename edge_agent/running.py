"""Putting the parts together and running the agent until it is told to stop.

What stays true:
- SIGTERM and SIGINT end the process within STOP_S: readings that came back are on disk by then, a last status says
  "stopped". A driver or broker that does not answer cannot delay that; its thread ends with the process.
- A second signal changes nothing: stopping is short.
"""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from collectors import clock
from edge_agent.agent import EdgeAgent
from edge_agent.buffer import open_buffer
from edge_agent.clock_guard import ClockGuard
from edge_agent.config_state import ConfigFile
from edge_agent.connection import Connection
from edge_agent.health import last_said_ms, last_will, write_status
from edge_agent.publisher import MqttPublisher
from edge_agent.settings import EdgeSettings
from edge_agent.signing import seal_of, trusted_keys_of
from edge_agent.workers import Workers, agent_devices, grouping_of

if TYPE_CHECKING:
    from edge_agent.reconfiguration import Load, Reconfiguration

STOP_S = 2.0
BUSY_LOOK_S = 0.1  # while a configuration from afar is under way
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


def _from_afar(
    settings: EdgeSettings, load: Load, wake: Callable[[], None]
) -> tuple[Reconfiguration | None, EdgeSettings]:
    """What takes configurations from afar, if any key for them is trusted, and the settings to go by now."""
    keys = trusted_keys_of(settings)
    if not keys:
        return None, settings
    from edge_agent.reconfiguration import Reconfiguration, settings_at_start  # needs cryptography, and memory for it

    file = ConfigFile(settings.config_state_path)
    state, in_force = settings_at_start(file, load, clock.now_ms())
    return Reconfiguration(file, state, in_force, load, keys, wake), in_force


def run_agent(settings: EdgeSettings, connection: Connection, stop: StopMark, load: Load) -> None:
    """Run until `stop` is set; raises ConfigurationError if the buffer cannot be had, BufferDamaged if it breaks.

    `load` reads the configuration file again, with sections from afar in place of its own.
    """
    wake = threading.Event()
    with ExitStack() as closing:
        buffer = open_buffer(settings.buffer_path, settings.buffer_limits, clock.now_ms(), random.random)
        closing.callback(buffer.close)
        seal, form = seal_of(settings), settings.gateway.form
        afar, settings = _from_afar(settings, load, wake.set)
        on_config = None if afar is None else afar.take
        publisher = MqttPublisher(connection, last_will(), wake.set, wanted_form=form, seal=seal, on_config=on_config)
        workers = Workers(settings, wake.set)
        agent = EdgeAgent(
            agent_devices(settings),
            workers.polling,
            buffer,
            publisher,
            grouping_of(settings),
            clock.now_ms(),
            guard=_clock_guard(settings),
            pause_when_full=settings.pause_when_full,
        )
        closing.callback(lambda: publisher.close(agent.farewell, STOP_S / 2))
        closing.callback(lambda: _leave_status(settings, agent.farewell))
        closing.callback(lambda: agent.stop(clock.now_ms()))
        closing.callback(lambda: workers.close(STOP_S / 4))
        publisher.start()
        counts = {"devices": len(settings.devices), "buses": len(settings.buses)}
        _log.info("running", **counts, buffer=str(settings.buffer_path))
        look_afar = None if afar is None else partial(_look_afar, afar, agent, workers)
        _loop(agent, settings, wake, stop, look_afar)
    _log.info("stopped")


def _clock_guard(settings: EdgeSettings) -> ClockGuard:
    """Knows the time at which the agent last ran, by the status that it left."""
    try:
        last_known_ms = last_said_ms(settings.status_path.read_bytes())
    except OSError:
        last_known_ms = None
    return ClockGuard(clock.now_ms(), tolerance_ms=settings.clock_tolerance_ms, last_known_ms=last_known_ms)


def _look_afar(afar: Reconfiguration, agent: EdgeAgent, workers: Workers) -> bool:
    """Whether a configuration from afar is under way, so that the next look should come soon."""
    afar.step(agent, workers, clock.now_ms(), clock.monotonic_s())
    return afar.busy


def _loop(
    agent: EdgeAgent,
    settings: EdgeSettings,
    wake: threading.Event,
    stop: StopMark,
    look_afar: Callable[[], bool] | None,
) -> None:
    written = b""
    while not stop.is_set:
        busy = look_afar is not None and look_afar()
        until_s = clock.monotonic_s() + agent.step(clock.now_ms(), clock.steady_ms())
        if agent.status != written:
            written = agent.status
            _leave_status(settings, written)
        if busy:
            until_s = min(until_s, clock.monotonic_s() + BUSY_LOOK_S)
        while not stop.is_set and not wake.is_set() and clock.monotonic_s() < until_s:
            wake.wait(min(SIGNAL_CHECK_S, max(until_s - clock.monotonic_s(), 0)))
        wake.clear()


def _leave_status(settings: EdgeSettings, document: bytes) -> None:
    try:
        write_status(settings.status_path, document)
    except OSError as error:
        _log.warning("status_not_written", path=str(settings.status_path), reason=str(error))
