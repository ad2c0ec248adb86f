"""A site's meters are served over real Modbus TCP, and its agent's configuration is one that agents accept."""

from __future__ import annotations

import stat
from pathlib import Path

from collectors.clock import now_ms
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import decode
from collectors.modbus.line import TcpLine
from collectors.modbus.plan import plan_reads
from edge_agent.settings import load_settings
from gateway.demo.plant import DAY_MS, Plant, monday_ms
from gateway.demo.scenario import Scenario
from gateway.demo.site import agent_files, meters_of


def test_polled_register_continues_the_history(scenario: Scenario) -> None:
    """What a real client reads lies between what history says for just before and just after."""
    plant = Plant(scenario, monday_ms(now_ms() - 30 * DAY_MS))
    site = scenario.sites[1]
    with meters_of(plant, site) as meters:
        for device in site.devices:
            profile = scenario.profiles[device.profile]
            client = ModbusClient(TcpLine(meters.host, meters.port))
            try:
                for block in plan_reads(profile.select([p.point for p in device.points]), profile.timing):
                    before_ms = now_ms()
                    words = client.read(device.unit, block, profile.timing)
                    after_ms = now_ms()
                    for spec in block.specs:
                        plan = next(p for p in device.points if p.point == spec.point)
                        start = spec.address - block.address
                        shown = decode(words[start : start + spec.words], spec)
                        bounds = [plant.shown_at(device, plan, moment) for moment in (before_ms, after_ms)]
                        assert bounds[0] <= shown <= bounds[1] or plan.reading == "rate"  # type: ignore[operator]
            finally:
                client.close()


def test_agent_configuration_is_accepted_and_private(scenario: Scenario, tmp_path: Path) -> None:
    for site in scenario.sites:
        files = agent_files(tmp_path, site)
        files.write(site, 1502, "mqtt://127.0.0.1:1883", "tm_x_y", scenario.profiles_dir)
        settings = load_settings(files.config)
        assert settings.agent.enterprise == site.enterprise
        assert [device.id for device in settings.devices] == [device.device for device in site.devices]
        for path in files.directory.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
