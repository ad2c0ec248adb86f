"""What is stored of many enterprises' months, read together: entries, findings, outputs, statements and ratings.

A database answers one question about a hundred enterprises nearly as fast as one about a single enterprise. What
stays true: everything is read through one connection, so inside one transaction it is of one instant. Limit: all of it
is in memory; who asks bounds how many months it asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from gateway.accounts.documents import statement_from
from gateway.accounts.output import Amount, outputs_of
from gateway.accounts.periods import Period
from gateway.carbon.calendar import day_start_ms
from gateway.carbon.model import Entry
from gateway.registry.model import Registry
from gateway.scheduler.days import first_open_day, month_days
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.statements_repository import StatementsRepository, StoredRating, StoredStatement

EnterpriseMonth = tuple[str, str]  # enterprise, month


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """One enterprise's month as it is stored now."""

    entries: Sequence[Entry]  # that stand
    last_seq: int  # of the enterprise's chain; 0 = it has none
    days: int  # of the month that have ended
    findings_open: int
    outputs: dict[tuple[str, str], Amount]  # of the ended days
    newest: StoredStatement | None
    rating: StoredRating | None  # of the newest version
    begun: bool  # the enterprise has a statement of this month or an earlier one
    predecessor: StoredStatement | None  # the closed version that the next one to be written corrects
    reasons: Mapping[str, Collection[str]]  # by source, of the month's entries since the predecessor


@dataclass(frozen=True, slots=True)
class _Group:
    """Enterprises that ask for the same month in the same zone."""

    month: str
    timezone: str
    enterprises: list[str]


def facts_of(
    connection: Connection, registry: Registry, wanted: Sequence[EnterpriseMonth], now_ms: int, settle_s: float
) -> dict[EnterpriseMonth, MonthFacts]:
    """The facts of these months: about seven queries for each distinct month and zone, and one per chain."""
    groups: dict[tuple[str, str], _Group] = {}
    for enterprise, month in wanted:
        timezone = registry.park_of(enterprise).timezone
        groups.setdefault((month, timezone), _Group(month, timezone, [])).enterprises.append(enterprise)
    heads = LedgerRepository(connection).last_seqs({enterprise for enterprise, _ in wanted})
    facts: dict[EnterpriseMonth, MonthFacts] = {}
    for group in groups.values():
        facts |= _facts_of_group(connection, group, heads, first_open_day(now_ms, settle_s, group.timezone))
    return facts


def _facts_of_group(
    connection: Connection, group: _Group, heads: dict[str, int], first_open: date
) -> dict[EnterpriseMonth, MonthFacts]:
    first, end = month_days(group.month)
    ended = max(first, min(end, first_open))
    own = group.enterprises
    start_ms, end_ms = day_start_ms(first, group.timezone), day_start_ms(end, group.timezone)
    statements = StatementsRepository(connection)
    entries = LedgerRepository(connection).standing_of(own, first, end)
    findings = FindingsRepository(connection).open_counts(own, start_ms, end_ms)
    outputs = outputs_of(connection, own, Period(group.month, "month", first, ended))
    newest = statements.newest_of(own, group.month)
    ratings = statements.ratings_of(newest.values())
    firsts = statements.first_months([name for name in own if name not in newest])
    predecessors = {name: _predecessor(statements, newest.get(name)) for name in own}
    return {
        (name, group.month): MonthFacts(
            entries=entries.get(name, ()),
            last_seq=heads.get(name, 0),
            days=(ended - first).days,
            findings_open=findings.get(name, 0),
            outputs=outputs.get(name, {}),
            newest=newest.get(name),
            rating=ratings.get(name),
            begun=name in newest or firsts.get(name, group.month) < group.month,
            predecessor=predecessors[name],
            reasons=_reasons(connection, predecessors[name], first, end),
        )
        for name in own
    }


def _predecessor(statements: StatementsRepository, newest: StoredStatement | None) -> StoredStatement | None:
    """Of the version that is open, or of the one that would follow a closed one."""
    if newest is None or newest.status == "closed":
        return newest
    if newest.predecessor is None:
        return None
    return statements.version(newest.enterprise, newest.period, newest.predecessor)


def _reasons(
    connection: Connection, predecessor: StoredStatement | None, first: date, end: date
) -> Mapping[str, Collection[str]]:
    if predecessor is None:
        return {}
    last_seq = statement_from(predecessor.body).last_seq
    return LedgerRepository(connection).reasons(predecessor.enterprise, first, end, last_seq)
