"""Whether quarters and years are the sums of the months that they name, and what corrected versions say of it.

What stays true: everything is added up again from the months' stored statements with the calculation that made the
sums. A quarter or year that is due to be summed anew is not compared with months that have changed since; it is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.accounts.corrections import corrections_between
from gateway.accounts.documents import StatementDocument, statement_from
from gateway.accounts.periods import parse_period
from gateway.accounts.sums import Month, add_up, months_of
from gateway.store.due_sums_repository import sums_over
from gateway.store.statements_repository import StoredStatement


@dataclass(frozen=True, slots=True)
class SumChecks:
    """The statements of one enterprise, all versions of all periods, and which sums are due to be made anew."""

    kept: dict[tuple[str, int], StoredStatement]  # by period and version
    newest: dict[str, StoredStatement]  # by period
    due: frozenset[str]
    read: dict[tuple[str, int], Month] = field(default_factory=dict)  # months that were read already

    @classmethod
    def of(cls, statements: Sequence[StoredStatement], due: set[str]) -> SumChecks:
        """`statements` by period and version."""
        kept = {(one.period, one.version): one for one in statements}
        return cls(kept, {one.period: one for one in statements}, frozenset(due))

    def fault(self, stored: StoredStatement, document: StatementDocument) -> str:
        """What is wrong with the sums of one version of a quarter or year, or nothing."""
        waits = self.newest[stored.period] is stored and stored.period in self.due
        names = [month.period for month in document.months]
        if not names or names != [month for month in months_of(parse_period(stored.period)) if month in set(names)]:
            return f"is the sum of {', '.join(names) or 'no month'}: those are not its months, each once and in order"
        for month in document.months:
            own = self.kept.get((month.period, month.version))
            if own is None or (own.hash, own.status) != (month.hash, month.status):
                if waits:
                    return ""
                return f"is the sum of version {month.version} of {month.period}, which is not the one that is stored"
            if stored.status == "closed" and month.status != "closed":
                return f"is closed though version {month.version} of {month.period}, which it sums, is open"
        return self._differs(document) or ("" if waits else self._outdated(stored, document))

    def _differs(self, document: StatementDocument) -> str:
        """Whether its figures are other ones than its months add up to."""
        months = [self._month(month.period, month.version) for month in document.months]
        summed = add_up(parse_period(document.period), months, document.months[0].period)
        added = dict(_figures(summed.document(document.version, document.predecessor)))
        stated = dict(_figures(document))
        for name in (*added, *(name for name in stated if name not in added)):
            if stated.get(name, 0) != added.get(name, 0):
                return f"states {name} {stated.get(name, 0)}, its months add up to {added.get(name, 0)}"
        return ""

    def _outdated(self, stored: StoredStatement, document: StatementDocument) -> str:
        """Whether the newest version lacks the newest version of a month."""
        if self.newest[stored.period] is not stored:
            return ""
        named = {month.period: month.version for month in document.months}
        for month in months_of(parse_period(stored.period)):
            newest = self.newest.get(month)
            if newest is not None and named.get(month) != newest.version:
                return f"does not sum version {newest.version} of {month}, and it is not due to be summed anew"
        return ""

    def correction_fault(self, document: StatementDocument) -> str:
        """Whether what a version says it corrects is not its difference from its predecessor, or nothing."""
        was = self.kept.get((document.period, document.predecessor or 0))
        if was is None or not document.corrections:
            return ""
        reasons = {one.source: one.reasons for one in document.corrections}
        if corrections_between(statement_from(was.body), document, reasons) == document.corrections:
            return ""
        return f"says of its corrections what is not its difference from version {was.version}"

    def missing(self) -> str | None:
        """The first quarter or year that is not there though one of its months is; None if all are."""
        wanted = {period for month in self.newest for period in sums_over(month)}
        return min(wanted - self.newest.keys() - self.due, default=None)

    def _month(self, period: str, version: int) -> Month:
        if (period, version) not in self.read:
            self.read[period, version] = Month.of(self.kept[period, version])
        return self.read[period, version]


def _figures(document: StatementDocument) -> Iterator[tuple[str, float]]:
    """Every exact figure of a statement under its name."""
    for name in ("compliance_kg", "lifecycle_kg", "energy_kgce", "days", "findings_open"):
        yield name, getattr(document, name)
    for group, sums in (("by_scope", document.by_scope), ("by_stage", document.by_stage)):
        for key, kg in sums.items():
            yield f"{group}.{key}", kg
    for line in document.by_source:
        for figure in ("amount", "emission_kg", "energy_kgce"):
            yield f"{line.source} {line.activity} {line.unit} {figure}", getattr(line, figure)
    for name, side in (("location_based", document.location_based), ("market_based", document.market_based)):
        if side is not None:
            for figure in ("scope_2_kg", "compliance_kg", "lifecycle_kg"):
                yield f"{name}.{figure}", getattr(side, figure)
