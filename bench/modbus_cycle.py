"""Polling: the bus time of each profile's plan on a 9600 baud line (modelled), and real polls over TCP (measured).

The limit of the model is the best of all plans. The limit of the measured polls is a bare socket that sends the same
requests and reads the replies without looking at them. TCP polls leave out the pauses that a serial meter asks for:
what is measured is our own time.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from bench.exhaustive_plan import least_s
from bench.figure import Figure, Target, figure_of, median_of
from bench.processes import BenchFailed, python
from bench.scale import Bench
from collectors.clock import monotonic_s
from collectors.driver import PolledDevice
from collectors.modbus.client import ModbusClient
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.line import TcpLine
from collectors.modbus.plan import ReadBlock, cycle_s, plan_reads
from collectors.profile import MeterProfile, load_profiles, shipped_config_dir

BAUD = 9600
MANY = "eastron-sdm630"  # the profile that stands behind one address many times
MANY_POINTS = 30
_HEADER = 6  # of a Modbus TCP frame: transaction, protocol, length


def run(bench: Bench) -> Iterator[Figure]:
    profiles = load_profiles(shipped_config_dir())
    for name, profile in profiles.items():
        limits = replace(profile.timing, baud=BAUD)
        plan = plan_reads(profile, limits)
        optimum = {"optimum": least_s(profile.registers, limits)}
        yield figure_of(f"modbus_cycle.{name}", cycle_s(plan, limits), "s/cycle", optimum, Target(1.1, "most"))
        yield figure_of(f"modbus_cycle.{name}.requests", float(len(plan)), "requests/cycle")
    yield from _over_tcp(bench, profiles)
    yield from _many(bench, profiles[MANY])


def _over_tcp(bench: Bench, profiles: dict[str, MeterProfile]) -> Iterator[Figure]:
    """All points of each profile, one meter of each."""
    with python("bench.meters_process", *profiles) as meters:
        port = meters.answer()["port"]
        for unit, (name, profile) in enumerate(profiles.items(), start=1):
            device = _device(profile, unit, tuple(spec.point for spec in profile.registers))
            polls, bare = _polls_s(bench, port, [device]), _bare_s(bench, port, [device])
            yield figure_of(f"modbus_cycle.{name}.tcp", median_of(polls), "s/cycle", {"bare_socket": median_of(bare)})


def _many(bench: Bench, profile: MeterProfile) -> Iterator[Figure]:
    """Many meters behind one address."""
    points = tuple(spec.point for spec in profile.registers[:MANY_POINTS])
    devices = [_device(profile, unit, points) for unit in range(1, bench.scale.meters + 1)]
    with python("bench.meters_process", *[profile.id] * len(devices)) as meters:
        port = meters.answer()["port"]
        before_s = _processor_s()
        polls = _polls_s(bench, port, devices)
        core = (_processor_s() - before_s) / len(polls)
        bare = _bare_s(bench, port, devices)
    name = f"modbus_cycle.{len(devices)}x{len(points)}"
    yield figure_of(f"{name}.tcp", median_of(polls), "s/cycle", {"bare_socket": median_of(bare)})
    yield figure_of(f"{name}.core", core, "cores at a poll a second", target=Target(0.5, "most", "figure"))


def _device(profile: MeterProfile, unit: int, points: tuple[str, ...]) -> PolledDevice:
    timing = replace(profile.timing, pause_s=0.0, baud=BAUD)
    return PolledDevice(f"meter-{unit}", unit, replace(profile, timing=timing), points)


def _polls_s(bench: Bench, port: int, devices: Sequence[PolledDevice]) -> list[float]:
    """Seconds of each cycle by the driver."""
    seconds = []
    with closing(ModbusDriver(ModbusClient(TcpLine("127.0.0.1", port)))) as driver:
        for _ in range(bench.scale.cycles):
            started_s = monotonic_s()
            for device in devices:
                result = driver.poll(device, 0)
                if result.errors:
                    raise BenchFailed(f"a simulated meter does not answer: {result.errors[0].error}")
            seconds.append(monotonic_s() - started_s)
    return seconds


def _bare_s(bench: Bench, port: int, devices: Sequence[PolledDevice]) -> list[float]:
    """Seconds of each cycle of the same requests over a bare socket."""
    seconds = []
    plans = [(own.unit, plan_reads(own.profile.select(own.points), own.profile.timing)) for own in devices]
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        for _ in range(bench.scale.cycles):
            started_s = monotonic_s()
            for unit, blocks in plans:
                for block in blocks:
                    _ask(connection, unit, block)
            seconds.append(monotonic_s() - started_s)
    return seconds


def _ask(connection: socket.socket, unit: int, block: ReadBlock) -> None:
    body = bytes([unit, block.function_code]) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
    connection.sendall(b"\0\1\0\0" + len(body).to_bytes(2, "big") + body)
    reply = b""
    while len(reply) < _HEADER or len(reply) < _HEADER + int.from_bytes(reply[4:6], "big"):
        more = connection.recv(4096)
        if not more:
            raise BenchFailed("the simulated meters closed the connection")
        reply += more


def _processor_s() -> float:
    """Processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
