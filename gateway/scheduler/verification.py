"""`tanmai verify`: are the books what was booked, and does what was booked still follow from the readings?

Five checks per enterprise, the first break ends each: the hash chain with each entry's own calculation; the entries
under each daily root; the digest and amount of every entry that stands, recomputed from the raw readings and records;
the sums of the stored statements, of months against entries, of quarters and years against the months that they name;
the signatures of the closed ones. Then the daily roots themselves, each with its
signature and those before it. Nothing is changed. Days that have readings still waiting for the roll-up are left out
and said so: they will be booked anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import StatementDocument, instant, statement_from
from gateway.accounts.periods import Period, parse_period
from gateway.accounts.rating_documents import rating_from
from gateway.carbon import ledger
from gateway.carbon.adjustments import is_line
from gateway.carbon.model import Entry
from gateway.carbon.quick_chain import LINE_COLUMNS, Booked, QuickChecks
from gateway.carbon.statement import counts
from gateway.registry.model import COMPLIANCE_GROUPS, GROUPS, Enterprise, Registry
from gateway.scheduler.activities import ActivitySource
from gateway.scheduler.adjustment_checks import AdjustmentChecks
from gateway.scheduler.changed_rules import EVER
from gateway.scheduler.days import days_fed_by
from gateway.scheduler.derived_stage import DerivedStage
from gateway.scheduler.root_checks import RootChecks
from gateway.scheduler.series import SeriesSource
from gateway.scheduler.sum_checks import SumChecks
from gateway.scheduler.usage_checks import ComparedUsage, UnbookedDays
from gateway.scheduler.usage_stage import CLAIM_HOURS, reach_of, recomputed_usage, rules_of
from gateway.scheduler.windows import windows_of
from gateway.signing import Signer
from gateway.store.canonical_json import sha256_of
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.due_sums_repository import DueSumsRepository, sums_over
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import RecordsRepository
from gateway.store.reopenings_repository import Reopening, ReopeningsRepository
from gateway.store.statements_repository import StatementsRepository, StoredStatement
from gateway.store.timeseries import TimeSeriesStore


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing of an enterprise that does not hold."""

    enterprise: str
    entry: str  # id, or "" where it is no entry
    period: str  # of a statement, or the entry's day
    what: str


