"""A promise over all orders of things: after late corrections, closings, reopenings and crashes, quarters are right.

Months are written as the statements stage writes them; what is under test is what becomes of their quarter and year.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from gateway.accounts.corrections import corrections_between
from gateway.accounts.documents import StatementDocument, body_of, statement_document, statement_from
from gateway.carbon.model import SourceLine, Statement
from gateway.registry.model import Registry
from gateway.scheduler.sum_checks import SumChecks
from gateway.scheduler.sums_stage import SumsStage
from gateway.signing import Signer
from gateway.store.canonical_json import sha256_of
from gateway.store.database import open_database
from gateway.store.due_sums_repository import DueSumsRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement, Written

MONTHS = ("2026-07", "2026-08", "2026-09")
SIGNER = Signer(Ed25519PrivateKey.generate())
NOBODY = Registry(version=0, parks={}, enterprises={})
names = (f"E{number}" for number in itertools.count())  # another enterprise for each example, all in one database

# What may happen to a month; "run" sums what is due, and whatever comes between two of them came before a crash.
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(("write", "write", "close", "reopen", "run")),
        st.sampled_from(MONTHS),
        st.dictionaries(st.sampled_from(("grid", "burner")), st.integers(-(10**9), 10**9), min_size=1),
    ),
    min_size=1,
    max_size=14,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory: Path = tmp_path_factory.mktemp("sums")
    engine = open_database(f"sqlite:///{directory / 'tanmai.sqlite'}")
    yield engine
    engine.dispose()


def statement(enterprise: str, month: str, grams: dict[str, int]) -> Statement:
    lines = tuple(
        SourceLine(source, "fuel.diesel", 1, "production", 7 * own, "t", own, 3 * own, "f", "exact")
        for source, own in grams.items()
    )
    total = sum(grams.values())
    return Statement(
        enterprise, month, 30, total, total, 3 * total, {1: total}, {"production": total}, lines, 1.0, 0.0, 0.0, 0, 1
    )


class Account:
    """One enterprise whose months are written as the statements stage writes them."""

    def __init__(self, engine: Engine) -> None:
        self.enterprise = next(names)
        self.statements = StatementsRepository(engine)
        self.sums = SumsStage(engine, {}, SIGNER)

    def happen(self, what: str, month: str, grams: dict[str, int]) -> None:
        newest = self.statements.newest(self.enterprise, month)
        if what == "run":
            failed: dict[str, str] = {}
            self.sums.run(NOBODY, 1, failed)
            assert not failed
        elif what == "close":
            if newest is not None and newest.status == "open":
                body = body_of(msgspec.structs.replace(statement_from(newest.body), status="closed"))
                signature = SIGNER.sign("tanmai-statement", body)
                self.statements.freeze(self.enterprise, month, newest.version, body, signature, 1)
        elif what == "write" or (newest is not None and newest.status == "closed"):
            self._write(month, grams, newest, opened=what == "reopen")

    def _write(self, month: str, grams: dict[str, int], newest: StoredStatement | None, *, opened: bool) -> None:
        closed = newest is not None and newest.status == "closed"
        version = 1 if newest is None else newest.version + closed
        predecessor = None if newest is None else newest.version if closed else newest.predecessor
        status = "closed" if closed and not opened else "open"
        own = statement(self.enterprise, month, grams)
        document = statement_document(own, version, "closed" if status == "closed" else "open", predecessor)
        if closed and newest is not None:
            reasons = {source: ["late-data"] for source in ("grid", "burner")}
            corrections = corrections_between(statement_from(newest.body), document, reasons)
            document = msgspec.structs.replace(document, corrections=corrections)
        body = body_of(document)
        signature = SIGNER.sign("tanmai-statement", body) if document.status == "closed" else ""
        self.statements.put_all(
            [
                Written(
                    StoredStatement(
                        self.enterprise,
                        month,
                        version,
                        document.status,
                        body,
                        sha256_of(body),
                        signature,
                        predecessor,
                        1,
                    )
                )
            ],
            1,
        )

    def newest(self, period: str) -> StatementDocument | None:
        stored = self.statements.newest(self.enterprise, period)
        return None if stored is None else statement_from(stored.body)


@settings(max_examples=40, deadline=None)
@given(HAPPENINGS)
def test_quarter_and_year_are_the_sum_of_their_months_after_whatever_happened(
    engine: Engine, happenings: list[tuple[str, str, dict[str, int]]]
) -> None:
    account = Account(engine)
    seen: dict[tuple[str, int], StoredStatement] = {}
    for happening in (*happenings, ("run", "2026-07", {})):
        account.happen(*happening)
        for one in account.statements.of_enterprise(account.enterprise):
            if one.status == "closed":
                assert seen.setdefault((one.period, one.version), one) == one  # what is closed stays as it is
    months = [own for own in map(account.newest, MONTHS) if own is not None]
    for period in ("2026-Q3", "2026"):
        whole = account.newest(period)
        if not months:
            assert whole is None
            continue
        assert whole is not None
        assert round(1000 * whole.lifecycle_kg) == sum(round(1000 * month.lifecycle_kg) for month in months)
        assert round(1000 * whole.energy_kgce) == sum(round(1000 * month.energy_kgce) for month in months)
        assert [(one.period, one.version) for one in whole.months] == [(one.period, one.version) for one in months]
    quarter = account.newest("2026-Q3")
    if quarter is not None:
        expected = [month for month in MONTHS if month >= months[0].period]
        closed = [month.period for month in months if month.status == "closed"]
        assert (quarter.status == "closed") == (closed == expected)
    checks = SumChecks.of(account.statements.of_enterprise(account.enterprise), set())
    assert DueSumsRepository(engine).count() == 0 and checks.missing() is None
    for (period, _), stored in checks.kept.items():
        document = statement_from(stored.body)
        assert checks.correction_fault(document) == ""
        if period not in MONTHS:
            assert checks.fault(stored, document) == ""
            if document.predecessor is not None:
                was = statement_from(checks.kept[period, document.predecessor].body)
                moved_g = round(1000 * document.lifecycle_kg) - round(1000 * was.lifecycle_kg)
                assert sum(round(1000 * one.emission_kg) for one in document.corrections) == moved_g
