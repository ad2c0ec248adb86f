"""One enterprise's plant in the demo: its meters as a real Modbus TCP server, and the configuration of its agent.

What stays true: the agent is an ordinary `tanmai edge run`; it knows only its configuration file, the meters' port and
its token, which lies beside the configuration in a file of mode 0600.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from collectors.clock import now_ms
from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters, ValueAt
from gateway.control import write_private
from gateway.demo.plant import Plant
from gateway.demo.scenario import DevicePlan, SitePlan

HOST = "127.0.0.1"


def meters_of(plant: Plant, site: SitePlan, host: str = HOST, port: int = 0) -> SimulatedMeters:
    """The site's meters behind one port (0 = a free one); not yet started."""
    profiles = plant.scenario.profiles
    meters = {device.unit: SimulatedMeter(profiles[device.profile], _live(plant, device)) for device in site.devices}
    return SimulatedMeters(host, port, meters)


@dataclass(frozen=True, slots=True)
class AgentFiles:
    """Where an agent's configuration, token and buffer lie."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "edge.yaml"

    def write(self, site: SitePlan, modbus_port: int, mqtt_url: str, token: str, profiles_dir: Path) -> None:
        document = {
            "agent": {"enterprise": site.enterprise, "id": site.agent},
            "gateway": {"mqtt": mqtt_url, "password_file": "token"},
            "buffer": {"path": "buffer.sqlite", "max_mib": 64},
            "profiles_dir": str(profiles_dir),
            "buses": [{"id": "bus-1", "driver": "modbus-tcp", "host": HOST, "port": modbus_port}],
            "devices": [_device(site, device) for device in site.devices],
        }
        write_private(self.directory / "token", token)
        header = f"# Written by `tanmai demo` at each start. Try: tanmai edge check --config {self.config}\n"
        write_private(self.config, header + yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def agent_files(data_dir: Path, site: SitePlan) -> AgentFiles:
    return AgentFiles(data_dir / "edge" / f"{site.enterprise}-{site.agent}")


def _device(site: SitePlan, device: DevicePlan) -> dict[str, object]:
    return {
        "id": device.device,
        "bus": "bus-1",
        "unit": device.unit,
        "profile": device.profile,
        "points": [plan.point for plan in device.points],
        "every_s": site.every_s,
    }


def _live(plant: Plant, device: DevicePlan) -> ValueAt:
    plans = {plan.point: plan for plan in device.points}

    def value_now(point: str) -> float:
        # Registers beside the planned ones may be read over; what they show is of no meaning to anybody.
        plan = plans.get(point)
        return 0.0 if plan is None else plant.value_at(plan, now_ms())

    return value_now
