"""Ledger entries -> a month's statement and rating; and the closing of months.

What stays true: a statement is the sum of the entries that stand, nothing else. While a month is open its one version
follows the ledger in place. A closed version never changes: what is corrected later makes the next version, closed at
once, which names its predecessor. An operator may reopen a closed month: the next version is open then, says who did it
and why, and follows the ledger until somebody closes it. Writing the same again changes nothing and tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Engine

from gateway.accounts.corrections import corrections_between
from gateway.accounts.documents import (
    ReopeningDocument,
    as_far_as,
    body_of,
    instant,
    statement_document,
    statement_from,
)
from gateway.accounts.output import rating_input
from gateway.accounts.rating_documents import rating_document
from gateway.carbon.calendar import ONE_DAY
from gateway.carbon.model import Statement
from gateway.carbon.policy import Policy
from gateway.carbon.rating import rate
from gateway.carbon.statement import statement_of
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.days import first_open_day, month_of
from gateway.scheduler.months import EnterpriseMonth, MonthFacts, facts_of
from gateway.signing import Signer
from gateway.store.canonical_json import sha256_of
from gateway.store.changes_repository import hold_feed
from gateway.store.database import writing
from gateway.store.due_sums_repository import DueSumsRepository
from gateway.store.reopenings_repository import Reopening, ReopeningsRepository
from gateway.store.statements_repository import StatementsRepository, Status, StoredRating, StoredStatement, Written

MONTHS_PER_COMMIT = 100  # of enterprises, stated and rated in one transaction


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

    def run(self, registry: Registry, due: Sequence[EnterpriseMonth], now_ms: int) -> StatementsDone:
        """Bring the newest versions of these months up to the ledger, some enterprises in one transaction."""
        done = StatementsDone()
        for first in range(0, len(due), MONTHS_PER_COMMIT):
            with writing(self.engine) as connection:
                done += self._refresh(connection, registry, due[first : first + MONTHS_PER_COMMIT], now_ms)
        return done

    def close(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> int | None:
        """Freeze and sign an open month that has ended; gives its version, or None if there is nothing to close."""
        wanted = [(enterprise.id, month)]
        with writing(self.engine) as connection:
            self._refresh(connection, registry, wanted, now_ms)
            facts = facts_of(connection, registry, wanted, now_ms, self.settle_s)[enterprise.id, month]
            newest = facts.newest
            if newest is None or newest.status == "closed":
                return None
            statement = summed(enterprise, month, facts)
            body = _body(statement, newest.version, "closed", facts, reopened_in(newest))
            signature = self.signer.sign("tanmai-statement", body)
            StatementsRepository(connection).freeze(enterprise.id, month, newest.version, body, signature, now_ms)
        return newest.version

    def reopen(
        self, registry: Registry, enterprise: Enterprise, month: str, act: ReopeningDocument, now_ms: int
    ) -> int | None:
        """Make the next version of a closed month, open; gives its number, or None if the month is not closed."""
        wanted = [(enterprise.id, month)]
        with writing(self.engine) as connection:
            hold_feed(connection)
            facts = facts_of(connection, registry, wanted, now_ms, self.settle_s)[enterprise.id, month]
            newest = facts.newest
            if newest is None or newest.status != "closed":
                return None
            statement, version = summed(enterprise, month, facts), newest.version + 1
            body = _body(statement, version, "open", facts, act)
            stored = StoredStatement(
                enterprise.id, month, version, "open", body, sha256_of(body), "", newest.version, now_ms
            )
            ReopeningsRepository(connection).add(
                Reopening(enterprise.id, month, version, at_ms=now_ms, by=act.by, why=act.why)
            )
            rating = self._rated(enterprise, statement, version, facts, now_ms)
            StatementsRepository(connection).put_all([Written(stored, rating)], now_ms)
        return version

    def _refresh(
        self, connection: Connection, registry: Registry, wanted: Sequence[EnterpriseMonth], now_ms: int
    ) -> StatementsDone:
        hold_feed(connection)
        facts = facts_of(connection, registry, wanted, now_ms, self.settle_s)
        written = [
            self.due(registry, registry.enterprises[name], month, facts[name, month], now_ms) for name, month in wanted
        ]
        StatementsRepository(connection).put_all(written, now_ms)
        # A month that stays as it is may be grey for want of data where its quarter, with more output known, is not.
        DueSumsRepository(connection).mark(wanted)
        return StatementsDone(
            sum(one.statement is not None for one in written), sum(one.rating is not None for one in written)
        )

    def due(self, registry: Registry, enterprise: Enterprise, month: str, facts: MonthFacts, now_ms: int) -> Written:
        """What of a month's newest version must be written anew."""
        newest = facts.newest
        statement = summed(enterprise, month, facts)
        stated = facts.begun or statement.by_source or self._is_current(registry, enterprise, month, now_ms)
        if not stated:
            return Written()  # before the enterprise had any data
        closed = newest is not None and newest.status == "closed"
        if newest is not None and closed and _same_account(newest, statement):
            return Written(rating=self._rated(enterprise, statement, newest.version, facts, now_ms))
        version, predecessor = _due_version(newest)
        reopened = None if newest is None or closed else reopened_in(newest)
        body = _body(statement, version, "closed" if closed else "open", facts, reopened)
        rating = self._rated(enterprise, statement, version, facts, now_ms)
        if newest is not None and not closed and newest.body == body:
            return Written(rating=rating)
        signature = self.signer.sign("tanmai-statement", body) if closed else ""
        status: Status = "closed" if closed else "open"
        stored = StoredStatement(
            enterprise.id, month, version, status, body, sha256_of(body), signature, predecessor, now_ms
        )
        return Written(stored, rating)

    def _is_current(self, registry: Registry, enterprise: Enterprise, month: str, now_ms: int) -> bool:
        """Is this the month of the day that ended last?"""
        today = first_open_day(now_ms, self.settle_s, registry.park_of(enterprise.id).timezone)
        return month == month_of(today - ONE_DAY)

    def _rated(
        self, enterprise: Enterprise, statement: Statement, version: int, facts: MonthFacts, now_ms: int
    ) -> StoredRating | None:
        """The rating of a version, if it is another one than stands."""
        rating = rating_document(
            rate(statement, self.policies[enterprise.rating_policy], rating_input(enterprise, facts.outputs)), version
        )
        body, stood = body_of(rating), facts.rating
        if stood is not None and (stood.version, stood.colour, stood.body) == (version, rating.colour, body):
            return None
        return StoredRating(enterprise.id, statement.period, version, rating.colour, body, now_ms)


