"""Findings: what is odd in the data, since when, whether it still is, and who took note of it and why.

What stays true: a finding is known by (enterprise, name, subject, at_ms) and keeps its id and the time it was first
seen for good, also when it is resolved and comes back. Computing the same again changes nothing: what was acknowledged
stays so while its values are the same, and is open again once they are not. Decisions are kept; they only grow.
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
from gateway.store.schema import finding_decisions as decisions
from gateway.store.schema import findings as table

Status = Literal["open", "acknowledged", "resolved"]

VALUES_PER_QUERY = 500  # SQLite and PostgreSQL both take this many values in one IN

About = tuple[str, str, int]  # enterprise, subject, at_ms
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
    acknowledged_at_ms: int | None = None
    acknowledged_by: str = ""
    acknowledged_why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about a finding."""

    at_ms: int
    status: Status  # what it became
    by: str
    why: str


BY_DATA = "data"  # in place of a person: the finding's values became others
VALUES_CHANGED = "its values are others than those that were acknowledged"


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
    ) -> set[About]:
        """Make `found` the findings about what was judged: all subjects in one go; gives about what any is another now.

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
            gone = [key for key, row in stood.items() if key not in fresh and row.status != "resolved"]
            for first in range(0, len(gone), VALUES_PER_QUERY):
                ids = [stood[key].id for key in gone[first : first + VALUES_PER_QUERY]]
                connection.execute(
                    update(table).where(table.c.id.in_(ids)).values(status="resolved", resolved_at_ms=now_ms)
                )
            new = [_row(finding, now_ms) for key, finding in fresh.items() if key not in stood]
            if new:
                connection.execute(table.insert(), new)
            differing = {
                (enterprise, subject, at_ms) for enterprise, subject, _, at_ms in [*gone, *(fresh.keys() - stood)]
            }
            for key, finding in fresh.items():
                changed = _changed(stood[key], finding) if key in stood else {}
                if changed:
                    connection.execute(update(table).where(table.c.id == stood[key].id).values(changed))
                    differing.add((finding.enterprise, finding.subject, finding.at_ms))
                if changed.get("acknowledged_at_ms", 0) is None:
                    _note(connection, stood[key].id, Decision(now_ms, "open", BY_DATA, VALUES_CHANGED))
        return differing

    def decide(self, enterprise: str, finding_id: int, decision: Decision) -> StoredFinding | None:
        """Acknowledge or reopen a finding; None if the enterprise has no such one, or if it is resolved.

        Deciding what stands already is noted too: a second reason does not replace the first.
        """
        acknowledged = decision.status == "acknowledged"
        values = {
            "status": decision.status,
            "acknowledged_at_ms": decision.at_ms if acknowledged else None,
            "acknowledged_by": decision.by if acknowledged else "",
            "acknowledged_why": decision.why if acknowledged else "",
        }
        wanted = (table.c.enterprise == enterprise) & (table.c.id == finding_id) & (table.c.status != "resolved")
        with writing(self._bind) as connection:
            take_turns(connection, table)
            if not connection.execute(update(table).where(wanted).values(values)).rowcount:
                return None
            _note(connection, finding_id, decision)
        return self.get(enterprise, finding_id)

    def get(self, enterprise: str, finding_id: int) -> StoredFinding | None:
        """A finding of an enterprise by its id."""
        query = select(table).where(table.c.enterprise == enterprise, table.c.id == finding_id)
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else stored_finding(row)

    def decisions(self, finding_id: int) -> list[Decision]:
        """All that was decided about a finding, oldest first."""
        query = select(decisions).where(decisions.c.finding_id == finding_id).order_by(decisions.c.number)
        with reading(self._bind) as connection:
            return [Decision(row.at_ms, row.status, row.by, row.why) for row in connection.execute(query)]

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
            return [stored_finding(row) for row in connection.execute(query.order_by(table.c.id).limit(limit))]


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
    """The columns that a finding which is found again sets anew.

    An acknowledged one stays so, and is so again when it comes back, unless its values are others.
    """
    fresh = _row(finding, 0)
    changed = {name: fresh[name] for name in _SHOWN if fresh[name] != row._mapping[name]}
    if row.acknowledged_at_ms is not None and "values" in changed:
        changed |= _UNACKNOWLEDGED
    if row.status == "resolved":
        stays = row.acknowledged_at_ms is not None and "values" not in changed
        changed |= {"status": "acknowledged" if stays else "open", "resolved_at_ms": None}
    return changed


_UNACKNOWLEDGED = {"status": "open", "acknowledged_at_ms": None, "acknowledged_by": "", "acknowledged_why": ""}


def _note(connection: Connection, finding_id: int, decision: Decision) -> None:
    """Add to what was decided; the caller holds the turn, so numbers have no gaps."""
    count = select(func.count()).where(decisions.c.finding_id == finding_id)
    row = {
        "finding_id": finding_id,
        "number": int(connection.execute(count).scalar_one()) + 1,
        "at_ms": decision.at_ms,
        "status": decision.status,
        "by": decision.by,
        "why": decision.why,
    }
    connection.execute(decisions.insert(), row)


def stored_finding(row: Row[Any]) -> StoredFinding:
    """A row of the table."""
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
    return StoredFinding(
        row.id,
        finding,
        row.status,
        row.first_seen_ms,
        row.resolved_at_ms,
        row.acknowledged_at_ms,
        row.acknowledged_by,
        row.acknowledged_why,
    )
