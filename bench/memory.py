"""Peak resident memory: of a real `tanmai serve` under MQTT load, and of a real `tanmai edge run` beside busy meters.

The gateway takes batches from the C publisher for `load_s` seconds as fast as it can, first with the role `ingest`
alone, then with all of them: again and again the same minutes with new batch ids. The agent polls its meters every
second and sends to the gateway that has all roles. The peak is the kernel's own mark (VmHWM); beside it stands the one
at half time, so that what grows is seen.

A publisher stops for good after 65,535 messages of one connection. So each sends PIECE at most, and the next one begins
when it has ended and AHEAD of its messages wait at the broker.
"""

from __future__ import annotations

import http.client
import re
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.figure import Figure, Target, figure_of
from bench.modbus_cycle import MANY
from bench.plant import AGENT, batches, ingest_plant, open_house
from bench.processes import BenchFailed, mosquitto, number_in_proc, published, python, served, tanmai
from bench.scale import Bench
from collectors.clock import monotonic_s

METERS = 20  # of the agent, each with all its points
PIECE = 60_000  # messages of a publisher
PIECE_PER_S = 2_000  # of a load that is shorter
AHEAD = 20_000
_ID_AT = len(b'{"v":1,"batch":"')
_ID = b"%07d%019d"  # which publisher, which of its messages; as long as any other batch id
_ID_BYTES = 26
_TAKEN = re.compile(rb'^tanmai_ingest_messages_total\{via="mqtt"\} (\S+)$', re.MULTILINE)

_AGENT_FILE = """
agent: {{enterprise: {enterprise}, id: edge-2}}
gateway: {{mqtt: "mqtt://127.0.0.1:{mqtt}", password_env: BENCH_PASSWORD}}
buffer: {{path: {buffer}}}
buses: [{{id: bus-1, driver: modbus-tcp, host: 127.0.0.1, port: {modbus}}}]
devices:
"""


def run(bench: Bench) -> Iterator[Figure]:
    count = min(PIECE, int(PIECE_PER_S * bench.scale.load_s))
    payloads = list(batches(count))
    for role, name in (("ingest", "memory.ingest"), ("all", "memory.gateway")):
        peaks = _Loaded(bench.fresh("memory"), role, payloads, bench.scale.load_s).peaks_mb()
        limits = {"at_half_time": peaks["half"]}
        yield figure_of(name, peaks["gateway"], "MB peak RSS", limits, Target(350, "most", "figure"))
    yield figure_of("memory.agent", peaks["agent"], "MB peak RSS", target=Target(70, "most", "figure"))


class _Loaded:
    """A gateway under load, with an agent beside it where it has all roles."""

    def __init__(self, directory: Path, role: str, payloads: Sequence[bytes], load_s: float) -> None:
        self._directory = directory
        self._role = role
        self._payloads = payloads
        self._load_s = load_s
        self._data_dir = directory / "gateway"
        open_house(self._data_dir, (ingest_plant(),)).close()

    def peaks_mb(self) -> dict[str, float]:
        with ExitStack() as running:
            mqtt = running.enter_context(mosquitto(self._directory))
            http_port, gateway = running.enter_context(served(self._data_dir, self._role, f"mqtt://127.0.0.1:{mqtt}"))
            agent = self._agent(running, mqtt) if self._role == "all" else None
            half_s = monotonic_s() + self._load_s / 2
            half: list[float] = []

            def look() -> None:
                if not half and monotonic_s() > half_s:
                    half.append(_peak_mb(gateway))

            self._load(mqtt, http_port, half_s + self._load_s / 2, look)
            peaks = {"gateway": _peak_mb(gateway), "half": half[0]}
            return peaks if agent is None else peaks | {"agent": _peak_mb(agent())}

    def _agent(self, running: ExitStack, mqtt: int) -> Callable[[], int]:
        """Start it; gives its process id when asked, if it still runs."""
        meters = running.enter_context(python("bench.meters_process", *[MANY] * METERS))
        config = _agent_file(self._directory, mqtt, meters.answer()["port"])
        log = self._directory / "edge.log"
        command = ("edge", "run", "--config", str(config))
        agent = running.enter_context(tanmai(*command, log=log, environment={"BENCH_PASSWORD": "x"}))

        def pid() -> int:
            if agent.poll() is not None:
                raise BenchFailed(f"tanmai edge run ended: {log.read_text()[-2000:]}")
            return agent.pid

        return pid

    def _load(self, mqtt: int, http_port: int, end_s: float, look: Callable[[], None]) -> None:
        """Have batches published, one publisher after the other, and look round meanwhile."""
        lines = self._directory / "lines"
        topic = f"tanmai/v1/{ingest_plant().id}/{AGENT}/readings"
        sent = 0
        while monotonic_s() < end_s:
            number = sent // len(self._payloads)
            lines.write_bytes(b"".join(_lines(self._payloads, number)))
            sent += len(self._payloads)
            with published(mqtt, topic, lines) as publisher:
                while monotonic_s() < end_s and (publisher.poll() is None or sent - _taken(http_port) > AHEAD):
                    look()
                    select.select([], [], [], 0.1)
        if _taken(http_port) == 0:
            raise BenchFailed("the gateway took none of the batches: look whether the publisher reaches the broker")


def _lines(payloads: Sequence[bytes], publisher: int) -> Iterator[bytes]:
    for number, payload in enumerate(payloads):
        yield payload[:_ID_AT] + _ID % (publisher, number) + payload[_ID_AT + _ID_BYTES :] + b"\n"


def _taken(http_port: int) -> int:
    """Messages that the gateway took in so far, by its own count."""
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=60)
    connection.request("GET", "/metrics")
    found = _TAKEN.search(connection.getresponse().read())
    connection.close()
    return 0 if found is None else int(float(found[1]))


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