def summed(enterprise: Enterprise, month: str, facts: MonthFacts) -> Statement:
    """The statement of a month as the ledger has it now."""
    return statement_of(
        enterprise,
        month,
        facts.entries,
        days=facts.days,
        findings_open=facts.findings_open,
        last_seq=facts.last_seq,
    )


def act_of(by: str, why: str, now_ms: int) -> ReopeningDocument:
    """A reopening as statements say it."""
    return ReopeningDocument(at=instant(now_ms), by=by, why=why)


def reopened_in(stored: StoredStatement) -> ReopeningDocument | None:
    """How a stored version was reopened; None for one that was not."""
    return statement_from(stored.body).reopened


def _body(
    statement: Statement, version: int, status: Status, facts: MonthFacts, reopened: ReopeningDocument | None
) -> str:
    was = facts.predecessor
    document = statement_document(statement, version, status, None if was is None else was.version)
    if was is not None:
        corrections = corrections_between(statement_from(was.body), document, facts.reasons)
        document = msgspec.structs.replace(document, corrections=corrections)
    return body_of(msgspec.structs.replace(document, reopened=reopened))


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
    now = as_far_as(was, statement_document(statement, stored.version, "closed", stored.predecessor))
    return was == msgspec.structs.replace(
        now,
        last_seq=was.last_seq,
        findings_open=was.findings_open,
        reopened=was.reopened,
        corrections=was.corrections,
    )
