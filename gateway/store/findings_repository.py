"""Findings: what is odd in the data, since when, and whether it still is.

What stays true: a finding is known by (enterprise, name, subject, at_ms) and keeps its id and the time it was first
seen for good, also when it is resolved and comes back. Computing the same again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, func, or_, select, update

from gateway.carbon.model import Finding
from gateway.store.canonical_json import canonical
from gateway.store.database import Bind, reading, take_turns, writing
from gateway.store.schema import findings as table

Status = Literal["open", "acknowledged", "resolved"]

_SHOWN = ("severity", "values", "zh", "en")  # what a recomputed finding may say anew


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
        """Make `found` the findings about a subject in start_ms <= at_ms < end_ms.

        What stood there and is not found again is resolved; what is found again is open, with its old first_seen.
        `prefixes` narrows this to the names beginning with one of them, for a step that judges only those. Raises
        ValueError for a finding outside of what is replaced.
        """
        fresh = {(finding.name, finding.at_ms): finding for finding in found}
        for finding in fresh.values():
            _check_inside(finding, enterprise, subject, start_ms, end_ms, prefixes)
        query = select(table).where(
            table.c.enterprise == enterprise,
            table.c.subject == subject,
            table.c.at_ms >= start_ms,
            table.c.at_ms < end_ms,
            *_named(prefixes),
        )
        with writing(self._bind) as connection:
            take_turns(connection, table)
            stood = {(row.name, row.at_ms): row for row in connection.execute(query)}
            gone = [row.id for key, row in stood.items() if key not in fresh and row.status != "resolved"]
            if gone:
                closing = update(table).where(table.c.id.in_(gone)).values(status="resolved", resolved_at_ms=now_ms)
                connection.execute(closing)
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


def _check_inside(
    finding: Finding, enterprise: str, subject: str, start_ms: int, end_ms: int, prefixes: Sequence[str]
) -> None:
    same = (finding.enterprise, finding.subject) == (enterprise, subject)
    named = not prefixes or finding.name.startswith(tuple(prefixes))
    if not (same and named and start_ms <= finding.at_ms < end_ms):
        raise ValueError(f"{finding} is outside of {enterprise} {subject} {start_ms}..{end_ms} {prefixes}")


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
