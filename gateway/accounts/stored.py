"""Read queries on booked accounts: statements, ratings, entries, findings, changes.

Queries only; nothing here writes. Lists are read in key order with a limit, so that a page costs the same wherever it
lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Engine, Row, Select, and_, case, func, select
from sqlalchemy.sql.selectable import Subquery

from gateway.accounts.documents import (
    Bilingual,
    EntryDocument,
    FindingDocument,
    SignedStatement,
    StatementDocument,
    entry_document,
    instant,
    statement_from,
)
from gateway.accounts.periods import parse_period
from gateway.accounts.rating_documents import RatingDocument, rating_from
from gateway.registry.model import Enterprise
from gateway.signing import attached
from gateway.store.database import reading
from gateway.store.findings_repository import StoredFinding, stored_finding
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.schema import changes, findings, ledger_entries, ratings, statements

IDS_PER_QUERY = 500  # SQLite and PostgreSQL both take this many values in one IN
ENTRIES_PER_QUERY = 1_000


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the feed: this version of this account is there."""

    seq: int
    kind: str
    enterprise: str
    period: str
    version: int
    at: str


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of an enterprise: local days start <= day < end, maybe of one source."""

    start: date
    end: date
    source: str | None = None


# --- statements and ratings -----------------------------------------------------------------------------------------


def statement_of_period(engine: Engine, enterprise: str, period: str, version: int | None) -> StatementDocument | None:
    """The stored statement of a month, quarter or year: the newest version, or the one asked for."""
    row = _row_of_period(engine, enterprise, period, version)
    return None if row is None else _statement(row)


def signed_statement_of_period(
    engine: Engine, enterprise: str, period: str, version: int | None
) -> SignedStatement | None:
    """A closed version of a statement with its signature; None if that version is not there or not closed."""
    row = _row_of_period(engine, enterprise, period, version)
    if row is None or not row.signature:
        return None
    jws = attached(row.body, row.signature)
    return SignedStatement(enterprise=enterprise, period=period, version=row.version, jws=jws)


def _row_of_period(engine: Engine, enterprise: str, period: str, version: int | None) -> Row[Any] | None:
    """The newest version's row, or that of the version asked for."""
    query = select(statements).where(statements.c.enterprise == enterprise, statements.c.period == period)
    if version is not None:
        query = query.where(statements.c.version == version)
    with reading(engine) as connection:
        return connection.execute(query.order_by(statements.c.version.desc()).limit(1)).one_or_none()


def statements_of_period(engine: Engine, enterprises: Iterable[str], period: str) -> dict[str, StatementDocument]:
    """The newest stored statement of each enterprise that has one."""
    newest = _newest(statements.c.enterprise, statements.c.period, statements.c.version, period)
    query = select(statements).join(
        newest, and_(statements.c.enterprise == newest.c.enterprise, statements.c.version == newest.c.version)
    )
    rows = _of_enterprises(engine, query.where(statements.c.period == period), statements.c.enterprise, enterprises)
    return {row.enterprise: _statement(row) for row in rows}


def statements_of_enterprise(engine: Engine, enterprise: str, months: Sequence[str]) -> dict[str, StatementDocument]:
    """The newest stored statement of each of these months."""
    query = (
        select(statements)
        .where(statements.c.enterprise == enterprise, statements.c.period.in_(months))
        .order_by(statements.c.period, statements.c.version)
    )
    with reading(engine) as connection:
        return {row.period: _statement(row) for row in connection.execute(query)}  # the last version of a month stands


def rating_of_period(engine: Engine, enterprise: str, period: str, version: int | None) -> RatingDocument | None:
    """The stored rating of a month, quarter or year: the newest version, or the one asked for."""
    query = select(ratings.c.body).where(ratings.c.enterprise == enterprise, ratings.c.period == period)
    if version is not None:
        query = query.where(ratings.c.version == version)
    with reading(engine) as connection:
        body = connection.execute(query.order_by(ratings.c.version.desc()).limit(1)).scalar_one_or_none()
    return None if body is None else rating_from(body)


def ratings_of_enterprise(engine: Engine, enterprise: str, periods: Iterable[str]) -> list[RatingDocument]:
    """The newest stored rating of each of these periods that has one, in their order."""
    found = (rating_of_period(engine, enterprise, period, None) for period in periods)
    return [rating for rating in found if rating is not None]


