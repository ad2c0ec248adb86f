"""Who may work on which enterprises' accounts: one process on all of them, or several on what each has claimed.

The pipeline, closing, retention and rebuilds say what they want to work on and hand in the work; who gives the turns
calls it with enterprises that are nobody else's until it returns. `Alone` is for SQLite and DuckDB, which one process
owns anyway; `gateway.scheduler.sharing` is for several processes on PostgreSQL and InfluxDB.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sqlalchemy import Engine

from gateway.registry.model import Enterprise
from gateway.store.database import alone
from gateway.store.dirty_log import DirtyHoursOf


@dataclass(frozen=True, slots=True)
class Part:
    """Enterprises that are this process's alone while it works on them."""

    names: frozenset[str] | None = None  # None = all there are
    hours: DirtyHoursOf | None = None  # their dirty hours; None = those of all

    def has(self, enterprise: str) -> bool:
        return self.names is None or enterprise in self.names

    def of(self, every: dict[str, Enterprise]) -> dict[str, Enterprise]:
        """This part's enterprises, of all that are registered."""
        if self.names is None:
            return every
        return {name: every[name] for name in sorted(self.names) if name in every}


EVERYONE = Part()


class Turns(Protocol):
    """Gives out enterprises to work on."""

    @property
    def is_shared(self) -> bool:
        """May others work on other enterprises meanwhile?"""

    def begin(self) -> AbstractContextManager[None]:
        """Around everything below; where one process has all enterprises, others wait here."""

    def due(self, before: date, work: Callable[[Part], bool]) -> None:
        """Let work be done on all that have anything due and that nobody else works on, until it gives False.

        Due are dirty hours, marked days before a day, and quarters or years.
        """

    def each(self, enterprises: Collection[str], work: Callable[[Part], object]) -> None:
        """Let work be done on all of these, waiting for those that others work on."""

    def note_prepared(self, registry_version: int, failed: Mapping[str, str]) -> None:
        """Say that what a version of the registry changed is worked in, but for those who failed, with the reason."""

    def prepared(self) -> tuple[int, dict[str, str]]:
        """What was noted last."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One process at a time on this database, and on all enterprises."""

    engine: Engine

    @property
    def is_shared(self) -> bool:
        return False

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Wait for whoever works, then let others wait."""
        with alone(self.engine):
            yield

    def due(self, before: date, work: Callable[[Part], bool]) -> None:
        """All at once; what is due the work finds itself."""
        work(EVERYONE)

    def each(self, enterprises: Collection[str], work: Callable[[Part], object]) -> None:
        """All at once."""
        work(EVERYONE)

    def note_prepared(self, registry_version: int, failed: Mapping[str, str]) -> None:
        """Nobody needs to know."""

    def prepared(self) -> tuple[int, dict[str, str]]:
        """Nobody else prepares anything."""
        return 0, {}
