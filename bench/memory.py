"""Peak resident memory: of a real `tanmai serve` under MQTT load, and of a real `tanmai edge run` beside busy meters.

The gateway takes batches from the C publisher for `load_s` seconds, again and again the same minutes with new batch
ids; the agent polls its meters every second and sends to that gateway. The peak is the kernel's own mark (VmHWM).
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Target, figure_of
from bench.modbus_cycle import MANY
from bench.plant import AGENT, batches, ingest_plant, open_house
from bench.processes import BenchFailed, mosquitto, number_in_proc, published, python, served, tanmai
from bench.scale import Bench
from collectors.clock import monotonic_s

METERS = 20  # of the agent, each with all its points
LOAD_BATCHES_PER_S = 2_000

_AGENT_FILE = """
agent: {{enterprise: {enterprise}, id: edge-2}}
gateway: {{mqtt: "mqtt://127.0.0.1:{mqtt}", password_env: BENCH_PASSWORD}}
buffer: {{path: {buffer}}}
buses: [{{id: bus-1, driver: modbus-tcp, host: 127.0.0.1, port: {modbus}}}]
devices:
"""


def run(bench: Bench) -> Iterator[Figure]:
    directory = bench.fresh("memory")
    data_dir = directory / "gateway"
    open_house(data_dir, (ingest_plant(),)).close()
    lines = directory / "lines"
    count = int(LOAD_BATCHES_PER_S * bench.scale.load_s)
    lines.write_bytes(b"".join(payload + b"\n" for payload in batches(count)))
    with (
        mosquitto(directory) as mqtt,
        served(data_dir, "all", f"mqtt://127.0.0.1:{mqtt}") as (_, gateway),
        python("bench.meters_process", *[MANY] * METERS) as meters,
    ):
        config = _agent_file(directory, mqtt, meters.answer()["port"])
        log = directory / "edge.log"
        with tanmai("edge", "run", "--config", str(config), log=log, environment={"BENCH_PASSWORD": "x"}) as agent:
            topic = f"tanmai/v1/{ingest_plant().id}/{AGENT}/readings"
            with published(mqtt, topic, lines):
                deadline = monotonic_s() + bench.scale.load_s
                while monotonic_s() < deadline:
                    if agent.poll() is not None:
                        raise BenchFailed(f"tanmai edge run ended: {log.read_text()[-2000:]}")
                    select.select([], [], [], 0.1)
            peaks = {"gateway": _peak_mb(gateway), "agent": _peak_mb(agent.pid)}
    yield figure_of("memory.gateway", peaks["gateway"], "MB peak RSS", target=Target(350, "most", "figure"))
    yield figure_of("memory.agent", peaks["agent"], "MB peak RSS", target=Target(70, "most", "figure"))


def _agent_file(directory: Path, mqtt: int, modbus: int) -> Path:
    text = _AGENT_FILE.format(
        enterprise=ingest_plant().id, mqtt=mqtt, modbus=modbus, buffer=directory / "edge-buffer.sqlite"
    )
    for unit in range(1, METERS + 1):
        text += f"- {{id: meter-{unit}, bus: bus-1, unit: {unit}, profile: {MANY}, every_s: 1}}\n"
    path = directory / "edge.yaml"
    path.write_text(text)
    return path


def _peak_mb(pid: int) -> float:
    """The most that was ever resident, as the kernel noted it (Linux)."""
    status = Path(f"/proc/{number_in_proc(pid)}/status").read_text(encoding="ascii", errors="replace")
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    if line is None:
        raise BenchFailed("the kernel tells no VmHWM: peak memory is measured on Linux only")
    return int(line.split()[1]) * 1024 / 1e6
