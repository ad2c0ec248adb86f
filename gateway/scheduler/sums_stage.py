"""Statements of months -> statements and ratings of their quarters and years.

What stays true: a quarter or year is the sum of the newest versions of its months as they are stored, and names them;
nothing is read from the ledger. While one of its months is open or missing its one version follows them in place;
once all are closed it is closed and signed. A closed version never changes: when a month gets another version the next
one follows, closed at once if all months are, otherwise open until they are.

The work is a stored list, marked by whoever writes a month. Each of its entries is done in one transaction with taking
it off, so a crash leaves it due; an enterprise that cannot be summed is named and holds up nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection, Engine

from gateway.accounts.corrections import corrections_between, reasons_in
from gateway.accounts.documents import StatementDocument, body_of, statement_from
from gateway.accounts.output import Outputs, outputs_of, rating_input
from gateway.accounts.periods import Period, parse_period
from gateway.accounts.rating_documents import rating_document
from gateway.accounts.sums import Month, Sum, add_up, months_of
from gateway.carbon.policy import Policy
from gateway.carbon.rating import rate
from gateway.registry.model import Registry
from gateway.scheduler.usage_stage import PASSING
from gateway.signing import Signer
from gateway.store.canonical_json import sha256_of
from gateway.store.changes_repository import hold_feed
from gateway.store.database import writing
from gateway.store.due_sums_repository import DueSumsRepository, SumOf
from gateway.store.statements_repository import StatementsRepository, StoredRating, StoredStatement, Written

SUMS_PER_COMMIT = 200  # quarters and years, made in one transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SumsDone:
    """What a run did."""

    sums_changed: int = 0
    ratings_changed: int = 0
    closed: tuple[tuple[str, str, int], ...] = ()  # enterprise, period, version

    def __add__(self, other: SumsDone) -> SumsDone:
        return SumsDone(
            self.sums_changed + other.sums_changed,
            self.ratings_changed + other.ratings_changed,
            self.closed + other.closed,
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is stored of one enterprise's quarter or year."""

    months: Sequence[Month]  # newest versions, oldest first; at least one
    begun: str  # the first month of the account
    newest: StoredStatement | None
    rating: StoredRating | None  # of the newest version


@dataclass(frozen=True, slots=True)
class SumsStage:
    """Keeps quarters and years in step with their months."""

    engine: Engine
    policies: Mapping[str, Policy]
    signer: Signer

    def run(
        self, registry: Registry, now_ms: int, failed: dict[str, str], among: Collection[str] | None = None
    ) -> SumsDone:
        """Sum what is due, some in one transaction; who cannot be summed is put into `failed` with the reason.

        `among` None = of all enterprises.
        """
        done = SumsDone()
        left_out: set[str] = set()
        while due := DueSumsRepository(self.engine).claim(SUMS_PER_COMMIT, left_out, among):
            try:
                done += self._summed(registry, due, now_ms)
            except PASSING:
                raise
            except Exception as error:
                log.warning("sums_one_by_one", sums=len(due), why=repr(error))
                done += self._one_by_one(registry, due, now_ms, left_out, failed)
        return done

    def _one_by_one(
        self, registry: Registry, due: Sequence[SumOf], now_ms: int, left_out: set[str], failed: dict[str, str]
    ) -> SumsDone:
        done = SumsDone()
        for name in sorted({enterprise for enterprise, _ in due}):
            try:
                done += self._summed(registry, [one for one in due if one[0] == name], now_ms)
            except PASSING:
                raise
            except Exception as error:
                log.exception("sums_failed", enterprise=name, next="its quarters and years stay due; others are summed")
                left_out.add(name)
                failed.setdefault(name, repr(error))
        return done

    def _summed(self, registry: Registry, due: Sequence[SumOf], now_ms: int) -> SumsDone:
        with writing(self.engine) as connection:
            hold_feed(connection)
            facts = _facts_of(connection, due)
            sums = {key: add_up(parse_period(key[1]), own.months, own.begun) for key, own in facts.items()}
            outputs = _outputs_of(connection, sums)
            written = [
                self._due(connection, registry, sums[key], own, outputs[key], now_ms) for key, own in facts.items()
            ]
            StatementsRepository(connection).put_all(written, now_ms)
            DueSumsRepository(connection).clear(due)
        return SumsDone(
            sum(one.statement is not None for one in written),
            sum(one.rating is not None for one in written),
            tuple(_version(one.statement) for one in written if one.statement and one.statement.status == "closed"),
        )

    def _due(
        self, connection: Connection, registry: Registry, own: Sum, facts: _Facts, outputs: Outputs, now_ms: int
    ) -> Written:
        """What of the newest version must be written anew."""
        newest = facts.newest
        if newest is not None and newest.status == "closed" and statement_from(newest.body).months == own.months:
            return Written(rating=self._rated(registry, own, newest.version, facts, outputs, now_ms))
        version = 1 if newest is None else newest.version + (newest.status == "closed")
        document = _document(connection, own, version, newest)
        body = body_of(document)
        rating = self._rated(registry, own, version, facts, outputs, now_ms)
        if newest is not None and newest.version == version and newest.body == body:
            return Written(rating=rating)
        signature = self.signer.sign("tanmai-statement", body) if own.status == "closed" else ""
        stored = StoredStatement(
            document.enterprise,
            document.period,
            version,
            own.status,
            body,
            sha256_of(body),
            signature,
            document.predecessor,
            now_ms,
        )
        return Written(stored, rating)

    def _rated(
        self, registry: Registry, own: Sum, version: int, facts: _Facts, outputs: Outputs, now_ms: int
    ) -> StoredRating | None:
        """The rating of a version, if it is another one than stands; nobody rates who is no longer registered."""
        name, period = own.statement.enterprise, own.statement.period
        enterprise = registry.enterprises.get(name)
        if enterprise is None:
            return None
        given = rating_input(enterprise, outputs.get(name, {}))
        rating = rating_document(rate(own.statement, self.policies[enterprise.rating_policy], given), version)
        body, stood = body_of(rating), facts.rating
        if stood is not None and (stood.version, stood.colour, stood.body) == (version, rating.colour, body):
            return None
        return StoredRating(name, period, version, rating.colour, body, now_ms)


