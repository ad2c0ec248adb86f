"""A small park made of real processes: `tanmai serve`, `tanmai edge run`, real Modbus meters, a real MQTT broker.

The meters live in the test's own process, so that their values and faults are in its hands. Everything listens on free
loopback ports and is ended by its process number.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from collectors.clock import from_ms, now_ms, to_ms
from collectors.reading import Batch, DeviceBlock
from collectors.wire import encode_batch, new_batch_id

PLANT, NEIGHBOUR, FOREIGN = "91350505M00000019R", "91350583M00000035E", "91370881M00000051Y"
AGENT = f"{PLANT}/edge-1"
ZONE = ZoneInfo("Asia/Shanghai")
GRID_FACTOR_KG_PER_KWH = "0.5306"  # mee-nbs-grid-2023, national, the newest that is published
PATIENCE_S = 60.0
START_S = 60.0

# A meter that waits long for its reply, so that a busy machine does not make it look dead; and counts exactly.
PROFILE = """
id: test-counter
maker: Test
model: counter of a test
source: {document: made for tests}
timing: {timeout_s: 10, retries: 0, pause_s: 0, max_registers: 100, latency_s: 0.001, baud: 0}
defaults: {function_code: 4, word_order: big}
registers:
- {quantity: energy_import, address: 100, dtype: uint64, scale: 0.01, unit: kWh}
- {quantity: power, address: 104, dtype: float32, unit: kW}
"""

REGISTRY = f"""
parks:
- {{id: east, name: {{zh: 东园, en: East park}}, region: fujian, timezone: Asia/Shanghai, area_km2: 1.5}}
- {{id: west, name: {{zh: 西园, en: West park}}, region: shandong, timezone: Asia/Shanghai}}
enterprises:
- id: {PLANT}
  name: {{zh: 厂, en: Plant}}
  park: east
  industry: C3130
  consents: [platform]
  agents: [{{id: edge-1}}]
  devices:
  - {{id: incomer-1, profile: eastron-sdm630, rated_power_kw: 800, points: [energy_import, power]}}
  - {{id: line-2, profile: test-counter}}
  sources:
  - {{id: grid-power, activity: electricity.purchased, scope: 2, stage: production, from: [incomer-1.energy_import]}}
  - {{id: billets, activity: material.steel_semi_finished, scope: 3, stage: raw_material, records: true, unit: t}}
  products: [{{id: plate, unit: t}}]
- id: {NEIGHBOUR}
  name: {{zh: 邻, en: Neighbour}}
  park: east
  industry: C3383
  agents: [{{id: edge-1}}]
  devices: [{{id: incomer-1, profile: test-counter}}]
  sources:
  - {{id: grid-power, activity: electricity.purchased, scope: 2, stage: production, from: [incomer-1.energy_import]}}
