"""Processes of the bench: started here, told apart by their handle, ended here whatever happens.

What stays true: everything listens on 127.0.0.1; nothing outlives its `with` block; a child that does not answer in
time fails the bench and does not hang it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from collectors.clock import monotonic_s

ANSWER_S = 300.0  # the longest a child may work before it answers
START_S = 60.0
END_S = 20.0
ROOT = Path(__file__).resolve().parent.parent
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])


class BenchFailed(Exception):
    """A row cannot be measured; the message says why and what to do."""


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise BenchFailed(f"{name} is not installed: apt-get install {package}")
    return found


def used_cpu_s() -> float:
    """CPU seconds of this process so far, of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def number_in_proc(pid: int) -> int:
    """Under which number /proc shows a process: in a container it may be another than ours."""
    handle = os.pidfd_open(pid)
    try:
        lines = Path(f"/proc/self/fdinfo/{handle}").read_text(encoding="ascii").splitlines()
    finally:
        os.close(handle)
    return int(dict(line.split(":", 1) for line in lines)["Pid"])


class Child:
    """A Python module of ours in a process of its own that answers in JSON lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._buffer = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def answer(self, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """The child's next line; lines that are no JSON object (logs) are passed over."""
        deadline = monotonic_s() + timeout_s
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                if line.startswith(b"{"):
                    return dict(json.loads(line))
                continue
            self._buffer += self._more(deadline)

    def _more(self, deadline: float) -> bytes:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], max(0.0, deadline - monotonic_s()))
        read = os.read(out.fileno(), 65536) if ready else b""
        if not read:
            state = self._process.poll()
            what = "still runs" if state is None else f"ended with {state}"
            raise BenchFailed(f"{self._process.args!r} gave no answer and {what}")
        return read


@contextmanager
def python(module: str, *arguments: object, log: Path | None = None) -> Iterator[Child]:
    """`python -m module arguments…` from the project's root."""
    command = [sys.executable, "-m", module, *(str(one) for one in arguments)]
    with _running(command, log=log, stdout=subprocess.PIPE) as process:
        yield Child(process)


@contextmanager
def tanmai(*arguments: str, log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The product's own command."""
    command = [sys.executable, "-m", "collectors.command", *arguments]
    with _running(command, log=log, environment=environment) as process:
        yield process


@contextmanager
def served(data_dir: Path, role: str, mqtt_url: str = "off") -> Iterator[tuple[int, int]]:
    """`tanmai serve` on a free port; gives (port, pid) once it answers. It is the first thing that may write there."""
    port = free_port()
    environment = {
        "TANMAI_DATA_DIR": str(data_dir),
        "TANMAI_HTTP": f"127.0.0.1:{port}",
        "TANMAI_MQTT_URL": mqtt_url,
        "TANMAI_LOG_LEVEL": "error",
    }
    log = data_dir.with_suffix(".log")
    ready = data_dir / "ready.json"
    ready.unlink(missing_ok=True)
    with tanmai("serve", "--role", role, log=log, environment=environment) as process:
        deadline = monotonic_s() + START_S
        while not ready.exists():
            if process.poll() is not None or monotonic_s() > deadline:
                raise BenchFailed(f"tanmai serve does not start ({process.poll()}): {log.read_text()[-2000:]}")
            select.select([], [], [], 0.02)
        yield port, process.pid


@contextmanager
def mosquitto(directory: Path) -> Iterator[int]:
    """A broker of our own that holds everything it is given; gives its port."""
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "log_dest none",
        "max_inflight_messages 4000", "max_queued_messages 0",
    ]  # fmt: skip
    # Started by root, mosquitto would become the user `mosquitto`.
    lines += ["user root"] if os.geteuid() == 0 else []
    config = directory / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    with _running([program("mosquitto", "mosquitto"), "-c", str(config)]) as process:
        _await_listening(process, port)
        yield port


@contextmanager
def influxd(directory: Path) -> Iterator[int]:
    """An InfluxDB 1.x of our own that tells nobody about itself; gives its port."""
    port, rpc_port = free_port(), free_port()
    folder = directory / "influxdb"
    folder.mkdir()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc_port}"\n'
        f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n'
        '[logging]\nlevel = "warn"\n'
    )
    command = [program("influxd", "influxdb"), "run", "-config", str(config)]
    with _running(command, log=folder / "influxd.log") as process:
        _await_listening(process, port)
        yield port


@contextmanager
def published(port: int, topic: str, lines: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Each line of a file as one QoS 1 message, by the C client of mosquitto, as fast as it can; it ends after that."""
    client = program("mosquitto_pub", "mosquitto-clients")
    with lines.open("rb") as source:
        command = [client, "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-l", "-t", topic]
        with _running(command, stdin=source) as publisher:
            yield publisher


@contextmanager
def _running(
    command: list[str],
    *,
    log: Path | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TANMAI_")}
    with log.open("wb") if log else open(os.devnull, "wb") as errors:  # noqa: PTH123
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=own | dict(environment or {}),
            stdin=stdin,
            stdout=errors if stdout is None else stdout,
            stderr=errors if log or stdout is None else None,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = monotonic_s() + START_S
    while process.poll() is None and monotonic_s() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            select.select([], [], [], 0.02)
    raise BenchFailed(f"{process.args!r} does not listen on port {port}")