def _facts_of(connection: Connection, due: Sequence[SumOf]) -> dict[SumOf, _Facts]:
    """Of those that have a month: three queries a year, two a period."""
    statements = StatementsRepository(connection)
    begun = statements.first_months({enterprise for enterprise, _ in due})
    found: dict[SumOf, _Facts] = {}
    for year in sorted({period[:4] for _, period in due}):
        stored = statements.newest_months({name for name, period in due if period[:4] == year}, year)
        months = {name: [Month.of(month) for month in own] for name, own in stored.items()}
        for text in sorted({period for _, period in due if period[:4] == year}):
            own = [enterprise for enterprise, period in due if period == text]
            within = set(months_of(parse_period(text)))
            newest = statements.newest_of(own, text)
            ratings = statements.ratings_of(newest.values())
            for name in own:
                inside = [month for month in months.get(name, ()) if month.named.period in within]
                if inside:
                    found[name, text] = _Facts(inside, begun[name], newest.get(name), ratings.get(name))
    return found


def _outputs_of(connection: Connection, sums: Mapping[SumOf, Sum]) -> dict[SumOf, Outputs]:
    """What was made in the days that are in the sums; most ask for the same days."""
    alike: dict[Period, list[SumOf]] = {}
    for key, own in sums.items():
        alike.setdefault(own.summed_days, []).append(key)
    found: dict[SumOf, Outputs] = {}
    for days, keys in alike.items():
        outputs = outputs_of(connection, [enterprise for enterprise, _ in keys], days)
        found |= dict.fromkeys(keys, outputs)
    return found


def _document(connection: Connection, own: Sum, version: int, newest: StoredStatement | None) -> StatementDocument:
    """The version to be written, with what it states otherwise than the closed one before it."""
    predecessor = None
    if newest is not None:
        predecessor = newest.version if newest.status == "closed" else newest.predecessor
    document = own.document(version, predecessor)
    if predecessor is None:
        return document
    statements = StatementsRepository(connection)
    kept = statements.version(document.enterprise, document.period, predecessor)
    if kept is None:
        return document
    was = statement_from(kept.body)
    named = {month.period: month.version for month in was.months}
    since = [
        statement_from(one.body)
        for month in own.months
        for one in statements.versions(document.enterprise, month.period)
        if named.get(month.period, 0) < one.version
    ]
    return msgspec.structs.replace(document, corrections=corrections_between(was, document, reasons_in(since)))


def _version(stored: StoredStatement) -> tuple[str, str, int]:
    return stored.enterprise, stored.period, stored.version
