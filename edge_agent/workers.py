"""The workers of the buses as one thing that can be changed while the agent runs."""

from __future__ import annotations

from collections.abc import Callable

from collectors.driver import PolledDevice
from collectors.drivers import open_driver
from collectors.modbus.plan_memory import PlanMemory
from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
from edge_agent.polling import ThreadedPolling
from edge_agent.settings import EdgeSettings

CLOSE_S = 2.0  # for idle workers to end; one that is blocked longer is left behind and closes its bus when it wakes


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


def grouping_of(settings: EdgeSettings) -> Grouping:
    """When readings become a batch."""
    return Grouping(settings.batch.max_readings, round(settings.batch.max_age_s * 1000))


class Workers:
    """The threads that ask the meters; `polling` are those of now."""

    def __init__(self, settings: EdgeSettings, wake: Callable[[], None]) -> None:
        self._memory = PlanMemory(settings.plans_path)
        self._wake = wake
        self.polling = self._open(settings)

    def change(self, settings: EdgeSettings, agent: EdgeAgent, now_ms: int) -> None:
        """Close the workers, open those of these settings, hand them to the agent."""
        self.polling.close(CLOSE_S)  # first: a serial port can be held by one program only
        self.polling = self._open(settings)
        agent.reconfigure(agent_devices(settings), self.polling, grouping_of(settings), now_ms)

    def close(self, timeout_s: float) -> None:
        self.polling.close(timeout_s)

    def _open(self, settings: EdgeSettings) -> ThreadedPolling:
        return ThreadedPolling({bus.id: open_driver(bus, self._memory) for bus in settings.buses}, self._wake)
