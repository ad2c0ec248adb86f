"""`tanmai verify`: are the books what was booked, and does what was booked still follow from the readings?

Checks per enterprise, the first break ends all: the hash chain with each entry's own calculation; the entries under
each daily root; the digest and amount of every entry that stands, recomputed from the raw readings and records; the
files of evidence; the sums of the stored statements, of months against entries, of quarters and years against the
months that they name; the signatures of the closed ones. Then the daily roots themselves, each with its signature and
those before it. Nothing is changed. Days that have readings still waiting for the roll-up are left out and said so.

What stays true: the break that is named is the first by enterprise and then by check, however many processes look. It
was found twice: work goes on beside a running server, and what was half done at the first look is no break.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine

from gateway.accounts.periods import Period
from gateway.registry.model import Registry
from gateway.scheduler.book_checks import BookChecks, BookReport, Broken, Span
from gateway.scheduler.book_workers import FEW_ENTRIES, Books, processors, reports_of
from gateway.scheduler.changed_rules import EVER
from gateway.scheduler.derived_stage import DerivedStage
from gateway.scheduler.reading_checks import ReadingChecks, waiting_days
from gateway.scheduler.root_checks import RootChecks
from gateway.signing import Signer
from gateway.store.evidence_store import EvidenceStore
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.statements_repository import StatementsRepository
from gateway.store.timeseries import TimeSeriesStore


@dataclass(slots=True)
class Checked:
    """How much was looked at."""

    chains: int = 0
    entries: int = 0
    entries_against_readings: int = 0
    entries_on_kept_digests: int = 0  # of these, those whose raw readings were dropped under retention
    evidence_files: int = 0
    statements: int = 0
    signatures: int = 0
    roots: int = 0

    def add(self, report: BookReport) -> None:
        self.entries += report.entries
        self.evidence_files += report.evidence_files
        self.statements += report.statements
        self.signatures += report.signatures


@dataclass(slots=True)
class Progress:
    """How far a verification is, in enterprises."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks accounts against themselves and against what they were made of."""

    engine: Engine
    timeseries: TimeSeriesStore
    signer: Signer
    derived: DerivedStage
    data_path: Path
    running: list[Progress] = field(default_factory=list)  # oldest first

    def run(
        self, registry: Registry, only: str | None, period: Period | None, workers: int | None = None
    ) -> dict[str, Any]:
        """The report: `ok`, what was checked, the first break, and notes. `workers` None = as many as are worth it."""
        roots = RootChecks.of(self.engine, self.signer)
        names = self._names(roots, only)
        span = (period.start, period.end) if period else EVER
        progress = Progress(0, len(names))
        self.running.append(progress)
        try:
            return self._run(registry, names, span, roots, progress, self._crew(names) if workers is None else workers)
        finally:
            self.running.remove(progress)

    def _run(
        self, registry: Registry, names: Sequence[str], span: Span, roots: RootChecks, progress: Progress, workers: int
    ) -> dict[str, Any]:
        checked = Checked()
        against = self._reading_checks(registry)
        with closing(self._reports(names, span, workers)) as reports:
            for report in reports:
                checked.chains += 1
                broken = report.chain or against.first_fault(report.enterprise, span) or report.rest
                if broken is not None:
                    broken = self._again(registry, report.enterprise, span)
                against.notes += report.notes
                checked.add(report)
                checked.entries_against_readings = against.entries
                checked.entries_on_kept_digests = against.on_kept_digests
                if broken is not None:
                    return _report(checked, broken, against.notes)
                progress.done += 1
        checked.roots = len(roots.roots)
        fault = roots.first_fault()
        broken = None if fault is None else Broken("", "", fault[0].isoformat(), fault[1])
        return _report(checked, broken, against.notes)

    def _names(self, roots: RootChecks, only: str | None) -> list[str]:
        """Not only those that have a chain: one that is gone as a whole is missed by what was made of it."""
        chains, statements = LedgerRepository(self.engine), StatementsRepository(self.engine)
        names = {*chains.enterprises(), *statements.enterprises(), *roots.enterprises()}
        return sorted(names if only is None else names & {only})

    def _crew(self, names: Sequence[str]) -> int:
        """As many processes as there are processors, where there is enough to do for them."""
        book, entries = LedgerRepository(self.engine), 0
        for first in range(0, len(names), 100):
            entries += sum(book.last_seqs(names[first : first + 100]).values())
            if entries >= FEW_ENTRIES:
                return processors()
        return 1

    def _reports(self, names: Sequence[str], span: Span, workers: int) -> Generator[BookReport, None, None]:
        if workers > 1:
            url = self.engine.url.render_as_string(hide_password=False)
            yield from reports_of(Books(url, str(self.data_path), *span), names, workers)
            return
        checks = self._book_checks()
        for name in names:
            yield checks.report(name, span)

    def _again(self, registry: Registry, name: str, span: Span) -> Broken | None:
        """What is broken of an enterprise at a second look, with what has happened since the first."""
        report = self._book_checks().report(name, span)
        return report.chain or self._reading_checks(registry).first_fault(name, span) or report.rest

    def _book_checks(self) -> BookChecks:
        return BookChecks.of(self.engine, self.signer, EvidenceStore(self.engine, self.data_path / "evidence"))

    def _reading_checks(self, registry: Registry) -> ReadingChecks:
        waiting = waiting_days(self.engine, self.timeseries, registry)
        return ReadingChecks(self.engine, self.timeseries, self.derived, registry, waiting)


def _report(checked: Checked, broken: Broken | None, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "ok": broken is None,
        "checked": asdict(checked),
        "first_break": None if broken is None else msgspec.structs.asdict(broken),
        "notes": list(notes),
    }
