"""What `tanmai verify` checks of stored statements: sums, signatures, reopenings, and the ratings beside them.

A month's figures must be what its entries add up to, a quarter's and a year's what their months do
(`gateway.scheduler.sum_checks`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from gateway.accounts.documents import StatementDocument, instant, statement_from
from gateway.accounts.periods import parse_period
from gateway.accounts.rating_documents import rating_from
from gateway.carbon.quick_chain import Booked
from gateway.carbon.statement import counts
from gateway.registry.model import COMPLIANCE_GROUPS, GROUPS
from gateway.scheduler.sum_checks import SumChecks
from gateway.signing import Signer
from gateway.store.canonical_json import sha256_of
from gateway.store.database import Bind
from gateway.store.due_sums_repository import DueSumsRepository, sums_over
from gateway.store.reopenings_repository import Reopening, ReopeningsRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement

Fault = tuple[str, str]  # the period, and what is wrong


@dataclass(slots=True)
class StatementChecks:
    """Checks the statements of one enterprise, and counts."""

    bind: Bind
    signer: Signer
    statements: int = 0
    signatures: int = 0
    notes: list[str] = field(default_factory=list)

    def first_fault(self, name: str, span: tuple[date, date], booked: Sequence[Booked]) -> Fault | None:
        """Of the statements of the span; `booked` is the whole chain."""
        months = _by_month(booked)
        reopened = {(one.period, one.version): one for one in ReopeningsRepository(self.bind).of_enterprise(name)}
        statements = StatementsRepository(self.bind).of_enterprise(name)
        due = DueSumsRepository(self.bind).of_enterprise(name)
        if due:
            late = ", ".join(sorted(due))
            self.notes.append(f"{name}: {late} are due to be summed anew, and may lag behind their months")
        sums = SumChecks.of(statements, due)
        # Months first: what is wrong with one of them shows in its quarter and year too.
        for stored in sorted(statements, key=lambda one: not sums_over(one.period)):
            period = parse_period(stored.period)
            if period.end <= span[0] or period.start >= span[1]:
                continue
            self.statements += 1
            try:
                what = self._statement(stored, months.get(stored.period), sums)
            except msgspec.DecodeError as error:
                what = f"its text, or that of one of its months, is no statement: {error}"
            what = what or _reopening(stored, reopened.get((stored.period, stored.version)))
            if what:
                return stored.period, f"version {stored.version}: {what}"
        missing = sums.missing()
        if missing is not None:
            return missing, "its months have statements, and it has none"
        return None

    def _statement(self, stored: StoredStatement, booked: Sequence[Booked] | None, sums: SumChecks) -> str:
        """What is wrong with one version, or nothing. A quarter or year is held against its months, not entries."""
        if stored.status == "closed":
            self.signatures += 1
            if not self.signer.signed("tanmai-statement", stored.body, stored.signature):
                return "its signature does not belong to its text: it was changed after closing"
        document = statement_from(stored.body)
        if sums_over(stored.period):
            own = [one for one in booked or () if one.seq <= document.last_seq]
            for name, stated, total in (*_sums(document, own), *_lines(document, own)):
                if stated != total / 1000:
                    return f"states {name} {stated}, its entries add up to {total / 1000}"
        elif fault := sums.fault(stored, document):
            return fault
        if (document.enterprise, document.period, document.version) != (
            stored.enterprise,
            stored.period,
            stored.version,
        ) or sha256_of(stored.body) != stored.hash:
            return "its text is not the one that was stored for this period and version"
        return sums.correction_fault(document) or self._rating(stored)

    def _rating(self, stored: StoredStatement) -> str:
        """Whether the rating beside a version is one of that version, with the colour that its text gives."""
        rated = StatementsRepository(self.bind).rating(stored.enterprise, stored.period, stored.version)
        if rated is None:
            return ""
        rating = rating_from(rated.body)
        told = rating.enterprise, rating.period, rating.version, rating.colour
        if told != (rated.enterprise, rated.period, rated.version, rated.colour):
            return f"its rating is stored as {rated.colour}, and its text says {' '.join(map(str, told))}"
        return ""


ByMonth = dict[str, list[Booked]]


def _reopening(stored: StoredStatement, kept: Reopening | None) -> str:
    """Whether a version says of its reopening what was kept of it."""
    said = statement_from(stored.body).reopened
    if kept is None:
        return "" if said is None else f"says that {said.by} reopened it, of which nothing was kept"
    told = None if said is None else (said.at, said.by, said.why)
    if told == (instant(kept.at_ms), kept.by, kept.why):
        return ""
    return f"was reopened by {kept.by}: its text does not say so, or says it differently"


def _by_month(booked: Sequence[Booked]) -> ByMonth:
    months: ByMonth = {}
    for one in booked:
        months.setdefault(one.day[:7], []).append(one)
    return months


def _sums(document: StatementDocument, own: list[Booked]) -> Iterator[tuple[str, float, int]]:
    """(figure, kg as stated, g that the entries add up to): by the groups that the statement says it counts."""
    method = document.method
    compliance, lifecycle = (method.compliance, method.lifecycle) if method else (COMPLIANCE_GROUPS, GROUPS)
    counted = [one for one in own if counts(one.heading.activity, one.heading.scope, compliance)]
    living = [one for one in own if counts(one.heading.activity, one.heading.scope, lifecycle)]
    yield "lifecycle_kg", document.lifecycle_kg, sum(one.emission_g for one in living)
    yield "compliance_kg", document.compliance_kg, sum(one.emission_g for one in counted)
    yield "energy_kgce", document.energy_kgce, sum(one.energy_gce for one in own)
    for name, side, grams in (
        ("location_based", document.location_based, _location_g),
        ("market_based", document.market_based, _market_g),
    ):
        if side is not None:
            yield f"{name}.scope_2_kg", side.scope_2_kg, sum(grams(one) for one in own if one.heading.scope == 2)
            yield f"{name}.compliance_kg", side.compliance_kg, sum(map(grams, counted))
            yield f"{name}.lifecycle_kg", side.lifecycle_kg, sum(map(grams, living))


def _location_g(one: Booked) -> int:
    return one.location_g


def _market_g(one: Booked) -> int:
    return one.market_g


def _lines(document: StatementDocument, own: list[Booked]) -> Iterator[tuple[str, float, int]]:
    """The parts of a statement in the form of `_sums`; a part that is not stated must add up to nothing."""
    scopes: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    sources: Counter[tuple[str, str, str]] = Counter()
    for one in own:
        heading = one.heading
        scopes[str(heading.scope)] += one.emission_g
        stages[heading.stage] += one.emission_g
        sources[heading.source, heading.activity, heading.unit] += one.emission_g
    lines = {(line.source, line.activity, line.unit): line.emission_kg for line in document.by_source}
    for name, stated, totals in (("by_scope", document.by_scope, scopes), ("by_stage", document.by_stage, stages)):
        for key in stated.keys() | totals.keys():
            yield f"{name}.{key}", stated.get(key, 0.0), totals[key]
    for source in lines.keys() | sources.keys():
        yield f"by_source.{source[0]}", lines.get(source, 0.0), sources[source]