- id: {FOREIGN}
  name: {{zh: 外, en: Foreign}}
  park: west
  industry: D4411
  agents: [{{id: edge-1}}]
  devices: [{{id: incomer-1, profile: test-counter}}]
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def http(method: str, url: str, token: str = "", body: bytes | None = None, **headers: str) -> Reply:
    """One request; an error status is an answer too."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        given["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, headers=given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return Reply(reply.status, dict(reply.headers), reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers), error.read())


def until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that other processes do."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


@dataclass(frozen=True, slots=True)
class Output:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(arguments: Sequence[str], environment: Mapping[str, str], timeout_s: float = 120) -> Output:
    """A `tanmai …` command to its end, as a shell starts it."""
    done = subprocess.run(
        command(arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env=dict(environment),
        timeout=timeout_s,
        check=False,
    )
    assert "Traceback" not in done.stderr, f"tanmai {' '.join(arguments)}\n{done.stderr}"
    return Output(done.returncode, done.stdout, done.stderr)


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "collectors.command", *arguments]


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment without anybody's own TANMAI_ settings, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TANMAI_")}
    return {**kept, "COLUMNS": "160", **settings}


class Process:
    """A `tanmai …` command that goes on; its output is in `log`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._arguments, self._environment, self.log_file = arguments, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def said(self) -> str:
        """What it said since its last start."""
        return self.log_file.read_bytes()[self._said_before :].decode(errors="replace")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        self._said_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command(self._arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self._environment)
            )

    def await_line(self, text: str, timeout_s: float = START_S) -> None:
        until(lambda: text in self.said or not self.runs, f"“{text}” in {self.log_file}", timeout_s)
        assert text in self.said, self.said

    def end(self, how: signal.Signals) -> tuple[int, float]:
        """Exit code, and the seconds it took."""
        assert self._process is not None
        started_s = time.monotonic()
        self._process.send_signal(how)
        code = self._process.wait(timeout=PATIENCE_S)
        self._process = None
        return code, time.monotonic() - started_s

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Gateway(Process):
    """`tanmai serve` on a data directory, and the commands beside it."""

    def __init__(self, directory: Path, role: str = "all", **settings: str) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        (directory / "profiles").mkdir(parents=True, exist_ok=True)
        (directory / "profiles" / "test-counter.yaml").write_text(PROFILE)
        self.environment = clean_environment(
            TANMAI_DATA_DIR=str(self.data_dir),
            TANMAI_PROFILES_DIR=str(directory / "profiles"),
            TANMAI_HTTP="127.0.0.1:0",
            TANMAI_MQTT_LISTEN="127.0.0.1:0",
            **{"TANMAI_ROLLUP_EVERY_S": "3600"} | settings,
        )
        super().__init__(["serve", "--role", role], self.environment, directory / "gateway.log")
        self.url = ""
        self.tokens: dict[str, str] = {}

    def start(self) -> None:
        """Start it and wait for its ready line."""
        self.launch()
        self.await_line("Tanmai is ready at")
        self.url = self.ready["url"]

    @property
    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.data_dir / "ready.json").read_text())
        return document

    @property
    def mqtt(self) -> str:
        return str(self.ready["mqtt"])

    def tanmai(self, *arguments: str) -> Output:
        """A command of its own process on the same data directory."""
        return run(arguments, self.environment)

    def operation(self, name: str, **arguments: Any) -> Any:
        """What a command does, without the second that a process takes to start."""
        control = json.loads((self.data_dir / "control.json").read_text())
        reply = self.post(f"/api/v1/operations/{name}", control["token"], json.dumps(arguments).encode())
        assert reply.status == 200, reply.text
        return reply.json

    def apply_registry(self) -> None:
        self.operation("registry_apply", text=REGISTRY, file="registry.yaml")

    def token(self, role: str, subject: str = "") -> str:
        """A token for a role; asked for again, the same one."""
        key = f"{role} {subject}"
        if key not in self.tokens:
            self.tokens[key] = self.operation("token_create", role=role, subject=subject)["token"]
        return self.tokens[key]

    def get(self, path: str, token: str) -> Reply:
        return http("GET", self.url + path, token)

    def post(self, path: str, token: str, body: bytes, **headers: str) -> Reply:
        return http("POST", self.url + path, token, body, **headers)

    def post_history(self, sender: str, device: str, rows: Mapping[int, Sequence[float | None]], *points: str) -> Any:
        """Readings of one device, {at_ms: values}, over HTTP; gives the receipt."""
        values = np.array([[np.nan if one is None else one for one in row] for row in rows.values()], np.float64)
        block = DeviceBlock.of(device, points, np.array(list(rows), np.int64), values)
        body = encode_batch(Batch(new_batch_id(now_ms()), now_ms(), (block,)))
        reply = self.post("/api/v1/readings", self.token("device", sender), body)
        assert reply.status == 200, reply.text
        (receipt,) = reply.json["receipts"]
        return receipt

    def readings(self, device: str, point: str = "energy_import", enterprise: str = PLANT) -> list[dict[str, Any]]:
        """All readings of the last two days and the next minutes, by the API's pages."""
        token = self.token("enterprise", enterprise)
        window = f"from={now_ms() - 2 * 86_400_000}&to={now_ms() + 600_000}"
        path = f"/api/v1/enterprises/{enterprise}/readings?point={device}.{point}&{window}&limit=1000"
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(path + cursor, token).json
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def usage(self, device: str, point: str = "energy_import", enterprise: str = PLANT) -> float:
        """Sum of the hourly usage of the last two days."""
        window = f"from={now_ms() - 2 * 86_400_000}&to={now_ms() + 600_000}"
        path = f"/api/v1/enterprises/{enterprise}/usage?point={device}.{point}&{window}&step=hour&limit=1000"
        items = self.get(path, self.token("enterprise", enterprise)).json["items"]
        return float(sum(item["amount"] for item in items))

    @property
    def broker_pid(self) -> int:
        return int((self.data_dir / "broker" / "broker.pid").read_text())


@dataclass
class CountingMeter:
    """A meter that counts how often it was read: the n-th answer is n hundredths of a kWh, so none can hide."""

    given: int = 0
    frozen: bool = False  # not available from now on, and no longer counting
    power_kw: float = 1.0

    def value_at(self, point: str) -> float | None:
        if self.frozen:
            return None
        if point == "power":
            return self.power_kw
        self.given += 1
        return self.given / 100


class Agent(Process):
    """`tanmai edge run` with one bus."""

    def __init__(self, gateway: Gateway, modbus_port: int, devices: Sequence[str], **options: Any) -> None:
        """`devices` are lines of the configuration: "{id: line-2, unit: 1, profile: test-counter, every_s: 0.1}"."""
        directory = gateway.directory / "edge"
        directory.mkdir(exist_ok=True)
        (directory / "token").write_text(gateway.token("device", AGENT))
        self.config = directory / "edge.yaml"
        self.config.write_text(
            f"agent: {{enterprise: {PLANT}, id: edge-1}}\n"
            f"gateway: {{mqtt: '{gateway.mqtt}', password_file: token, resend_after_s: 2}}\n"
            "buffer: {path: buffer.sqlite}\n"
            f"batch: {{max_age_s: {options.get('max_age_s', 0.1)}}}\n"
            f"profiles_dir: '{gateway.directory / 'profiles'}'\n"
            f"buses: [{{id: bus-1, driver: modbus-tcp, host: 127.0.0.1, port: {modbus_port}}}]\n"
            "devices:\n" + "".join(f"- {line[:-1]}, bus: bus-1}}\n" for line in devices)
        )
        super().__init__(["edge", "run", "--config", str(self.config)], clean_environment(), directory / "agent.log")

    def start(self) -> None:
        self.launch()
        self.await_line('"running"')

    def status(self) -> dict[str, Any]:
        path = self.config.with_name("buffer.sqlite.status.json")
        return dict(json.loads(path.read_bytes())) if path.exists() else {}


def local_midnight_ms() -> int:
    """The start of this day in the park's zone."""
    day = from_ms(now_ms()).astimezone(ZONE).date()
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=ZONE))


def day_text(at_ms: int) -> str:
    return from_ms(at_ms).astimezone(ZONE).date().isoformat()