def ratings_of_period(engine: Engine, enterprises: Iterable[str], period: str) -> dict[str, RatingDocument]:
    """The newest stored rating of each enterprise that has one."""
    newest = _newest(ratings.c.enterprise, ratings.c.period, ratings.c.version, period)
    query = select(ratings.c.enterprise, ratings.c.body).join(
        newest, and_(ratings.c.enterprise == newest.c.enterprise, ratings.c.version == newest.c.version)
    )
    rows = _of_enterprises(engine, query.where(ratings.c.period == period), ratings.c.enterprise, enterprises)
    return {row.enterprise: rating_from(row.body) for row in rows}


def months_with_statements(engine: Engine, enterprises: Iterable[str]) -> list[str]:
    """Months for which any of them has a statement, newest first."""
    query = select(statements.c.enterprise, statements.c.period).distinct()
    found = {row.period for row in _of_enterprises(engine, query, statements.c.enterprise, enterprises)}
    return sorted(filter(_is_month, found), reverse=True)


def newest_rated_month(engine: Engine, enterprises: Iterable[str]) -> str | None:
    """The newest month for which any of them has a colour; None where all are grey."""
    query = select(ratings.c.enterprise, ratings.c.period).where(ratings.c.colour != "grey").distinct()
    found = {row.period for row in _of_enterprises(engine, query, ratings.c.enterprise, enterprises)}
    return max(filter(_is_month, found), default=None)


def _is_month(period: str) -> bool:
    return parse_period(period).kind == "month"


def _newest(enterprise: Any, period_of: Any, version: Any, period: str) -> Subquery:
    query = select(enterprise, func.max(version).label("version")).where(period_of == period).group_by(enterprise)
    return query.subquery()


def _of_enterprises(engine: Engine, query: Select[Any], column: Any, enterprises: Iterable[str]) -> list[Row[Any]]:
    wanted = sorted(enterprises)
    rows: list[Row[Any]] = []
    with reading(engine) as connection:
        for first in range(0, len(wanted), IDS_PER_QUERY):
            rows += connection.execute(query.where(column.in_(wanted[first : first + IDS_PER_QUERY]))).all()
    return rows


def _statement(row: Row[Any]) -> StatementDocument:
    """The body as stored, with what only the row knows."""
    return msgspec.structs.replace(
        statement_from(row.body), hash=row.hash, signature=row.signature, predecessor=row.predecessor
    )


# --- entries --------------------------------------------------------------------------------------------------------


def entries_after(
    engine: Engine, enterprise: Enterprise, wanted: EntryFilter, after_seq: int, limit: int
) -> list[EntryDocument]:
    """Entries in the order of the chain, reversals included."""
    ledger = LedgerRepository(engine)
    found: list[EntryDocument] = []
    while len(found) < limit:
        page = ledger.entries(enterprise.id, wanted.start, wanted.end, after_seq, ENTRIES_PER_QUERY)
        found += [entry_document(own, enterprise) for own in page if wanted.source in (None, own.draft.source)]
        if len(page) < ENTRIES_PER_QUERY:
            break
        after_seq = page[-1].seq
    return found[:limit]


def entries_before(
    engine: Engine, enterprise: Enterprise, wanted: EntryFilter, before_seq: int | None, limit: int
) -> list[EntryDocument]:
    """Entries, newest first; reversals included."""
    query = select(ledger_entries.c.seq).where(
        ledger_entries.c.enterprise == enterprise.id,
        ledger_entries.c.day >= wanted.start.isoformat(),
        ledger_entries.c.day < wanted.end.isoformat(),
    )
    if before_seq is not None:
        query = query.where(ledger_entries.c.seq < before_seq)
    with reading(engine) as connection:
        seqs = list(connection.execute(query.order_by(ledger_entries.c.seq.desc()).limit(limit)).scalars())
        ledger = LedgerRepository(connection)
        found = [ledger.entry(enterprise.id, seq) for seq in seqs]
    return [entry_document(entry, enterprise) for entry in found if entry is not None]


def daily_sums(engine: Engine, enterprise: str, start: date, end: date) -> list[tuple[str, int, int]]:
    """(day, scope, grams CO2e) of the entries that stand: a reversal takes its entry back by its sign."""
    query = (
        select(ledger_entries.c.day, ledger_entries.c.scope, func.sum(ledger_entries.c.emission_g))
        .where(
            ledger_entries.c.enterprise == enterprise,
            ledger_entries.c.day >= start.isoformat(),
            ledger_entries.c.day < end.isoformat(),
        )
        .group_by(ledger_entries.c.day, ledger_entries.c.scope)
        .order_by(ledger_entries.c.day, ledger_entries.c.scope)
    )
    with reading(engine) as connection:
        return [(day, scope, int(grams)) for day, scope, grams in connection.execute(query)]


