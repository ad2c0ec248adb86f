"""Books checked by several processes at once, their reports in the order that was asked for.

Each worker is `python -m gateway.scheduler.book_workers`: it is told on its first line of standard input which database
and data directory, then a line of names at a time, and answers each line with the reports. So the answers come in the
same order whatever worker is the faster one, memory is that of a few enterprises in each, and a worker whose parent is
gone, however it went, reads the end of its input and ends too. Workers are nice: a server beside them comes first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import BinaryIO

import msgspec

from collectors.errors import StoreUnavailable
from gateway.scheduler.book_checks import BookChecks, BookReport, Span
from gateway.signing import Signer
from gateway.store.database import open_migrated
from gateway.store.evidence_store import EvidenceStore

MAX_WORKERS = 8  # more than this many chains at once is more than most disks like
NAMES_PER_LINE = 8
LINES_AHEAD = 2  # asked of each worker before its answer is waited for
FEW_ENTRIES = 50_000  # with fewer than these in all the start of a process takes longer than the work
NICE = 10


class Books(msgspec.Struct, frozen=True):
    """Which books, and of which days their statements and evidence are looked at."""

    database_url: str
    data_path: str
    first: date
    end: date


def processors() -> int:
    """How many processes this machine can do at once, as far as this one may."""
    return min(len(os.sched_getaffinity(0)), MAX_WORKERS)


def reports_of(books: Books, names: Sequence[str], workers: int) -> Iterator[BookReport]:
    """The reports of these enterprises, in their order."""
    lines = [names[first : first + NAMES_PER_LINE] for first in range(0, len(names), NAMES_PER_LINE)]
    with ExitStack() as running:
        crew = [running.enter_context(_Worker(books)) for _ in range(min(workers, len(lines)))]
        asked: deque[_Worker] = deque()
        for number, line in enumerate(lines):
            worker = crew[number % len(crew)]
            worker.ask(line)
            asked.append(worker)
            if len(asked) == LINES_AHEAD * len(crew):
                yield from asked.popleft().answer()
        while asked:
            yield from asked.popleft().answer()


class _Worker:
    """One process."""

    def __init__(self, books: Books) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.scheduler.book_workers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send(books)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()  # it changes nothing, so nothing is left half done
        self._process.communicate()

    def ask(self, names: Sequence[str]) -> None:
        self._send(list(names))

    def answer(self) -> list[BookReport]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise StoreUnavailable(
                f"a process of the verification ended early (exit {self._process.wait()}); the log says why. "
                "Try again, with --workers 1 if memory is short"
            )
        return _reports(line)

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `answer` says that it ended


_books = msgspec.json.Decoder(Books).decode
_names = msgspec.json.Decoder(list[str]).decode
_reports = msgspec.json.Decoder(list[BookReport]).decode


def work(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nothing more is asked."""
    books = _books(asked.readline())
    engine, path = open_migrated(books.database_url), Path(books.data_path)
    checks = BookChecks.of(engine, Signer.of(path), EvidenceStore(engine, path / "evidence"))
    span: Span = books.first, books.end
    for line in asked:
        answers.write(msgspec.json.encode([checks.report(name, span) for name in _names(line)]) + b"\n")
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which then ends this one
    os.nice(NICE)
    work(sys.stdin.buffer, sys.stdout.buffer)
