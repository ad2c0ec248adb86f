"""A broker of our own for a laptop or a small park: a child process, loopback only, that dies with us.

What stays true: everybody needs a password and may only do what their account says; accounts change without a restart
(`reload` writes the files anew and sends SIGHUP); a port that was chosen freely stays the same over restarts; what the
broker holds is on disk.
Limits: a kill may cost mosquitto what it queued in the last AUTOSAVE_S. Nothing of ours is lost by that: the edge sends
again what has no receipt.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from collectors import clock
from collectors.errors import ConfigurationError
from gateway.broker.accounts import BrokerAccount
from gateway.broker.engines import Place, choose_engine
from gateway.broker.process import GuardedProcess

READY_TIMEOUT_S = 15.0
LOG_KEPT_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class EmbeddedBroker:
    """One broker in `directory`; start, reload and stop from one thread."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1", port: int = 0, engine: str | None = None) -> None:
        """Raises ConfigurationError if there is no broker to embed. Port 0: a free one, kept from then on."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory.resolve()
        self._engine, program = choose_engine(engine)
        self._place = Place(self._directory, host, port or _kept_port(self._directory, host))
        command = self._engine.command(program, self._place)
        self._log_file = self._directory / "broker.log"
        self._process = GuardedProcess(command, self._directory / "broker.pid", self._log_file)
        self._accounts: tuple[BrokerAccount, ...] = ()

    @property
    def url(self) -> str:
        return f"mqtt://{self._place.host}:{self._place.port}"

    @property
    def engine(self) -> str:
        return self._engine.name

    @property
    def alive(self) -> bool:
        return self._process.alive

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def start(self, accounts: Iterable[BrokerAccount]) -> str:
        """Start with these accounts and give the address, once it takes connections."""
        self._accounts = tuple(accounts)
        self._engine.write(self._place, self._accounts)
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_KEPT_BYTES:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        self._process.end_left_over()
        self._refuse_taken_port()
        self._process.start()
        try:
            self._await_ready()
        except BaseException:
            self._process.stop()
            raise
        log.info("broker.started", engine=self._engine.name, url=self.url, accounts=len(self._accounts))
        return self.url

    def reload(self, accounts: Iterable[BrokerAccount]) -> None:
        """Let exactly these accounts in from now on; the others' connections go on."""
        changed = tuple(accounts)
        if changed == self._accounts:
            return
        self._accounts = changed
        self._engine.write(self._place, self._accounts)
        self._process.signal(signal.SIGHUP)
        log.info("broker.accounts_changed", accounts=len(self._accounts))

    def revive(self) -> bool:
        """Start again if it died; gives whether it had. To be called now and then."""
        if self.alive:
            return False
        log.error("broker.died", engine=self._engine.name, log=str(self._log_file), next="starting it again")
        self._process.stop()
        self.start(self._accounts)
        return True

    def stop(self) -> None:
        self._process.stop()

    def _refuse_taken_port(self) -> None:
        """Somebody else's broker on our port would look like ours: ready, but with other accounts."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._place.host, self._place.port))
            except OSError as error:
                raise ConfigurationError(
                    f"the embedded broker cannot listen on {self._place.host}:{self._place.port} ({error.strerror}): "
                    "choose another address with TANMAI_MQTT_LISTEN"
                ) from error

    def _await_ready(self) -> None:
        deadline = clock.monotonic_s() + READY_TIMEOUT_S
        while clock.monotonic_s() < deadline:
            if not self._process.alive:
                raise ConfigurationError(
                    f"the embedded broker ({self._engine.name}) ended at once: {self._last_words()}; "
                    f"more in {self._log_file}"
                )
            try:
                socket.create_connection((self._place.host, self._place.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ConfigurationError(
            f"the embedded broker does not listen after {READY_TIMEOUT_S:g} s: see {self._log_file}"
        )

    def _last_words(self) -> str:
        try:
            lines = self._log_file.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing"


def _kept_port(directory: Path, host: str) -> int:
    """The port of the last time, or a free one that is kept."""
    kept = directory / "port"
    try:
        return int(kept.read_text())
    except (OSError, ValueError):
        pass
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = int(probe.getsockname()[1])
    kept.write_text(f"{port}\n")
    return port
