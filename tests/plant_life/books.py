"""The gateway's books as they stand in its database, read with SQL and nothing of the product; and what they were.

`watch` keeps a copy of every closed statement the first time it is seen, as an auditor would. The database may be
SQLite or PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text

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

    @property
    def by_source(self) -> dict[str, list[int]]:
        """Source -> millionths, grams and grams of coal."""
        factors = {"amount": 1_000_000, "emission_kg": 1000, "energy_kgce": 1000}
        return {
            line["source"]: [round(line[name] * factor) for name, factor in factors.items()]
            for line in self.said["by_source"]
        }


@dataclass(frozen=True, slots=True)
class Rating:
    """A row of the ratings."""

    enterprise: str
    period: str
    version: int
    colour: str
    body: str


class Books:
    """Asks the database whose address `url` gives at the moment."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self.kept: dict[tuple[str, str, int], Version] = {}  # closed versions as they were first seen
        self.feed: list[tuple[Any, ...]] = []  # changes as they were first seen
        self.hashes: dict[str, list[str]] = {}  # of each chain, by number

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with _engine(self._url()).connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def watch(self) -> None:
        """Keep what was closed, told and booked since the last look."""
        for one in self.statements("WHERE status = 'closed'"):
            self.kept.setdefault((one.enterprise, one.period, one.version), one)
        self.feed += self.changes(after=len(self.feed))
        for enterprise, hashes in self.chains().items():
            own = self.hashes.setdefault(enterprise, [])
            own += hashes[len(own) :]

    def changes(self, after: int = 0) -> list[tuple[Any, ...]]:
        """The feed: (seq, kind, enterprise, period, version)."""
        query = "SELECT seq, kind, enterprise, period, version FROM changes WHERE seq > :after ORDER BY seq"
        return self.ask(query, after=after)

    def chains(self) -> dict[str, list[str]]:
        """Hashes of each chain's entries, by number."""
        found: dict[str, list[str]] = {}
        for enterprise, hashed in self.ask("SELECT enterprise, hash FROM ledger_entries ORDER BY enterprise, seq"):
            found.setdefault(enterprise, []).append(hashed)
        return found

    def ratings(self) -> list[Rating]:
        """Of months, quarters and years."""
        return [Rating(*row) for row in self.ask("SELECT enterprise, period, version, colour, body FROM ratings")]

    def statements(self, where: str = "") -> list[Version]:
        """All statements by enterprise, period and version."""
        rows = self.ask(
            "SELECT enterprise, period, version, status, body, hash, signature, predecessor FROM statements "
            f"{where} ORDER BY enterprise, period, version"
        )
        return [Version(*row) for row in rows]

    def versions(self, where: str = "") -> list[Version]:
        """Statements of months."""
        return [one for one in self.statements(where) if _is_month(one.period)]

    def sums(self) -> list[Version]:
        """Statements of quarters and years."""
        return [one for one in self.statements() if not _is_month(one.period)]

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


@cache
def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def _is_month(period: str) -> bool:
    """2026-10, and neither 2026-Q4 nor 2026."""
    return len(period) == 7 and period[5:].isdigit()
