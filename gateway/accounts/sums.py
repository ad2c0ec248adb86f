"""A quarter or a year as a statement: which months it is the sum of, whether it is closed, and what it states.

What stays true: it names the version and the hash of each month, so anybody who has those can add them up again. It
is closed when every month from the account's beginning on is there and closed; months before the account's first
statement are not missed, and a note says where the account begins. Nothing is read here; months are handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Literal

import msgspec

from gateway.accounts.documents import (
    MethodDocument,
    QualityDocument,
    SideDocument,
    SourceDocument,
    StatementDocument,
    SummedMonth,
    statement_document,
    statement_from,
)
from gateway.accounts.periods import Period, months_after, parse_period
from gateway.carbon.model import Quality, SideTotals, SourceLine, Statement
from gateway.carbon.sums import sum_of
from gateway.registry.model import Method
from gateway.store.statements_repository import StoredStatement


@dataclass(frozen=True, slots=True)
class Month:
    """One version of a month's statement, in whole grams."""

    named: SummedMonth
    statement: Statement

    @classmethod
    def of(cls, stored: StoredStatement) -> Month:
        named = SummedMonth(period=stored.period, version=stored.version, status=stored.status, hash=stored.hash)
        return cls(named, statement_model(statement_from(stored.body)))


@dataclass(frozen=True, slots=True)
class Sum:
    """A quarter or year added up, not yet a version."""

    statement: Statement
    months: tuple[SummedMonth, ...]  # oldest first
    status: Literal["open", "closed"]
    summed_days: Period  # from the first month's first day to the newest month's last ended one

    def document(self, version: int, predecessor: int | None) -> StatementDocument:
        """As one version of the period's statement."""
        document = statement_document(self.statement, version, self.status, predecessor)
        return msgspec.structs.replace(document, months=self.months)


@cache
def months_of(period: Period) -> tuple[str, ...]:
    """The months of a quarter or year, such as 2026-07."""
    found = []
    first = period.start
    while first < period.end:
        found.append(f"{first:%Y-%m}")
        first = months_after(first, 1)
    return tuple(found)


def add_up(period: Period, months: Sequence[Month], begun: str) -> Sum:
    """The sum of the given versions of a period's months, oldest first, at least one.

    `begun` is the first month that the enterprise has a statement of.
    """
    statement = sum_of(period.text, [month.statement for month in months])
    status = {month.named.period: month.named.status for month in months}
    closed = all(status.get(month) == "closed" for month in months_of(period) if month >= begun)
    first, newest = parse_period(months[0].named.period), parse_period(months[-1].named.period)
    end = newest.start + timedelta(days=months[-1].statement.days)
    return Sum(
        replace(statement, notes=(*statement.notes, *_notes(period, months, begun))),
        tuple(month.named for month in months),
        "closed" if closed else "open",
        Period(period.text, period.kind, first.start, end),
    )


def _notes(period: Period, months: Sequence[Month], begun: str) -> Iterator[str]:
    """What the sums do not show: months that are not in them, and months made by another method."""
    there, newest = {month.named.period for month in months}, months[-1]
    if begun > months_of(period)[0]:
        yield f"账户始于 {begun} / the account begins in {begun}"
    for name in months_of(period):
        if begun < name < newest.named.period and name not in there:
            yield f"{name}: 无报告 / no statement"
    for month in months[:-1]:
        if month.statement.method != newest.statement.method:
            yield f"{month.named.period}: 核算方法不同 / made by another method"


def statement_model(document: StatementDocument) -> Statement:
    """A stored statement in whole grams again. Exact: kilograms carry whole grams, amounts whole millionths."""
    return Statement(
        enterprise=document.enterprise,
        period=document.period,
        days=document.days,
        compliance_g=grams(document.compliance_kg),
        lifecycle_g=grams(document.lifecycle_kg),
        energy_gce=grams(document.energy_kgce),
        by_scope_g={int(scope): grams(kg) for scope, kg in document.by_scope.items()},
        by_stage_g={stage: grams(kg) for stage, kg in document.by_stage.items()},
        by_source=tuple(_line(line) for line in document.by_source),
        coverage=document.coverage,
        estimated_share=document.estimated_share,
        provisional_share=document.provisional_share,
        findings_open=document.findings_open,
        last_seq=document.last_seq,
        notes=document.notes,
        by_location=_side(document.location_based),
        by_market=_side(document.market_based),
        method=_method(document.method),
        quality=_quality(document.quality),
    )


def grams(kilograms: float) -> int:
    """Kilograms, or kilograms of standard coal, as whole grams."""
    return round(kilograms * 1000)


def _line(line: SourceDocument) -> SourceLine:
    return SourceLine(
        source=line.source,
        activity=line.activity,
        scope=line.scope,
        stage=line.stage,
        amount_u=round(line.amount * 1_000_000),
        unit=line.unit,
        emission_g=grams(line.emission_kg),
        energy_gce=grams(line.energy_kgce),
        factor=line.factor,
        basis=line.basis,
        quality=_quality(line.quality),
    )


def _side(side: SideDocument | None) -> SideTotals | None:
    if side is None:
        return None
    return SideTotals(grams(side.scope_2_kg), grams(side.compliance_kg), grams(side.lifecycle_kg))


def _method(document: MethodDocument | None) -> Method | None:
    if document is None:
        return None
    members = msgspec.structs.asdict(document)
    return Method(**members)


def _quality(document: QualityDocument | None) -> Quality | None:
    return None if document is None else Quality(**msgspec.structs.asdict(document))
