"""Fixtures for all tests: free ports and a real MQTT broker that can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog


def _a_free_port() -> int:
    """A port nobody listens on now. The kernel hands out ephemeral ports in turn, so parallel tests get others."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command run inside a test sends the logs to that test's output, which is closed when the next one logs."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives another free loopback port on each call."""
    return _a_free_port


class Mosquitto:
    """A real mosquitto on a free loopback port. It saves its state every second: a kill shows what survives that.

    `extra` is appended to its configuration; without it everybody may do everything.
    """

    def __init__(self, directory: Path, port: int, extra: str = "allow_anonymous true") -> None:
        self.directory = directory
        self.port = port
        self.extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {self.directory}/\n"
            # Not 0 for "no limit": Debian's 2.0.11 then throws out whoever publishes what it may not.
            f"autosave_interval 1\nmax_inflight_messages 1000\nmax_queued_messages 1000000\n"
            f"log_dest file {self.directory}/mosquitto.log\n{self.extra}\n"
        )
        # Started by root, mosquitto would become the user `mosquitto`, which cannot write here.
        user = ["user root"] if os.geteuid() == 0 else []
        config.write_text(config.read_text() + "\n".join(user) + "\n")
        self._process = subprocess.Popen([_mosquitto_binary(), "-c", str(config)], stdin=subprocess.DEVNULL)
        self._await_listening()

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it saves its state first."""
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        """SIGHUP: read password and ACL files again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def restart(self, *, emptied: bool = False) -> None:
        """Kill and start again; `emptied` = its memory of sessions and messages is lost too."""
        self.kill()
        if emptied:
            (self.directory / "mosquitto.db").unlink(missing_ok=True)
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=10)
        self._process = None

    def _await_listening(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                log = self.directory / "mosquitto.log"
                raise AssertionError(f"mosquitto ended at once: {log.read_text() if log.exists() else 'no log'}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"mosquitto does not listen on port {self.port} after 10 s")


def _mosquitto_binary() -> str:
    """Debian puts it where a user's PATH does not look."""
    found = shutil.which(
        "mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return found


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A function that starts one more broker: start_mosquitto(extra="…configuration lines…")."""
    started: list[Mosquitto] = []

    def start(extra: str = "allow_anonymous true") -> Mosquitto:
        broker = Mosquitto(tmp_path / f"mosquitto-{len(started)}", _a_free_port(), extra)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running broker that lets everybody do everything."""
    return start_mosquitto()
