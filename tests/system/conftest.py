"""Fixtures of whole-system tests: everything that a test starts is ended, whatever happened."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from collectors.command import main
from collectors.modbus.simulated_meter import SimulatedMeter, SimulatedMeters
from collectors.profile import load_profile
from tests.system.small_park import Agent, CountingMeter, Gateway, Output


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """Ends what was started, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def new_gateway(tmp_path: Path, started: ExitStack) -> Callable[..., Gateway]:
    """A function that gives a gateway on a fresh directory, not yet started: new_gateway(TANMAI_MQTT_URL="off")."""

    def make(**settings: str) -> Gateway:
        gateway = Gateway(tmp_path / "park", **settings)
        started.callback(gateway.close)
        return gateway

    return make


@pytest.fixture
def gateway(new_gateway: Callable[..., Gateway]) -> Gateway:
    """A running gateway with the small park registered."""
    one = new_gateway()
    one.start()
    one.apply_registry()
    return one


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
def meters(gateway: Gateway, meter: CountingMeter, started: ExitStack) -> SimulatedMeters:
    """`meter` behind a real Modbus TCP server, as unit 1."""
    profile = load_profile(gateway.directory / "profiles" / "test-counter.yaml")
    return started.enter_context(SimulatedMeters("127.0.0.1", 0, {1: SimulatedMeter(profile, meter.value_at)}))


@pytest.fixture
def agent(gateway: Gateway, meters: SimulatedMeters, started: ExitStack) -> Agent:
    """An agent that reads `meter` ten times a second; not yet started."""
    one = Agent(gateway, meters.port, ["{id: line-2, unit: 1, profile: test-counter, every_s: 0.1}"])
    started.callback(one.close)
    return one


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Output]:
    """A function that runs a `tanmai …` command in this process: what a shell would start, without its second."""

    def invoke(arguments: list[str], environment: Mapping[str, str]) -> Output:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith("TANMAI_")]:
                patched.delenv(name)
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["tanmai", *arguments])
            try:
                main()
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        said = capsys.readouterr()
        return Output(code, said.out, said.err)

    return invoke
