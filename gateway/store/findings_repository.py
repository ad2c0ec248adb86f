"""Findings: what is odd in the data, since when, and whether it still is.

What stays true: a finding is known by (enterprise, name, subject, at_ms) and keeps its id and the time it was first
seen for good, also when it is resolved and comes back. Computing the same again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from gateway.carbon.model import Finding
from gateway.store.canonical_json import canonical
from gateway.store.database import Bind, reading, take_turns, writing
from gateway.store.schema import findings as table

Status = Literal["open", "acknowledged", "resolved"]

VALUES_PER_QUERY = 500  # SQLite and PostgreSQL both take this many values in one IN

_Key = tuple[str, str, str, int]  # enterprise, subject, name, at_ms
Stretches = dict[tuple[str, str], list[tuple[int, int]]]  # (enterprise, subject) -> start_ms <= at_ms < end_ms

_SHOWN = ("severity", "values", "zh", "en")  # what a recomputed finding may say anew


@dataclass(frozen=True, slots=True)
class Judged:
    """A subject that was judged anew in start_ms <= at_ms < end_ms."""

    enterprise: str
    subject: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding with its history."""

    id: int
    finding: Finding
    status: Status
    first_seen_ms: int
    resolved_at_ms: int | None


class FindingsRepository:
    """Findings in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def replace(
        self,
        enterprise: str,
        subject: str,
        start_ms: int,
        end_ms: int,
        found: Iterable[Finding],
        now_ms: int,
        *,
        prefixes: Sequence[str] = (),
    ) -> None:
        """Make `found` the findings about a subject in start_ms <= at_ms < end_ms; see `replace_all`."""
        self.replace_all([Judged(enterprise, subject, start_ms, end_ms)], found, now_ms, prefixes=prefixes)

    def replace_all(
        self, judged: Sequence[Judged], found: Iterable[Finding], now_ms: int, *, prefixes: Sequence[str] = ()
    ) -> None:
        """Make `found` the findings about what was judged: all subjects in one go.

        What stood there and is not found again is resolved; what is found again is open, with its old first_seen.
        `prefixes` narrows this to the names beginning with one of them, for a step that judges only those. Raises
        ValueError for a finding outside of what is replaced.
        """
        stretches = _by_subject(judged)
        fresh = {_key(finding): finding for finding in found}
        for finding in fresh.values():
            _check_inside(finding, stretches, prefixes)
        with writing(self._bind) as connection:
            take_turns(connection, table)
            stood = _standing(connection, stretches, prefixes)
            gone = [row.id for key, row in stood.items() if key not in fresh and row.status != "resolved"]
            for first in range(0, len(gone), VALUES_PER_QUERY):
                ids = gone[first : first + VALUES_PER_QUERY]
                connection.execute(
                    update(table).where(table.c.id.in_(ids)).values(status="resolved", resolved_at_ms=now_ms)
                )
            new = [_row(finding, now_ms) for key, finding in fresh.items() if key not in stood]
            if new:
                connection.execute(table.insert(), new)
            for key, finding in fresh.items():
                changed = _changed(stood[key], finding) if key in stood else {}
                if changed:
                    connection.execute(update(table).where(table.c.id == stood[key].id).values(changed))

    def open_count(self, enterprise: str, start_ms: int, end_ms: int) -> int:
        """Findings that are open in start_ms <= at_ms < end_ms."""
        query = select(func.count()).where(
            table.c.enterprise == enterprise,
            table.c.status == "open",
            table.c.at_ms >= start_ms,
            table.c.at_ms < end_ms,
        )
        with reading(self._bind) as connection:
            return int(connection.execute(query).scalar_one())

    def open_counts(self, enterprises: Sequence[str], start_ms: int, end_ms: int) -> dict[str, int]:
        """Findings that are open in start_ms <= at_ms < end_ms, of those enterprises that have any."""
        query = (
            select(table.c.enterprise, func.count())
            .where(table.c.status == "open", table.c.at_ms >= start_ms, table.c.at_ms < end_ms)
            .group_by(table.c.enterprise)
        )
        found: dict[str, int] = {}
        with reading(self._bind) as connection:
            for first in range(0, len(enterprises), VALUES_PER_QUERY):
                among = query.where(table.c.enterprise.in_(enterprises[first : first + VALUES_PER_QUERY]))
                found |= {enterprise: int(count) for enterprise, count in connection.execute(among)}
        return found

    def page(
        self,
        enterprise: str,
        limit: int,
        after: int = 0,
        *,
        status: Status | None = None,
        prefixes: Sequence[str] = (),
    ) -> list[StoredFinding]:
        """Findings with an id above `after`, in the order they were first seen."""
        query = select(table).where(table.c.enterprise == enterprise, table.c.id > after, *_named(prefixes))
        if status is not None:
            query = query.where(table.c.status == status)
        with reading(self._bind) as connection:
            return [_stored(row) for row in connection.execute(query.order_by(table.c.id).limit(limit))]


def _named(prefixes: Sequence[str]) -> list[ColumnElement[bool]]:
    return [or_(*(table.c.name.startswith(prefix, autoescape=True) for prefix in prefixes))] if prefixes else []


def _by_subject(judged: Iterable[Judged]) -> Stretches:
    stretches: Stretches = {}
    for one in judged:
        stretches.setdefault((one.enterprise, one.subject), []).append((one.start_ms, one.end_ms))
    return stretches


def _inside(stretches: Stretches, enterprise: str, subject: str, at_ms: int) -> bool:
    own = stretches.get((enterprise, subject), ())
    return any(start_ms <= at_ms < end_ms for start_ms, end_ms in own)


def _check_inside(finding: Finding, stretches: Stretches, prefixes: Sequence[str]) -> None:
    named = not prefixes or finding.name.startswith(tuple(prefixes))
    if not (named and _inside(stretches, finding.enterprise, finding.subject, finding.at_ms)):
        raise ValueError(f"{finding} is outside of what is replaced, or not named {prefixes}")


def _standing(connection: Connection, stretches: Stretches, prefixes: Sequence[str]) -> dict[_Key, Row[Any]]:
    """What stands about the judged subjects, whatever its status."""
    if not stretches:
        return {}
    enterprises = sorted({enterprise for enterprise, _ in stretches})
    subjects = {subject for _, subject in stretches}
    bounds = [stretch for own in stretches.values() for stretch in own]
    query = select(table).where(
        table.c.at_ms >= min(start_ms for start_ms, _ in bounds),
        table.c.at_ms < max(end_ms for _, end_ms in bounds),
        *_named(prefixes),
    )
    if len(subjects) <= VALUES_PER_QUERY:
        query = query.where(table.c.subject.in_(sorted(subjects)))
    found: dict[_Key, Row[Any]] = {}
    for first in range(0, len(enterprises), VALUES_PER_QUERY):
        among = query.where(table.c.enterprise.in_(enterprises[first : first + VALUES_PER_QUERY]))
        for row in connection.execute(among):
            if _inside(stretches, row.enterprise, row.subject, row.at_ms):
                found[row.enterprise, row.subject, row.name, row.at_ms] = row
    return found


def _key(finding: Finding) -> _Key:
    return finding.enterprise, finding.subject, finding.name, finding.at_ms


def _row(finding: Finding, now_ms: int) -> dict[str, Any]:
    return {
        "enterprise": finding.enterprise,
        "name": finding.name,
        "subject": finding.subject,
        "at_ms": finding.at_ms,
        "severity": finding.severity,
        "values": canonical(finding.values),
        "zh": finding.zh,
        "en": finding.en,
        "status": "open",
        "first_seen_ms": now_ms,
        "resolved_at_ms": None,
    }


def _changed(row: Row[Any], finding: Finding) -> dict[str, Any]:
    """The columns that a finding which is found again sets anew; an acknowledged one stays acknowledged."""
    fresh = _row(finding, 0)
    changed = {name: fresh[name] for name in _SHOWN if fresh[name] != row._mapping[name]}
    if row.status == "resolved":
        changed |= {"status": "open", "resolved_at_ms": None}
    return changed


def _stored(row: Row[Any]) -> StoredFinding:
    finding = Finding(
        name=row.name,
        enterprise=row.enterprise,
        subject=row.subject,
        at_ms=row.at_ms,
        severity=row.severity,
        values=json.loads(row._mapping["values"]),
        zh=row.zh,
        en=row.en,
    )
    return StoredFinding(row.id, finding, row.status, row.first_seen_ms, row.resolved_at_ms)
