"""The whole edge: real Modbus TCP meters, a real broker, the agent as a process of its own that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from collectors.modbus.simulated_meter import Fault, SimulatedMeter, SimulatedMeters
from collectors.profile import MeterProfile
from collectors.wire import decode_batch
from edge_agent.buffer import BufferLimits, open_buffer, read_stats

pytestmark = pytest.mark.real("mosquitto")
Until = Callable[..., None]


@pytest.fixture
def meters(meter: MeterProfile) -> Iterator[SimulatedMeters]:
    """Units 1 and 2 on one port; every value is 230.5."""
    units = {unit: SimulatedMeter(meter, lambda point: 230.5) for unit in (1, 2)}
    with SimulatedMeters("127.0.0.1", 0, units) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, meters: SimulatedMeters, mosquitto: Any) -> Path:
    """Two meters on one bus, each read every 0.2 s."""
    path = tmp_path / "edge.yaml"
    path.write_text(
        f"agent: {{enterprise: acme, id: edge-1}}\n"
        f'gateway: {{mqtt: "{mosquitto.url}", resend_after_s: 1}}\n'
        f"batch: {{max_age_s: 0.1}}\n"
        f"buses: [{{id: bus-1, driver: modbus-tcp, host: 127.0.0.1, port: {meters.port}}}]\n"
        f"devices:\n"
        f"- {{id: m1, bus: bus-1, unit: 1, profile: eastron-sdm630, points: [voltage_l1, power], every_s: 0.2}}\n"
        f"- {{id: m2, bus: bus-1, unit: 2, profile: eastron-sdm630, points: [voltage_l1], every_s: 0.2}}\n"
    )
    return path


class Agent:
    """`tanmai edge run` in a process of its own."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.buffer = config.with_name("edge-buffer.sqlite")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from edge_agent.cli import edge; edge()", "run", "--config", str(self.config)]
        with self.config.with_name("agent.log").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, how: signal.Signals) -> int:
        """The exit code; it must come within half a minute, also on a busy machine."""
        assert self._process is not None
        self._process.send_signal(how)
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    @property
    def log(self) -> str:
        return self.config.with_name("agent.log").read_text()

    def status(self) -> dict[str, Any]:
        path = self.buffer.with_name(self.buffer.name + ".status.json")
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def close(self) -> None:
        if self._process is not None:
            self.end(signal.SIGKILL)


@pytest.fixture
def agent(config: Path) -> Iterator[Agent]:
    one = Agent(config)
    yield one
    one.close()


def kept_ids(agent: Agent) -> set[str]:
    buffer = open_buffer(agent.buffer, BufferLimits(window=1_000_000), 1_760_000_000_000)
    try:
        assert buffer.damaged_file is None
        return {batch.batch_id for batch in buffer.next_batches(0)}
    finally:
        buffer.close()


def marks_of(payloads: dict[str, bytes]) -> set[int]:
    """The qualities that readings carry, as the gateway has them."""
    blocks = [block for payload in list(payloads.values()) for block in decode_batch(payload).blocks]
    return {
        mark for block in blocks for mark in ([0] if block.quality is None else set(block.quality.ravel().tolist()))
    }


def times_of(payloads: dict[str, bytes], device: str) -> list[int]:
    """The instants at which a device was read, as the gateway has them."""
    blocks = [block for payload in list(payloads.values()) for block in decode_batch(payload).blocks]
    return sorted(int(at_ms) for block in blocks if block.device == device for at_ms in block.at_ms)


def test_meter_values_arrive_and_are_forgotten_after_the_receipt(
    agent: Agent, gateway: Any, mosquitto: Any, until: Until
) -> None:
    other_side = gateway(mosquitto.url)
    other_side.answers = True
    agent.start()
    until(lambda: len(other_side.stored) >= 5)
    batch = decode_batch(next(iter(other_side.stored.values())))
    block = next(block for block in batch.blocks if block.device == "m1")
    assert dict(zip(block.points, block.values[0], strict=True)) == {"voltage_l1": 230.5, "power": 230.5}
    assert agent.end(signal.SIGTERM) == 0, agent.log
    until(lambda: b"stopped" in other_side.statuses[-1])
    leftover = kept_ids(agent)  # read, kept, and not yet confirmed when the agent ended
    assert leftover.isdisjoint(list(other_side.stored)[:-10])


def test_silent_gateway_everything_is_kept_resent_and_delivered(
    agent: Agent, gateway: Any, mosquitto: Any, until: Until
) -> None:
    other_side = gateway(mosquitto.url)
    agent.start()
    until(lambda: len(other_side.payloads) > len(set(other_side.payloads)) >= 2)  # some came twice
    assert read_stats(agent.buffer).batches >= len(set(other_side.payloads))
    seen = {decode_batch(payload).batch_id for payload in other_side.payloads}
    other_side.answers = True
    until(lambda: seen <= other_side.stored.keys())
    until(lambda: read_stats(agent.buffer).batches <= 3)
    assert read_stats(agent.buffer).dropped_batches == 0


