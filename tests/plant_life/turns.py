"""Two pieces of work side by side, in threads of which one runs at a time; who goes on where is drawn from the seed.

`breathe` is called at places where the one that runs may be paused, and there the other one has its turn. A lock that
the paused one holds is waited for by giving turns back, so nothing ever really waits.
"""

from __future__ import annotations

import fcntl
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import IO
from unittest.mock import patch

from sqlalchemy import Connection, Engine, event

PATIENCE_S = 120  # of real time, for the other's turn: beyond it the two wait for each other
LONGEST_LEAD = 120  # places that the first passes, at most, before the second begins
SWITCH = 0.15  # chance to be paused at each place from then on


class Turns:
    """Whose turn it is."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._mine = {False: threading.Semaphore(0), True: threading.Semaphore(0)}
        self._at_work: dict[int, bool] = {}  # thread -> which of the two it is
        self._done = {False: False, True: False}
        self._failures: list[BaseException] = []
        self._lead = rng.randrange(1, LONGEST_LEAD)  # places that the first has still to itself
        self.switches = 0

    def run(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Both until they are done; raises what one of them raised."""
        threads = [threading.Thread(target=self._work, args=pair) for pair in ((False, first), (True, second))]
        for thread in threads:
            thread.start()
        self._mine[False].release()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def breathe(self) -> None:
        """Perhaps the other one goes on from here."""
        if threading.get_ident() not in self._at_work:
            return
        self._lead -= 1
        if self._lead == 0 or (self._lead < 0 and self._rng.random() < SWITCH):
            self.give_way()

    def give_way(self) -> None:
        """The other one goes on, until it gives way or is done."""
        me = self._at_work[threading.get_ident()]
        if not self._done[not me]:
            self.switches += 1
            self._mine[not me].release()
            self._wait(me)

    def _work(self, me: bool, work: Callable[[], None]) -> None:
        self._at_work[threading.get_ident()] = me
        try:
            self._wait(me)
            work()
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            self._done[me] = True
            self._mine[not me].release()

    def _wait(self, me: bool) -> None:
        if not self._mine[me].acquire(timeout=PATIENCE_S):
            raise AssertionError("the other one neither gives way nor ends: the two wait for each other")

    @contextmanager
    def locks_of_files(self) -> Iterator[None]:
        """Within it who finds a file locked gives way until it is not."""

        def flock(file: IO[str], how: int) -> None:
            while True:
                try:
                    fcntl.flock(file, how | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.give_way()
                else:
                    return

        with patch("gateway.store.database.fcntl", SimpleNamespace(flock=flock, LOCK_EX=fcntl.LOCK_EX)):
            yield

    @contextmanager
    def locks_of_postgresql(self, engine: Engine, waits: Callable[[object], None]) -> Iterator[None]:
        """The same for the advisory lock of a session; `waits` is told which connection asks for it."""

        def ask(
            connection: Connection, cursor: object, statement: str, parameters: object, *_: object
        ) -> tuple[str, object]:
            if "pg_advisory_lock(" not in statement:
                return statement, parameters
            waits(connection.connection.dbapi_connection)
            tried = statement.replace("pg_advisory_lock", "pg_try_advisory_lock")
            while not cursor.execute(tried, parameters).fetchone()[0]:  # type: ignore[attr-defined]
                self.give_way()
            return "SELECT 1", {}

        event.listen(engine, "before_cursor_execute", ask, retval=True)
        yield
        event.remove(engine, "before_cursor_execute", ask)
