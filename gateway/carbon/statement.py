"""Entries summed to a statement. Sums of integers: exact, and in any order.

What stays true: reversals cancel what they take back, so it makes no difference whether a caller hands over all
entries or only those that stand. Coverage counts a day without an entry as uncovered: missing is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from gateway.carbon.activities import ACTIVITIES, group_of
from gateway.carbon.emission import side_g
from gateway.carbon.model import Draft, Entry, SideTotals, SourceLine, Statement
from gateway.carbon.quality import Part, is_by_record, quality_of, quality_of_source
from gateway.registry.model import STAGES, Enterprise, Group, Method

SCOPES = (1, 2, 3)
PPM = 1_000_000


def statement_of(
    enterprise: Enterprise,
    period: str,
    entries: Iterable[Entry],
    *,
    days: int,
    findings_open: int,
    last_seq: int,
) -> Statement:
    """The statement of a period out of its entries.

    `days` are the days of the period that have ended; `last_seq` is the newest entry of the enterprise's chain.
    """
    standing = _standing(entries)
    drafts = [entry.draft for entry in standing]
    by_scope_g = {scope: sum(d.emission_g for d in drafts if d.scope == scope) for scope in SCOPES}
    method = enterprise.method
    lines = _lines(enterprise, standing)
    silent = _silent_sources(enterprise, drafts) if days else []
    return Statement(
        enterprise=enterprise.id,
        period=period,
        days=days,
        compliance_g=sum(d.emission_g for d in drafts if counts(d.activity, d.scope, method.compliance)),
        lifecycle_g=sum(d.emission_g for d in drafts if counts(d.activity, d.scope, method.lifecycle)),
        energy_gce=sum(draft.energy_gce for draft in drafts),
        by_scope_g=by_scope_g,
        by_stage_g={stage: sum(d.emission_g for d in drafts if d.stage == stage) for stage in STAGES},
        by_source=lines,
        coverage=_coverage(enterprise, drafts, days),
        estimated_share=_share_of_gross(drafts, lambda draft: draft.estimated_ppm / PPM),
        provisional_share=_share_of_gross(drafts, lambda draft: float(draft.provisional)),
        findings_open=findings_open,
        last_seq=last_seq,
        notes=tuple(f"{source}: 无分录 / no entries" for source in silent),
        by_location=_side(drafts, "location", method),
        by_market=_side(drafts, "market", method),
        method=method,
        quality=quality_of(Part(line.emission_g, line.quality) for line in lines if line.quality is not None),
    )


def counts(activity: str, scope: int, groups: Collection[Group]) -> bool:
    """Whether a total that counts these groups of activities counts this one."""
    kind = ACTIVITIES.get(activity)
    if kind is None:  # booked by a kind that this version no longer knows
        return scope < 3 or "other_indirect" in groups
    return group_of(kind, scope) in groups


def _side(drafts: Sequence[Draft], name: str, method: Method) -> SideTotals:
    """The totals with all electricity by location, or by market."""
    grams = [(draft, side_g(draft, name)) for draft in drafts]
    return SideTotals(
        scope_2_g=sum(own for draft, own in grams if draft.scope == 2),
        compliance_g=sum(own for draft, own in grams if counts(draft.activity, draft.scope, method.compliance)),
        lifecycle_g=sum(own for draft, own in grams if counts(draft.activity, draft.scope, method.lifecycle)),
    )


def _standing(entries: Iterable[Entry]) -> list[Entry]:
    """Entries that are neither reversals nor taken back, by seq."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    taken_back = {entry.reverses for entry in ordered}
    return [entry for entry in ordered if entry.reverses is None and entry.seq not in taken_back]


def _lines(enterprise: Enterprise, standing: Sequence[Entry]) -> tuple[SourceLine, ...]:
    """One line per source and unit, in the registry's order."""
    place = {source.id: index for index, source in enumerate(enterprise.sources)}
    lines: dict[tuple[str, str, str], list[Draft]] = {}
    for draft in (entry.draft for entry in standing):
        lines.setdefault((draft.source, draft.activity, draft.unit), []).append(draft)
    ordered = sorted(lines.items(), key=lambda item: (place.get(item[0][0], len(place)), item[0]))
    return tuple(_line(own, by_record=is_by_record(own[0], enterprise)) for _, own in ordered)


def _line(drafts: Sequence[Draft], *, by_record: bool) -> SourceLine:
    newest = drafts[-1]
    return SourceLine(
        source=newest.source,
        activity=newest.activity,
        scope=newest.scope,
        stage=newest.stage,
        amount_u=sum(draft.amount_u for draft in drafts),
        unit=newest.unit,
        emission_g=sum(draft.emission_g for draft in drafts),
        energy_gce=sum(draft.energy_gce for draft in drafts),
        factor=newest.factor,
        basis=newest.basis,
        quality=quality_of_source(drafts, by_record=by_record),
    )


def _coverage(enterprise: Enterprise, drafts: Sequence[Draft], days: int) -> float:
    """Mean over the measured sources and the ended days; 1 where nothing is measured, 0 where no day has ended."""
    measured = {source.id for source in enterprise.sources if source.feeds and not source.records}
    if not days:
        return 0.0
    if not measured:
        return 1.0
    covered_ppm = sum(draft.coverage_ppm for draft in drafts if draft.source in measured)
    return min(1.0, covered_ppm / (PPM * len(measured) * days))


def _share_of_gross(drafts: Sequence[Draft], share: Callable[[Draft], float]) -> float:
    """The share of gross emission (exports count positive) that something holds for."""
    gross_g = sum(abs(draft.emission_g) for draft in drafts)
    return sum(abs(draft.emission_g) * share(draft) for draft in drafts) / gross_g if gross_g else 0.0


def _silent_sources(enterprise: Enterprise, drafts: Sequence[Draft]) -> list[str]:
    """Registered sources without a single entry: holes that the totals do not show."""
    heard = {draft.source for draft in drafts}
    return [source.id for source in enterprise.sources if source.id not in heard]