def test_broker_killed_and_emptied_loses_nothing(agent: Agent, gateway: Any, mosquitto: Any, until: Until) -> None:
    agent.start()
    until(lambda: agent.buffer.exists() and agent.status().get("gateway", {}).get("connected"))
    until(lambda: read_stats(agent.buffer).batches >= 5)
    mosquitto.restart(emptied=True)  # what it had acknowledged is gone
    other_side = gateway(mosquitto.url)
    other_side.answers = True
    until(lambda: len(other_side.stored) >= 10)
    before_ms = time.time_ns() // 1_000_000
    until(lambda: max(times_of(other_side.stored, "m1")) > before_ms)
    assert agent.end(signal.SIGTERM) == 0, agent.log
    gaps_ms = [later - earlier for earlier, later in pairwise(times_of(other_side.stored, "m1"))]
    assert max(gaps_ms) < 1500  # read every 200 ms all along: no hole where the broker was away


def test_sigkill_in_the_middle_keeps_every_batch_and_the_next_start_delivers_them(
    agent: Agent, gateway: Any, mosquitto: Any, until: Until
) -> None:
    other_side = gateway(mosquitto.url)
    agent.start()
    until(lambda: len(other_side.payloads) >= 4)
    until(lambda: read_stats(agent.buffer).batches >= 10)
    agent.end(signal.SIGKILL)
    sent = {decode_batch(payload).batch_id for payload in other_side.payloads}
    kept = kept_ids(agent)
    assert sent <= kept
    other_side.answers = True
    agent.start()
    until(lambda: kept <= other_side.stored.keys())
    code = agent.end(signal.SIGINT)
    assert code == 0, agent.log


def test_clocks_that_differ_are_said_and_readings_marked_until_they_agree(
    agent: Agent, gateway: Any, mosquitto: Any, until: Until
) -> None:
    other_side = gateway(mosquitto.url)
    other_side.answers, other_side.clock_off_ms = True, -3_600_000
    agent.start()
    until(lambda: 1 in marks_of(other_side.stored))
    until(lambda: "ahead of the gateway's" in agent.status().get("clock", {}).get("doubt", ""), timeout_s=60)
    other_side.clock_off_ms = 0  # the gateway's clock was the wrong one, and is mended
    count = len(other_side.stored)
    until(lambda: 0 in marks_of(dict(list(other_side.stored.items())[count:])))
    agent.end(signal.SIGTERM)
    status = agent.status()
    assert status["clock"]["doubt"] == ""
    assert abs(status["clock"]["offset_ms"]) <= status["clock"]["offset_within_ms"]
    assert (status["gateway"]["receipts"].keys(), status["buses"]["bus-1"]["load"] > 0) == ({"stored"}, True)


def test_dead_meter_is_counted_and_its_neighbour_goes_on(
    agent: Agent, gateway: Any, meters: SimulatedMeters, mosquitto: Any, until: Until
) -> None:
    other_side = gateway(mosquitto.url)
    other_side.answers = True
    meters.meters[2].fault = Fault.EXCEPTION
    agent.start()
    until(lambda: len(times_of(other_side.stored, "m1")) >= 20)
    assert times_of(other_side.stored, "m2") == []
    meters.meters[2].fault = Fault.NONE
    until(lambda: times_of(other_side.stored, "m2"))
    agent.end(signal.SIGTERM)
    assert agent.status()["devices"]["m2"]["errors"].keys() == {"exception"}
    assert agent.status()["devices"]["m1"]["errors"] == {}
    assert (agent.status()["online"], agent.status()["reason"]) == (False, "stopped")


def test_dead_bus_neither_slows_the_other_bus_nor_the_stop(
    agent: Agent, gateway: Any, meters: SimulatedMeters, mosquitto: Any, until: Until, meter: MeterProfile
) -> None:
    dead = SimulatedMeter(meter, lambda point: 1.0, fault=Fault.DEAD)
    with SimulatedMeters("127.0.0.1", 0, {1: dead}) as silent:
        text = agent.config.read_text().replace(
            "buses: [", f"buses: [{{id: bus-2, driver: modbus-tcp, port: {silent.port}}}, "
        )
        agent.config.write_text(text + "- {id: m3, bus: bus-2, profile: eastron-sdm630, every_s: 0.2}\n")
        other_side = gateway(mosquitto.url)
        other_side.answers = True
        agent.start()
        until(lambda: len(times_of(other_side.stored, "m1")) >= 20)
        assert times_of(other_side.stored, "m3") == []
        assert agent.end(signal.SIGTERM) == 0, agent.log


def test_broken_configuration_starts_nothing(config: Path) -> None:
    config.write_text(config.read_text().replace("bus: bus-1, unit: 2", "bus: bus-7, unit: 2"))
    command = [sys.executable, "-c", "from edge_agent.cli import edge; edge()", "run", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))
    assert ended.returncode == 2
    assert "there is no bus bus-7" in ended.stderr
    assert not config.with_name("edge-buffer.sqlite").exists()
