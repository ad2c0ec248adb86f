"""Ledger entries -> a month's statement and rating; and the closing of months.

What stays true: a statement is the sum of the entries that stand, nothing else. While a month is open its one version
follows the ledger in place. A closed version never changes: what is corrected later makes the next version, closed at
once, which names its predecessor. Writing the same again changes nothing and tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import body_of, rating_document, statement_document, statement_from
from gateway.accounts.output import outputs_of
from gateway.accounts.periods import Period
from gateway.carbon.calendar import ONE_DAY, day_start_ms
from gateway.carbon.model import Statement
from gateway.carbon.policy import Policy
from gateway.carbon.rating import ProductOutput, RatingInput, rate
from gateway.carbon.statement import statement_of
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.days import first_open_day, month_days, month_of
from gateway.signing import Signer
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement


@dataclass(frozen=True, slots=True)
class StatementsDone:
    """What a run did."""

    statements_changed: int = 0
    ratings_changed: int = 0

    def __add__(self, other: StatementsDone) -> StatementsDone:
        return StatementsDone(
            self.statements_changed + other.statements_changed, self.ratings_changed + other.ratings_changed
        )


@dataclass(frozen=True, slots=True)
class StatementsStage:
    """Keeps monthly statements and ratings in step with the ledger."""

    engine: Engine
    policies: Mapping[str, Policy]
    signer: Signer
    settle_s: float

    def refresh(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> StatementsDone:
        """Bring a month's newest version up to the ledger."""
        store = StatementsRepository(self.engine)
        newest = store.newest(enterprise.id, month)
        statement = self.sum(registry, enterprise, month, now_ms)
        if newest is None and not statement.by_source and not self._is_current(registry, enterprise, month, now_ms):
            return StatementsDone()  # before the enterprise had any data: nothing to state
        closed = newest is not None and newest.status == "closed"
        if newest is not None and closed and _same_account(newest, statement):
            return StatementsDone(ratings_changed=self._rate(registry, enterprise, statement, newest.version, now_ms))
        version, predecessor = _due_version(newest)
        body = body_of(statement_document(statement, version, "open", predecessor))
        changed = store.put_open(enterprise.id, month, version, body, now_ms, predecessor=predecessor)
        rated = self._rate(registry, enterprise, statement, version, now_ms)
        if closed:
            self._freeze(enterprise, month, version, statement, predecessor, now_ms)
        return StatementsDone(int(changed), rated)

    def _is_current(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> bool:
        """Is this the month of the day that ended last?"""
        today = first_open_day(now_ms, self.settle_s, registry.park_of(enterprise.id).timezone)
        return month == month_of(today - ONE_DAY)

    def close(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> int | None:
        """Freeze and sign an open month that has ended; gives its version, or None if there is nothing to close."""
        self.refresh(registry, enterprise, month, now_ms)
        newest = StatementsRepository(self.engine).newest(enterprise.id, month)
        if newest is None or newest.status == "closed":
            return None
        statement = self.sum(registry, enterprise, month, now_ms)
        self._freeze(enterprise, month, newest.version, statement, newest.predecessor, now_ms)
        return newest.version

    def sum(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> Statement:
        """The statement of a month as the ledger has it now."""
        first, end = month_days(month)
        timezone = registry.park_of(enterprise.id).timezone
        ended = min(end, first_open_day(now_ms, self.settle_s, timezone))
        book = LedgerRepository(self.engine)
        head = book.newest(enterprise.id)
        open_findings = FindingsRepository(self.engine).open_count(
            enterprise.id, day_start_ms(first, timezone), day_start_ms(end, timezone)
        )
        return statement_of(
            enterprise,
            month,
            book.standing(enterprise.id, None, first, end),
            days=max(0, (ended - first).days),
            findings_open=open_findings,
            last_seq=head.seq if head else 0,
        )

    def _freeze(
        self,
        enterprise: Enterprise,
        month: str,
        version: int,
        statement: Statement,
        predecessor: int | None,
        now_ms: int,
    ) -> None:
        body = body_of(statement_document(statement, version, "closed", predecessor))
        signature = self.signer.sign("tanmai-statement", body)
        StatementsRepository(self.engine).freeze(enterprise.id, month, version, body, signature, now_ms)

    def _rate(self, registry: Registry, enterprise: Enterprise, statement: Statement, version: int, now_ms: int) -> int:
        policy = self.policies[enterprise.rating_policy]
        given = self.output(registry, enterprise, statement.period, now_ms)
        rating = rating_document(rate(statement, policy, given), version)
        return int(
            StatementsRepository(self.engine).put_rating(
                enterprise.id, statement.period, version, rating.colour, body_of(rating), now_ms
            )
        )

    def output(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> RatingInput:
        """What the enterprise made and earned on the days of the month that are in the statement."""
        first, end = month_days(month)
        ended = min(end, first_open_day(now_ms, self.settle_s, registry.park_of(enterprise.id).timezone))
        made = outputs_of(self.engine, [enterprise.id], Period(month, "month", first, max(first, ended)))
        amounts = made.get(enterprise.id, {})
        value = amounts.get(("economic", "output_value"))
        return RatingInput(
            industry=enterprise.industry,
            products=tuple(
                ProductOutput(
                    product.id,
                    product.unit,
                    amounts[key].amount_u if (key := ("product", product.id)) in amounts else None,
                )
                for product in enterprise.products
            ),
            output_value_u=None if value is None else value.amount_u,
        )


def _due_version(newest: StoredStatement | None) -> tuple[int, int | None]:
    """(version, predecessor) of the version to write: the open one, or the one after a closed one."""
    if newest is None:
        return 1, None
    if newest.status == "closed":
        return newest.version + 1, newest.version
    return newest.version, newest.predecessor


def _same_account(stored: StoredStatement, statement: Statement) -> bool:
    """Does a closed version still say what the ledger says? Its place in the chain may have moved on."""
    was = statement_from(stored.body)
    now = statement_document(statement, stored.version, "closed", stored.predecessor)
    return was == msgspec.structs.replace(now, last_seq=was.last_seq, findings_open=was.findings_open)
