"""`tanmai edge`: what a person sees, and the exit codes a script sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from collectors import clock
from collectors.driver import PolledDevice
from collectors.modbus.plan_memory import PlanMemory
from collectors.modbus.simulated_meter import Fault, SimulatedMeter, SimulatedMeters
from collectors.profile import MeterProfile
from edge_agent.buffer import BufferLimits, open_buffer
from edge_agent.cli import edge

Edge = Callable[..., Result]


@pytest.fixture
def meters(meter: MeterProfile) -> Iterator[SimulatedMeters]:
    with SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(meter, {"power": 12.5}.get)}) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, meters: SimulatedMeters) -> Path:
    path = tmp_path / "edge.yaml"
    path.write_text(
        f"agent: {{enterprise: acme, id: edge-1}}\n"
        f'gateway: {{mqtt: "mqtt://127.0.0.1:1883", password_file: token}}\n'
        f"buses: [{{id: bus-1, driver: modbus-tcp, port: {meters.port}}}]\n"
        f"devices:\n"
        f"- {{id: incomer-1, bus: bus-1, profile: eastron-sdm630, points: [power, energy_import]}}\n"
        f"- {{id: feeder-2, bus: bus-1, unit: 1, profile: eastron-sdm630, points: [power]}}\n"
    )
    (tmp_path / "token").write_text("tm_7_s3cret")
    return path


@pytest.fixture
def run(config: Path) -> Iterator[Edge]:
    """A function that runs `tanmai edge …` on the configuration."""

    def invoke(command: str, *options: str) -> Result:
        return CliRunner(env={"COLUMNS": "160"}).invoke(edge, [command, "--config", str(config), *options])

    yield invoke
    structlog.reset_defaults()


def test_check_prints_the_read_plan_and_no_secret(run: Edge) -> None:
    result = run("check")
    assert result.exit_code == 0, result.output
    assert "incomer-1: unit 1, eastron-sdm630, every 60 s, 1 request in 0.17 s" in result.stdout
    assert "2 devices, 2 requests and 0.30 s a cycle, busy about 0.5% of the time." in result.stdout
    assert "function 4, registers 52..73: power, energy_import" in result.stdout
    assert "as acme/edge-1, with a password" in result.stdout
    assert "s3cret" not in result.output


def test_check_warns_of_a_bus_that_is_too_busy(run: Edge, config: Path) -> None:
    config.write_text(config.read_text().replace("points: [power]", "every_s: 0.2"))
    result = run("check")
    assert result.exit_code == 0
    assert "Too much" in result.stdout


def test_check_warns_of_devices_that_fit_alone_but_not_together(run: Edge, config: Path) -> None:
    config.write_text(config.read_text().replace("profile: eastron-sdm630", "profile: eastron-sdm630, every_s: 0.28"))
    assert "the devices of bus bus-1 together ask for 107% of its time" in " ".join(run("check").stdout.split())
    config.write_text(config.read_text().replace("every_s: 0.28", "every_s: 0.35"))
    assert "Nearly too much: bus bus-1 is busy 86% of the time" in " ".join(run("check").stdout.split())


def test_check_reckons_with_what_the_agent_has_learned(run: Edge, config: Path, meter: MeterProfile) -> None:
    memory = PlanMemory(config.with_name("edge-buffer.sqlite.plans.json"))
    device = PolledDevice("incomer-1", 1, meter, ("power", "energy_import"))
    memory.learn_cuts(device, [(4, 72)], clock.now_ms())
    memory.learn_latency(device, 0.2, clock.now_ms())
    result = run("check")
    assert "2 requests in 0.55 s (learned: 1 range refused by the meter, answers after 200 ms)" in result.stdout


def test_every_problem_of_a_broken_file_is_printed_and_nothing_started(run: Edge, config: Path) -> None:
    config.write_text(config.read_text().replace("bus: bus-1, unit: 1", "bus: bus-9, unit: 999"))
    for command in ("check", "read", "status", "run"):
        result = run(command)
        assert result.exit_code == 2
        assert f"{config}:6: devices[1].bus: there is no bus bus-9" in result.stderr
        assert "devices[1].unit" in result.stderr
        assert "2 problems to mend" in result.stderr
    assert list(config.parent.glob("*.sqlite*")) == []


def test_check_fails_when_the_password_is_not_there(run: Edge, config: Path) -> None:
    config.with_name("token").unlink()
    result = run("check")
    assert result.exit_code == 2
    assert "gateway.password_file" in result.stderr


def test_read_shows_values_with_units_and_registers(run: Edge) -> None:
    result = run("read", "--device", "incomer-1")
    assert result.exit_code == 0, result.output
    [power] = [line for line in result.stdout.splitlines() if " power " in line]
    [energy] = [line for line in result.stdout.splitlines() if "energy_import" in line]
    assert "12.5" in power
    assert "kW" in power
    assert "52 (function 4, float32)" in power
    assert "kWh" in energy
    assert "feeder-2" not in result.stdout


def test_read_as_json(run: Edge) -> None:
    result = run("read", "--json")
    polls = json.loads(result.stdout)
    assert [poll["device"] for poll in polls] == ["incomer-1", "feeder-2"]
    assert polls[1]["values"] == {"power": 12.5}


def test_read_of_a_failing_meter_says_why_and_ends_with_1(run: Edge, meters: SimulatedMeters) -> None:
    meters.meters[1].fault = Fault.EXCEPTION
    result = run("read", "--device", "feeder-2")
    assert result.exit_code == 1
    assert "no reading" in result.stdout
    assert "feeder-2: power: " in result.stderr


def test_read_of_an_unknown_device_is_a_usage_error(run: Edge) -> None:
    result = run("read", "--device", "nobody")
    assert result.exit_code == 2
    assert "known are incomer-1, feeder-2" in result.stderr


def test_status_before_the_first_run_says_so(run: Edge) -> None:
    result = run("status")
    assert result.exit_code == 1
    assert "has not run" in result.stderr


def test_status_shows_the_buffer_and_whether_an_agent_runs(
    run: Edge, config: Path, make_readings: Any, now_ms: int
) -> None:
    buffer = open_buffer(config.with_name("edge-buffer.sqlite"), BufferLimits(), now_ms)
    buffer.append(make_readings(7), now_ms)
    result = run("status", "--running")
    assert result.exit_code == 0, result.output
    assert "1 batch, 7 readings" in result.stdout
    assert "2025-10-09 08:53:20 UTC" in result.stdout
    assert "An agent is running." in result.stdout
    buffer.close()
    assert run("status").exit_code == 0
    result = run("status", "--running", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["running"], document["buffer"]["readings"], document["status"]) == (False, 7, None)


@pytest.mark.parametrize("content", [b"no json", b"\xff"])
def test_unreadable_status_file_is_said(run: Edge, config: Path, now_ms: int, content: bytes) -> None:
    open_buffer(config.with_name("edge-buffer.sqlite"), BufferLimits(), now_ms).close()
    config.with_name("edge-buffer.sqlite.status.json").write_bytes(content)
    result = run("status")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_status_shows_what_the_agent_said(run: Edge, config: Path, line: Any, meter: Any, now_ms: int) -> None:
    from collectors.driver import PolledDevice, PollError, PollResult
    from collectors.errors import Unreachable
    from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
    from edge_agent.health import write_status
    from edge_agent.polling import SynchronousPolling

    class Dead:
        def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
            return PollResult((), (PollError(device.id, device.points, Unreachable("no reply in 1 s")),))

        def close(self) -> None: ...

    path = config.with_name("edge-buffer.sqlite")
    buffer = open_buffer(path, BufferLimits(), now_ms)
    device = AgentDevice(PolledDevice("incomer-1", 1, meter, ("power", "energy_import")), "bus-1", 60_000)
    line.problem = "the connection was lost [for now]"
    agent = EdgeAgent([device], SynchronousPolling({"bus-1": Dead()}), buffer, line, Grouping(), now_ms)
    agent.step(now_ms)
    write_status(path.with_name(path.name + ".status.json"), agent.status)
    buffer.close()
    result = run("status")
    assert result.exit_code == 0, result.output
    [row] = [text for text in result.stdout.splitlines() if "incomer-1" in text]
    assert "never" in row
    assert "unreachable 1" in row
    assert "power and 1 more: no reply in 1 s" in row
    assert "Problem: the connection was lost [for now]" in result.stdout
    assert "No agent is running." in result.stdout
    assert "Bus load: bus-1 0%" in result.stdout
    assert "Line: MQTT" in result.stdout
