"""What `tanmai verify` checks of an enterprise's books without a look at readings: chain, roots, evidence, statements.

These checks need the relational database and the evidence folder only, and no other enterprise's books. So several
processes can do them at once (`gateway.scheduler.book_workers`), each a few enterprises at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import msgspec
from sqlalchemy.exc import DBAPIError

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.carbon import ledger
from gateway.carbon.model import Entry
from gateway.carbon.quick_chain import Booked, QuickChecks
from gateway.scheduler.evidence_checks import EvidenceChecks
from gateway.scheduler.root_checks import RootChecks
from gateway.scheduler.statement_checks import StatementChecks
from gateway.signing import Signer
from gateway.store.database import Bind
from gateway.store.evidence_store import EvidenceStore
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.ledger_rows import LedgerRows

Span = tuple[date, date]


class Broken(msgspec.Struct, frozen=True):
    """The first thing of an enterprise that does not hold."""

    enterprise: str
    entry: str  # id, or "" where it is no entry
    period: str  # of a statement, or the entry's day
    what: str


class BookReport(msgspec.Struct):
    """What was found in an enterprise's books. Its chain comes first, then readings (elsewhere), then the rest."""

    enterprise: str
    entries: int = 0
    evidence_files: int = 0
    statements: int = 0
    signatures: int = 0
    chain: Broken | None = None  # nothing else was looked at then
    rest: Broken | None = None
    notes: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BookChecks:
    """Checks the books of one enterprise after the other."""

    bind: Bind
    signer: Signer
    evidence: EvidenceStore
    roots: RootChecks
    quick: QuickChecks = field(default_factory=QuickChecks)

    @classmethod
    def of(cls, bind: Bind, signer: Signer, evidence: EvidenceStore) -> BookChecks:
        return cls(bind, signer, evidence, RootChecks.of(bind, signer))

    def report(self, name: str, span: Span) -> BookReport:
        """The chain whole; of evidence and statements what lies in the span."""
        report = BookReport(name)
        booked = self._chain(name, report)
        if booked is None:
            return report
        report.evidence_files, fault = EvidenceChecks(self.evidence).first_fault(name, span)
        if fault is not None:
            report.rest = Broken(name, "", *fault)
            return report
        checks = StatementChecks(self.bind, self.signer)
        found = checks.first_fault(name, span, booked)
        report.statements, report.signatures = checks.statements, checks.signatures
        report.notes += checks.notes
        report.rest = None if found is None else Broken(name, "", *found)
        return report

    def _chain(self, name: str, report: BookReport) -> list[Booked] | None:
        """All entries, if they hold in themselves and under their roots."""
        try:
            chains = LedgerRows(self.bind)
            booked = self.quick.booked(name, chains.rows(name), chains.body_of)
        except StoreRefused:  # a value that is neither text nor number
            booked = None
        if booked is None:
            report.chain = self._named(name)
            return None
        report.entries = len(booked)
        fault = self.roots.chain(name, [one.hash for one in booked])
        if fault is not None:
            report.chain = Broken(name, "", fault[0].isoformat(), fault[1])
            return None
        return booked

    def _named(self, name: str) -> Broken:
        """What does not hold in a chain that the quick way does not take, and where."""
        broken, fault = self._named_slowly(name), LedgerRows(self.bind).frame_fault(name)
        if fault is None or (broken.entry and int(broken.entry.rpartition("-")[2]) < fault[0]):
            return broken
        return Broken(name, f"{name}-{fault[0]}", "", fault[1])

    def _named_slowly(self, name: str) -> Broken:
        book = LedgerRepository(self.bind)
        try:
            found = ledger.verify_chain(book.chain(name))
        except _UNREADABLE:
            found = None
            unreadable = self._unreadable(name)
            if unreadable is not None:
                return unreadable
        if found is not None:
            return Broken(name, found.entry, "", found.en)
        return Broken(name, "", "", "its entries are not spelt as they were booked, though they say the same")

    def _unreadable(self, name: str) -> Broken | None:
        """The first entry that cannot even be read, read one at a time; unless one before it is broken already."""
        book, last = LedgerRepository(self.bind), 0

        def noted() -> Iterator[Entry]:
            nonlocal last
            for entry in book.chain(name, 1):
                yield entry
                last = entry.seq

        try:
            found = ledger.verify_chain(noted())
        except _UNREADABLE as error:
            book.last_seqs([name])  # raises if it is the database that does not answer
            return Broken(name, f"{name}-{last + 1}", "", f"cannot be read any more: {error}")
        return None if found is None else Broken(name, found.entry, "", found.en)


# In a transaction of the caller's the driver's own errors come as they are.
_UNREADABLE = (TypeError, ValueError, AttributeError, msgspec.MsgspecError, StoreRefused, StoreUnavailable, DBAPIError)
