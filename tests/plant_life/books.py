"""The gateway's books as they stand in its database, read with SQL and nothing of the product; and what they were.

`watch` keeps a copy of every closed statement the first time it is seen, as an auditor would.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

Month = tuple[str, str]  # enterprise, month


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger."""

    enterprise: str
    seq: int
    source: str
    day: date
    amount_u: int
    unit: str
    emission_g: int
    energy_gce: int
    coverage_ppm: int
    estimated_ppm: int
    reason: str
    reverses: int | None


@dataclass(frozen=True, slots=True)
class Version:
    """A row of the statements."""

    enterprise: str
    period: str
    version: int
    status: str
    body: str
    hash: str
    signature: str
    predecessor: int | None

    @property
    def said(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(frozen=True, slots=True)
class Rating:
    """A row of the ratings."""

    enterprise: str
    period: str
    version: int
    colour: str
    body: str


class Books:
    """Asks the database that `path` gives at the moment."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self.kept: dict[tuple[str, str, int], Version] = {}  # closed versions as they were first seen
        self.feed: list[tuple[Any, ...]] = []  # changes as they were first seen
        self.hashes: dict[str, list[str]] = {}  # of each chain, by number

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._path())
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def watch(self) -> None:
        """Keep what was closed, told and booked since the last look."""
        for one in self.versions("WHERE status = 'closed'"):
            self.kept.setdefault((one.enterprise, one.period, one.version), one)
        self.feed += self.changes(after=len(self.feed))
        for enterprise, hashes in self.chains().items():
            own = self.hashes.setdefault(enterprise, [])
            own += hashes[len(own) :]

    def changes(self, after: int = 0) -> list[tuple[Any, ...]]:
        """The feed: (seq, kind, enterprise, period, version)."""
        return self.ask("SELECT seq, kind, enterprise, period, version FROM changes WHERE seq > ? ORDER BY seq", after)

    def chains(self) -> dict[str, list[str]]:
        """Hashes of each chain's entries, by number."""
        found: dict[str, list[str]] = {}
        for enterprise, hashed in self.ask("SELECT enterprise, hash FROM ledger_entries ORDER BY enterprise, seq"):
            found.setdefault(enterprise, []).append(hashed)
        return found

    def ratings(self) -> list[Rating]:
        """Of months."""
        rows = self.ask("SELECT enterprise, period, version, colour, body FROM ratings")
        return [Rating(*row) for row in rows if _is_month(row[1])]

    def versions(self, where: str = "") -> list[Version]:
        """Statements of months by enterprise, month and version."""
        rows = self.ask(
            "SELECT enterprise, period, version, status, body, hash, signature, predecessor FROM statements "
            f"{where} ORDER BY enterprise, period, version"
        )
        return [Version(*row) for row in rows if _is_month(row[1])]

    def entries(self) -> list[Entry]:
        """All chains."""
        rows = self.ask(
            "SELECT enterprise, seq, source, day, amount_u, unit, emission_g, energy_gce, coverage_ppm, estimated_ppm, "
            "reason, reverses FROM ledger_entries ORDER BY enterprise, seq"
        )
        return [Entry(*row[:3], date.fromisoformat(row[3]), *row[4:]) for row in rows]

    def standing(self) -> list[Entry]:
        """Entries that nothing takes back."""
        entries = self.entries()
        taken_back = {(one.enterprise, one.reverses) for one in entries if one.reverses is not None}
        return [one for one in entries if one.reverses is None and (one.enterprise, one.seq) not in taken_back]


def _is_month(period: str) -> bool:
    """2026-10, and neither 2026-Q4 nor 2026."""
    return len(period) == 7 and period[5:].isdigit()
