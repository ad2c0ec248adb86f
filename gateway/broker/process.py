"""A child process that dies with its parent, and is found again if it did not.

How: the child is started by a shell that holds a pipe from us. When we are gone, however we went, the pipe closes, and
the shell ends the child. (PR_SET_PDEATHSIG would do without the shell, but it fires when the *thread* that started the
child ends, and needs code between fork and exec.) The child has a session of its own, so that Ctrl-C reaches us first
and we can drain before the broker goes.

What stays true: the child's number stands in `pid_file` while it runs, and the child holds a lock on the file beside
it. So a child left over from a life before (the shell was killed too) is known by the lock, which nobody else can
hold, and is ended before a new one starts. A number alone would prove nothing: numbers are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from collectors import clock

STOP_TIMEOUT_S = 10.0

# $1 is the pid file, the rest is the command. `cat` ends when our end of the pipe closes.
_SCRIPT = """
pid_file=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
echo "$child" >"$pid_file"
{ cat <&3 >/dev/null; kill -TERM "$child" 2>/dev/null; } &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
rm -f "$pid_file"
exit "$status"
"""


class GuardedProcess:
    """One child. Start and stop from one thread."""

    def __init__(self, command: Sequence[str], pid_file: Path, log_file: Path) -> None:
        self._command = list(command)
        self._pid_file = pid_file
        self._log_file = log_file
        self._shell: subprocess.Popen[bytes] | None = None

    def end_left_over(self) -> bool:
        """End what a former life left behind; gives whether there was something."""
        return end_left_over(self._pid_file)

    def start(self) -> None:
        """Start the child. Call `end_left_over` first."""
        lock = take_lock(self._pid_file)
        if lock is None:
            raise RuntimeError(f"{self._pid_file}: a child of a former life still runs; end_left_over comes first")
        try:
            with self._log_file.open("ab") as log:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT, "sh", str(self._pid_file), *self._command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        finally:
            os.close(lock)  # the shell and the child hold it now, and with them it goes

    @property
    def alive(self) -> bool:
        return self._shell is not None and self._shell.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's own number (not the shell's); None if it does not run."""
        return read_pid(self._pid_file) if self.alive else None

    def signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the child in peace, then by force."""
        shell, self._shell = self._shell, None
        if shell is None:
            return
        if shell.stdin is not None:
            shell.stdin.close()  # what our death would do
        try:
            shell.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pid = read_pid(self._pid_file)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shell.wait(timeout_s)


def read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text())
    except (OSError, ValueError):
        return None


def take_lock(pid_file: Path) -> int | None:
    """A descriptor that holds the lock beside `pid_file`; None if a running child holds it."""
    descriptor = os.open(pid_file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def end_left_over(pid_file: Path, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """End the process that a former life left behind; gives whether there was one."""
    if _is_free(pid_file):
        pid_file.unlink(missing_ok=True)
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = read_pid(pid_file)  # it may be written only now, if that life ended while starting
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = clock.monotonic_s() + timeout_s
        while not (free := _is_free(pid_file)) and clock.monotonic_s() < deadline:
            time.sleep(0.02)
        if free:
            break
    pid_file.unlink(missing_ok=True)
    return True


def _is_free(pid_file: Path) -> bool:
    lock = take_lock(pid_file)
    if lock is None:
        return False
    os.close(lock)
    return True