def booked_days(engine: Engine, enterprise: str, start: date, end: date) -> dict[str, list[str]]:
    """Source -> its days that have an entry which stands, in order."""
    standing = func.sum(case((ledger_entries.c.reverses.is_(None), 1), else_=-1))
    query = (
        select(ledger_entries.c.source, ledger_entries.c.day)
        .where(
            ledger_entries.c.enterprise == enterprise,
            ledger_entries.c.day >= start.isoformat(),
            ledger_entries.c.day < end.isoformat(),
        )
        .group_by(ledger_entries.c.source, ledger_entries.c.day)
        .having(standing > 0)
        .order_by(ledger_entries.c.source, ledger_entries.c.day)
    )
    found: dict[str, list[str]] = {}
    with reading(engine) as connection:
        for source, day in connection.execute(query):
            found.setdefault(source, []).append(day)
    return found


# --- findings and changes -------------------------------------------------------------------------------------------


def findings_after(
    engine: Engine, enterprise: str, window_ms: tuple[int, int] | None, status: str | None, after_id: int, limit: int
) -> list[FindingDocument]:
    """Findings in the order they were first made."""
    query = select(findings).where(findings.c.enterprise == enterprise, findings.c.id > after_id)
    if window_ms is not None:
        query = query.where(findings.c.at_ms >= window_ms[0], findings.c.at_ms < window_ms[1])
    if status is not None:
        query = query.where(findings.c.status == status)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(findings.c.id).limit(limit))
        return [finding_document(stored_finding(row)) for row in rows]


def newest_findings(
    engine: Engine, enterprise: str, window_ms: tuple[int, int] | None, limit: int
) -> list[FindingDocument]:
    """Open and acknowledged findings, the open ones first, each newest first."""
    query = select(findings).where(findings.c.enterprise == enterprise, findings.c.status != "resolved")
    if window_ms is not None:
        query = query.where(findings.c.at_ms >= window_ms[0], findings.c.at_ms < window_ms[1])
    with reading(engine) as connection:
        rows = connection.execute(
            query.order_by(findings.c.status.desc(), findings.c.at_ms.desc(), findings.c.id.desc()).limit(limit)
        )
        return [finding_document(stored_finding(row)) for row in rows]


def open_findings_by_subject(engine: Engine, enterprise: str) -> dict[str, int]:
    """How many findings are open about each point, source or device."""
    query = (
        select(findings.c.subject, func.count())
        .where(findings.c.enterprise == enterprise, findings.c.status == "open")
        .group_by(findings.c.subject)
    )
    with reading(engine) as connection:
        return {subject: int(count) for subject, count in connection.execute(query)}


def finding_document(stored: StoredFinding) -> FindingDocument:
    """A finding as it is served."""
    own = stored.finding
    return FindingDocument(
        id=stored.id,
        enterprise=own.enterprise,
        name=own.name,
        subject=own.subject,
        at=instant(own.at_ms),
        severity=own.severity,
        status=stored.status,
        values=own.values,
        text=Bilingual(zh=own.zh, en=own.en),
        first_seen=instant(stored.first_seen_ms),
        resolved_at=None if stored.resolved_at_ms is None else instant(stored.resolved_at_ms),
        acknowledged_at=None if stored.acknowledged_at_ms is None else instant(stored.acknowledged_at_ms),
        acknowledged_by=stored.acknowledged_by,
        acknowledged_why=stored.acknowledged_why,
    )


def changes_after(engine: Engine, enterprises: set[str] | None, after_seq: int, limit: int) -> list[ChangeDocument]:
    """The feed in order; `enterprises` None = everyone's. Reads on until the page is full or the feed ends."""
    found: list[ChangeDocument] = []
    with reading(engine) as connection:
        while len(found) < limit:
            rows = connection.execute(
                select(changes).where(changes.c.seq > after_seq).order_by(changes.c.seq).limit(limit)
            ).all()
            found += [_change(row) for row in rows if enterprises is None or row.enterprise in enterprises]
            if len(rows) < limit:
                break
            after_seq = rows[-1].seq
    return found[:limit]


def _change(row: Row[Any]) -> ChangeDocument:
    return ChangeDocument(
        seq=row.seq,
        kind=row.kind,
        enterprise=row.enterprise,
        period=row.period,
        version=row.version,
        at=instant(row.at_ms),
    )