@dataclass(slots=True)
class Checked:
    """How much was looked at."""

    chains: int = 0
    entries: int = 0
    entries_against_readings: int = 0
    statements: int = 0
    signatures: int = 0
    roots: int = 0


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks accounts against themselves and against what they were made of."""

    engine: Engine
    timeseries: TimeSeriesStore
    signer: Signer
    derived: DerivedStage

    def run(self, registry: Registry, only: str | None, period: Period | None) -> dict[str, Any]:
        """The report: `ok`, what was checked, the first break, and notes."""
        checked = Checked()
        book = LedgerRepository(self.engine)
        span = (period.start, period.end) if period else EVER
        waiting = self._waiting(registry) | self._marked()
        notes: list[str] = []
        roots, quick = RootChecks.of(self.engine, self.signer), QuickChecks()
        # Not only those that have a chain: one that is gone as a whole is missed by what was made of it.
        for name in sorted(
            {*book.enterprises(), *StatementsRepository(self.engine).enterprises(), *roots.enterprises()}
        ):
            if only is not None and name != only:
                continue
            broken = self._enterprise(registry, name, span, waiting, roots, quick, checked, notes)
            if broken is not None:
                return _report(checked, broken, notes)
        checked.roots = len(roots.roots)
        fault = roots.first_fault()
        return _report(checked, None if fault is None else Broken("", "", fault[0].isoformat(), fault[1]), notes)

    def _enterprise(
        self,
        registry: Registry,
        name: str,
        span: tuple[date, date],
        waiting: set[tuple[str, str, date]],
        roots: RootChecks,
        quick: QuickChecks,
        checked: Checked,
        notes: list[str],
    ) -> Broken | None:
        book = LedgerRepository(self.engine)
        checked.chains += 1
        sums = quick.booked(book.lines(name, LINE_COLUMNS))
        if sums is None:  # something does not hold: find out what, and where
            found = ledger.verify_chain(book.chain(name))
            if found is not None:
                return Broken(name, found.entry, "", found.en)
            return Broken(name, "", "", "its entries are not spelt as they were booked, though they say the same")
        checked.entries += len(sums)
        fault = roots.chain(name, [one.hash for one in sums])
        if fault is not None:
            return Broken(name, "", fault[0].isoformat(), fault[1])
        enterprise = registry.enterprises.get(name)
        if enterprise is None:
            notes.append(f"{name} is no longer registered: its entries were not compared with readings")
        else:
            booked = book.standing(name, None, *span)
            standing = [one for one in booked if (name, one.draft.source, one.draft.day) not in waiting]
            if len(standing) < len(booked):
                left_out = len(booked) - len(standing)
                notes.append(f"{name}: {left_out} booked days have new readings waiting for the roll-up; left out")
            lines = [one for one in booked if is_line(one.draft.source)]
            adjusted = AdjustmentChecks(self.engine, waiting).first_fault(name, lines, span)
            if adjusted is not None:
                return Broken(name, adjusted[0], adjusted[1].isoformat(), adjusted[2])
            standing = [one for one in standing if not is_line(one.draft.source)]
            broken = self._against_readings(registry, enterprise, standing, checked)
            if broken is not None:
                return broken
            days_of: dict[str, set[date]] = {}
            for one in (own for own in booked if not is_line(own.draft.source)):
                days_of.setdefault(one.draft.source, set()).add(one.draft.day)
            fault = UnbookedDays(self.engine, self.timeseries, waiting).first(registry, enterprise, days_of, span)
            if fault is not None:
                return Broken(name, "", fault[0].isoformat(), fault[1])
        return self._statements(name, span, _by_month(sums), checked, notes)

    def _against_readings(
        self, registry: Registry, enterprise: Enterprise, standing: list[Entry], checked: Checked
    ) -> Broken | None:
        """Whether entries, and the stored usage of their days, are what readings and records give now."""
        days_of: dict[str, set[date]] = {}
        for entry in standing:
            days_of.setdefault(entry.draft.source, set()).add(entry.draft.day)
        measured = ComparedUsage(self.timeseries, partial(recomputed_usage, self.timeseries, registry))
        series = SeriesSource(self.timeseries, partial(self.derived.computed, registry, measured))
        source = ActivitySource(RecordsRepository(self.engine), series)
        now = {(one.source, one.day): one for one in source.of_days(registry, enterprise, days_of)}
        for entry in standing:
            checked.entries_against_readings += 1
            draft = entry.draft
            activity = now.get((draft.source, draft.day))
            if activity is None:
                what = f"source {draft.source} on {draft.day}: what it was booked from is gone"
            elif activity.digest != draft.digest:
                what = f"source {draft.source} on {draft.day}: its readings or records are not those it was booked from"
            elif activity.amount_u != draft.amount_u:
                what = (
                    f"source {draft.source} on {draft.day}: booked {draft.amount_u / 1e6} {draft.unit}, the readings "
                    f"give {activity.amount_u / 1e6}"
                )
            else:
                continue
            return Broken(enterprise.id, entry.id, draft.day.isoformat(), what)
        fault = measured.fault(registry)
        return None if fault is None else Broken(enterprise.id, "", fault[0].isoformat(), fault[1])

    def _statements(
        self, name: str, span: tuple[date, date], booked: ByMonth, checked: Checked, notes: list[str]
    ) -> Broken | None:
        reopened = {(one.period, one.version): one for one in ReopeningsRepository(self.engine).of_enterprise(name)}
        statements = StatementsRepository(self.engine).of_enterprise(name)
        due = DueSumsRepository(self.engine).of_enterprise(name)
        if due:
            notes.append(f"{name}: {', '.join(sorted(due))} are due to be summed anew, and may lag behind their months")
        sums = SumChecks.of(statements, due)
        # Months first: what is wrong with one of them shows in its quarter and year too.
        for stored in sorted(statements, key=lambda one: not sums_over(one.period)):
            period = parse_period(stored.period)
            if period.end <= span[0] or period.start >= span[1]:
                continue
            checked.statements += 1
            try:
                what = self._statement(stored, booked.get(stored.period), sums, checked)
            except msgspec.DecodeError as error:
                what = f"its text, or that of one of its months, is no statement: {error}"
            what = what or _reopening(stored, reopened.get((stored.period, stored.version)))
            if what:
                return Broken(name, "", stored.period, f"version {stored.version}: {what}")
        missing = sums.missing()
        if missing is not None:
            return Broken(name, "", missing, "its months have statements, and it has none")
        return None

    def _statement(
        self, stored: StoredStatement, booked: Sequence[Booked] | None, sums: SumChecks, checked: Checked
    ) -> str:
        """What is wrong with one version, or nothing. A quarter or year is held against its months, not entries."""
        if stored.status == "closed":
            checked.signatures += 1
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
        rated = StatementsRepository(self.engine).rating(stored.enterprise, stored.period, stored.version)
        if rated is None:
            return ""
        rating = rating_from(rated.body)
        told = rating.enterprise, rating.period, rating.version, rating.colour
        if told != (rated.enterprise, rated.period, rated.version, rated.colour):
            return f"its rating is stored as {rated.colour}, and its text says {' '.join(map(str, told))}"
        return ""

    def _marked(self) -> set[tuple[str, str, date]]:
        """Days that are marked to be booked anew."""
        marks = DirtyDaysRepository(self.engine)
        return {(one.enterprise, one.source, one.day) for one in marks.claim(marks.count(), date.max)}

    def _waiting(self, registry: Registry) -> set[tuple[str, str, date]]:
        """Days whose readings have changed since they were booked."""
        dirty = self.timeseries.claim_dirty(CLAIM_HOURS)
        days: set[tuple[str, str, date]] = set()
        for window in windows_of(dirty):
            rules = rules_of(registry, window.point_ids)
            if rules:
                for point_id, start_ms, end_ms in reach_of(self.timeseries, rules, window).rows():
                    days |= days_fed_by(registry, point_id, start_ms, end_ms)
        return days


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
    counted = [one for one in own if counts(one.activity, one.scope, compliance)]
    living = [one for one in own if counts(one.activity, one.scope, lifecycle)]
    yield "lifecycle_kg", document.lifecycle_kg, sum(one.emission_g for one in living)
    yield "compliance_kg", document.compliance_kg, sum(one.emission_g for one in counted)
    yield "energy_kgce", document.energy_kgce, sum(one.energy_gce for one in own)
    for name, side, grams in (
        ("location_based", document.location_based, _location_g),
        ("market_based", document.market_based, _market_g),
    ):
        if side is not None:
            yield f"{name}.scope_2_kg", side.scope_2_kg, sum(grams(one) for one in own if one.scope == 2)
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
        scopes[str(one.scope)] += one.emission_g
        stages[one.stage] += one.emission_g
        sources[one.source, one.activity, one.unit] += one.emission_g
    lines = {(line.source, line.activity, line.unit): line.emission_kg for line in document.by_source}
    for name, stated, totals in (("by_scope", document.by_scope, scopes), ("by_stage", document.by_stage, stages)):
        for key in stated.keys() | totals.keys():
            yield f"{name}.{key}", stated.get(key, 0.0), totals[key]
    for source in lines.keys() | sources.keys():
        yield f"by_source.{source[0]}", lines.get(source, 0.0), sources[source]


def _report(checked: Checked, broken: Broken | None, notes: list[str]) -> dict[str, Any]:
    return {
        "ok": broken is None,
        "checked": asdict(checked),
        "first_break": None if broken is None else asdict(broken),
        "notes": notes,
    }
