"""The thread that stores groups, one at a time, while another reads and answers.

A commit waits for two disks and spends most of its time in the engines, which need no interpreter: in that time the
next group is read (docs/decisions/0021-commit-beside-reading.md has the figures). Only whole groups change hands, so
the two threads meet a few times a second and not at every message.

What stays true: what was begun has one outcome, which is taken once; nothing else is begun before. What the thread
raises, a programmer's error too, is an outcome. A file number becomes readable when there is one.
Limits: one group. `held_s` says for how long it has been under way.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from collectors.clock import monotonic_s

Work = TypeVar("Work")
Result = TypeVar("Result")


class Committer(Generic[Work, Result]):
    """Used by one thread, beside its own."""

    def __init__(self, store: Callable[[Work], Result]) -> None:
        self._store = store
        self._given: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._outcome: Result | BaseException | None = None
        self._began_s: float | None = None  # None: nothing is under way
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="ingest-commit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def fileno(self) -> int:
        """Readable once there is an outcome."""
        return self._ours.fileno()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    @property
    def busy(self) -> bool:
        """Whether something was begun whose outcome is not taken yet."""
        return self._began_s is not None

    def held_s(self) -> float:
        """For how long the work under way has been; 0 = nothing is."""
        began_s = self._began_s
        return 0.0 if began_s is None else monotonic_s() - began_s

    def begin(self, work: Work) -> None:
        if self.busy:
            raise AssertionError("a group is under way already: take its outcome first")
        self._began_s = monotonic_s()
        self._given.put(work)

    def outcome(self) -> Result | BaseException | None:
        """What came of it, once; None = it is not there yet."""
        with contextlib.suppress(BlockingIOError):
            if self._ours.recv(1):
                outcome, self._outcome = self._outcome, None
                self._began_s = None
                return outcome
        return None

    def end(self) -> None:
        """Begin nothing more; what is under way ends by itself, and nobody hears of it."""
        self._given.put(None)
        self._ours.close()

    def _run(self) -> None:
        try:
            while (work := self._given.get()) is not None:
                try:
                    self._outcome = self._store(work)
                except BaseException as error:
                    self._outcome = error
                with contextlib.suppress(OSError):  # nobody listens any more
                    self._theirs.send(b"!")
        finally:
            self._theirs.close()
