"""The demo's child processes: the gateway and the agents, each with a log file.

What stays true:
- A child is known and stopped by the process that started it, never by a name.
- Ctrl-C in a terminal reaches only the demo, which then stops its children in order; they are in groups of their own.
- Where util-linux is there (`setpriv`), a child also ends when the demo is killed outright.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.errors import TanmaiError

LOG_TAIL_LINES = 12


class ChildDied(TanmaiError):
    """A child ended although nobody stopped it. The message holds the end of its log."""


class Child:
    """A running `tanmai …` command."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_ends_with_parent(), sys.executable, "-m", "collectors.command", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise ChildDied if it is no longer running."""
        code = self._process.poll()
        if code is None:
            return
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise ChildDied(f"{self.name} {how}. The end of {self.log}:\n{self._tail()}")

    def ask_to_stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; after the timeout end it by force. False if force was needed."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])


def stop_all(children: Sequence[Child], timeout_s: float) -> list[str]:
    """Ask all to stop at once, wait for each; gives the names of those that needed force."""
    for child in children:
        child.ask_to_stop()
    return [child.name for child in children if not child.wait(timeout_s)]


def _ends_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv and sys.platform == "linux" else []
