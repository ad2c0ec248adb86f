"""`tanmai demo` as a user starts it: real meters, broker, agents and gateway, two months of history, a restart."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectors.clock import monotonic_s, now_ms
from gateway.demo.plant import local

pytestmark = pytest.mark.xdist_group("demo")

STEEL = "91350505M00000019R"
POWER_UNIT = "91370881M00000051Y"
NEWCOMER = "91350581M00000043C"
READY_S, STOP_S = 120.0, 20.0


@dataclass
class Running:
    process: subprocess.Popen[str]
    data_dir: Path

    @property
    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.data_dir / "ready.json").read_text(encoding="utf-8"))
        return document

    def get(self, path: str, token: str) -> Any:
        request = urllib.request.Request(self.ready["url"] + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def rating(self, enterprise: str, month: str) -> dict[str, Any]:
        token = self.ready["tokens"]["enterprise"][enterprise]
        answer: dict[str, Any] = self.get(f"/api/v1/enterprises/{enterprise}/rating?period={month}", token)
        return answer

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=STOP_S)
        return output


def start(data_dir: Path, port: int) -> Running:
    """Start the demo and wait until it says that everything answers."""
    arguments = ["demo", "--port", str(port), "--data-dir", str(data_dir), "--days", "62"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TANMAI_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "collectors.command", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, process_group=0,
    )  # fmt: skip
    until_s = monotonic_s() + READY_S
    while monotonic_s() < until_s:
        if process.poll() is not None:
            raise AssertionError(f"the demo ended: {process.communicate()[0]}")
        file = data_dir / "ready.json"
        with contextlib.suppress(FileNotFoundError):  # the one of the last time is taken away at the start
            if "agent" in json.loads(file.read_text(encoding="utf-8"))["tokens"]:
                return Running(process, data_dir)
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"not ready within {READY_S} s: {process.communicate()[0]}")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def demo(data_dir: Path, free_port: Callable[[], int]) -> Iterator[Running]:
    """A demo that starts for this test alone."""
    running = start(data_dir, free_port())
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="module")
def again(data_dir: Path) -> Iterator[Running]:
    """A demo on the same data directory, continuing what ran there before; shared by the tests that only look."""
    running = start(data_dir, 0)
    try:
        yield running
    finally:
        running.stop()


def last_month() -> date:
    """The first day of the month that has ended, in the park's time."""
    return (local(now_ms()).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def days_of(month: date) -> Iterator[date]:
    day = month
    while day.month == month.month:
        yield day
        day += timedelta(days=1)


def steel_month_by_hand(config: Path, anchor: date, month: date) -> int:
    """Grams: (recorded figures of each local day × 10 − what the tenant's meter shows) × 0.5306 kgCO2/kWh, per day.

    That meter shows a 32-bit float: 8120 kWh, and 7.5 % of the recorded figures of 14 days later.
    """
    lines = (config / "demo" / "series" / "steel-energy.csv").read_text(encoding="utf-8").splitlines()
    days = [sum(map(Decimal, line.split(",")), Decimal(0)) for line in lines if not line.startswith("#")]

    def tenant_kwh(until: date) -> Decimal:
        passed = sum(days[place % len(days)] for place in range(14, 14 + (until - anchor).days))
        shown = float(np.float32(8120 + 0.075 * float(passed)))
        return Decimal(shown).quantize(Decimal("0.000001"))

    grams = 0
    for day in days_of(month):
        tenant = tenant_kwh(day + timedelta(days=1)) - tenant_kwh(day)
        energy_kwh = days[(day - anchor).days % len(days)] * 10 - tenant
        grams += int((energy_kwh * Decimal("0.5306") * 1000).quantize(Decimal(1), ROUND_HALF_EVEN))
    return grams


def test_first_start_shows_rated_and_grey_accounts_that_agree_with_a_computation_by_hand(
    demo: Running, scenario: Any
) -> None:
    ready, month = demo.ready, last_month()
    period = f"{month:%Y-%m}"
    assert ready["tokens"]["agent"].keys() == {site.name for site in scenario.sites}

    park = demo.get(f"/api/v1/parks/quanzhou-demo?period={period}", ready["tokens"]["park"])
    rated = {colour for colour, count in park["colours"].items() if count and colour != "grey"}
    assert sum(count for colour, count in park["colours"].items() if colour != "grey") == 3
    assert len(rated) >= 2
    assert park["colours"]["grey"] == 1
    newcomer = demo.rating(NEWCOMER, period)
    assert newcomer["colour"] == "grey"
    assert "no output was reported" in newcomer["reasons"]["en"][0]

    steel = ready["tokens"]["enterprise"][STEEL]
    account = demo.get(f"/api/v1/enterprises/{STEEL}/account?period={period}", steel)
    state = json.loads((demo.data_dir / "demo.json").read_text(encoding="utf-8"))
    by_hand_g = steel_month_by_hand(scenario.directory.parent, local(state["anchor_ms"]).date(), month)
    assert round(account["compliance_kg"] * 1000) == by_hand_g
    assert account["coverage"] == 1.0

    stack = demo.get(
        f"/api/v1/enterprises/{POWER_UNIT}/account?period={period}", ready["tokens"]["enterprise"][POWER_UNIT]
    )
    assert [(line["source"], line["basis"]) for line in stack["by_source"]] == [("stack", "measured")]

    pulled = demo.get(f"/api/v1/accounts?period={period}", ready["tokens"]["platform"])
    assert len(pulled["items"]) == len(scenario.sites)

    output = demo.stop()
    assert demo.process.returncode == 0, output
    assert "by force" not in output
    assert not (demo.data_dir / "ready.json").exists()


def test_a_second_start_continues_with_the_same_tokens_and_counters(again: Running, data_dir: Path) -> None:
    state = json.loads((data_dir / "demo.json").read_text(encoding="utf-8"))
    ready = again.ready
    assert ready["tokens"]["park"] == state["tokens"]["park quanzhou-demo"]
    until_s = monotonic_s() + 60
    live: list[Any] = []
    while not live and monotonic_s() < until_s:  # until the agent's first live reading has arrived
        live = readings_since(again, now_ms() - 60_000)
    assert live, (data_dir / "logs").glob("*.log")
    values = [item["value"] for item in readings_since(again, now_ms() - 86_400_000)]
    assert len(values) > 90
    assert values == sorted(values)


def readings_since(running: Running, from_ms: int) -> list[Any]:
    query = f"point=incomer-1.energy_import&from={from_ms}&to={now_ms() + 60_000}"
    token = running.ready["tokens"]["enterprise"][STEEL]
    items: list[Any] = running.get(f"/api/v1/enterprises/{STEEL}/readings?{query}", token)["items"]
    return items


def test_a_port_that_is_taken_is_said_and_everything_stops(again: Running, tmp_path: Path) -> None:
    port = again.ready["url"].rpartition(":")[2]
    arguments = [sys.executable, "-m", "collectors.command", "demo", "--port", port, "--data-dir", str(tmp_path)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=90, check=False)
    assert result.returncode == 1
    assert "stop what listens there or choose another port" in result.stderr


def test_a_second_demo_on_the_same_directory_is_refused(again: Running) -> None:
    arguments = [sys.executable, "-m", "collectors.command", "demo", "--port", "0", "--data-dir", str(again.data_dir)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "a gateway already runs on" in result.stderr
