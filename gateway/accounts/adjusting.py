"""Asking for an adjustment, approving it, withdrawing it: each by a named person, with a reason, kept for good.

What stays true: nothing is booked without author, reason and evidence; what is large needs a second person, who is
another one than its author; whatever changes what stands marks its day, so that the next roll-up books it or takes it
back.

Limits: names are what an administrator says they are. The threshold is that of the moment of asking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import instant, kilo
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.adjustments import Adjustment, Decided, Decision, Status, line_of
from gateway.carbon.model import OPERATOR_BASIS
from gateway.registry.model import Enterprise, Source
from gateway.store.acts_schema import adjustments as adjustments_table
from gateway.store.adjustments_repository import AdjustmentsRepository
from gateway.store.database import take_turns, writing
from gateway.store.dirty_days_repository import DirtyDaysRepository

MAX_KG = Decimal(10) ** 12  # what one adjustment may move; a thousand million tonnes
MAX_LINE = 64  # characters of a source's id in the ledger
FIRST_DAY = date(2000, 1, 1)


class AdjustmentRefused(ValueError):
    """What was asked cannot be done. The message says why."""


class DecisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    decision: Decided
    at: str
    by: str
    why: str


class AdjustmentDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    number: int
    source: str
    day: str
    emission_kg: float
    energy_kgce: float
    author: str
    why: str
    evidence: str
    at: str
    needs_approval: bool
    status: Status
    decisions: list[DecisionDocument]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for; amounts are decimal text in kilograms."""

    source: str
    day: date
    emission_kg: str
    energy_kgce: str
    author: str
    why: str
    evidence: str  # SHA-256 of a stored file


def ask_for(
    engine: Engine, enterprise: Enterprise, asked: Asked, threshold_kg: float, today: date, now_ms: int
) -> AdjustmentDocument:
    """Keep an adjustment: it stands at once, or waits for a second person if it is above the threshold."""
    source = enterprise.source(asked.source)
    if source is None:
        known = ", ".join(own.id for own in enterprise.sources)
        raise AdjustmentRefused(f"{enterprise.id} has no source {asked.source!r}; it has {known}")
    if len(line_of(source.id)) > MAX_LINE:
        raise AdjustmentRefused(f"the id {source.id} is too long for a line of its own: {MAX_LINE} characters at most")
    if not FIRST_DAY <= asked.day <= today:
        raise AdjustmentRefused(f"{asked.day} is no day that can be adjusted: from {FIRST_DAY} to {today}")
    emission_g, energy_gce = _grams(asked.emission_kg, "emission_kg"), _grams(asked.energy_kgce, "energy_kgce")
    if not emission_g and not energy_gce:
        raise AdjustmentRefused("it adjusts nothing: emission or energy must be other than zero")
    needs_approval = threshold_kg == 0 or max(abs(emission_g), abs(energy_gce)) > threshold_kg * 1000
    adjustment = _new(enterprise, source, asked, (emission_g, energy_gce), needs_approval, now_ms)
    with writing(engine) as connection:
        repository = AdjustmentsRepository(connection)
        number = repository.add(adjustment)
        (kept,) = repository.of_enterprise(enterprise.id, numbers=[number])
        if kept.status == "standing":
            _mark(DirtyDaysRepository(connection), kept)
    return document_of(kept)


def _new(
    enterprise: Enterprise, source: Source, asked: Asked, grams: tuple[int, int], needs_approval: bool, now_ms: int
) -> Adjustment:
    kind = ACTIVITIES[source.activity]
    return Adjustment(
        enterprise=enterprise.id,
        number=0,
        source=source.id,
        day=asked.day,
        activity=source.activity,
        scope=source.scope,
        stage=source.stage,
        category=source.category or kind.category,
        unit=kind.units[0],
        emission_g=grams[0],
        energy_gce=grams[1],
        author=asked.author,
        why=asked.why,
        evidence=asked.evidence,
        needs_approval=needs_approval,
        at_ms=now_ms,
    )


def decide(
    engine: Engine, enterprise: str, number: int, decided: Decided, by: str, why: str, now_ms: int
) -> AdjustmentDocument:
    """Approve or withdraw an adjustment; raises AdjustmentRefused if there is nothing to decide."""
    with writing(engine) as connection:
        take_turns(connection, adjustments_table)
        repository = AdjustmentsRepository(connection)
        found = repository.of_enterprise(enterprise, numbers=[number])
        if not found:
            raise AdjustmentRefused(f"{enterprise} has no adjustment {number}")
        _check(found[0], decided, by)
        repository.decide(enterprise, number, Decision(decided, now_ms, by, why))
        (kept,) = repository.of_enterprise(enterprise, numbers=[number])
        if "standing" in (found[0].status, kept.status):
            _mark(DirtyDaysRepository(connection), kept)
    return document_of(kept)


def _check(adjustment: Adjustment, decided: Decided, by: str) -> None:
    if adjustment.status == "withdrawn":
        raise AdjustmentRefused(f"adjustment {adjustment.number} was withdrawn: ask for a new one")
    if decided == "withdrawn":
        return
    if adjustment.status == "standing":
        raise AdjustmentRefused(f"adjustment {adjustment.number} stands already: nobody needs to approve it")
    if by.casefold() == adjustment.author.casefold():
        raise AdjustmentRefused(f"{by} asked for adjustment {adjustment.number}: another person must approve it")


def listed(engine: Engine, enterprise: str, *, after: int = 0, limit: int | None = None) -> list[AdjustmentDocument]:
    """An enterprise's adjustments by number, those that wait and those that were withdrawn too."""
    found = AdjustmentsRepository(engine).of_enterprise(enterprise, after=after, limit=limit)
    return [document_of(one) for one in found]


def document_of(adjustment: Adjustment) -> AdjustmentDocument:
    """An adjustment as it is served."""
    return AdjustmentDocument(
        enterprise=adjustment.enterprise,
        number=adjustment.number,
        source=adjustment.source,
        day=adjustment.day.isoformat(),
        emission_kg=kilo(adjustment.emission_g),
        energy_kgce=kilo(adjustment.energy_gce),
        author=adjustment.author,
        why=adjustment.why,
        evidence=adjustment.evidence,
        at=instant(adjustment.at_ms),
        needs_approval=adjustment.needs_approval,
        status=adjustment.status,
        decisions=[
            DecisionDocument(decision=one.decision, at=instant(one.at_ms), by=one.by, why=one.why)
            for one in adjustment.decisions
        ],
    )


def _mark(days: DirtyDaysRepository, adjustment: Adjustment) -> None:
    days.mark([(adjustment.enterprise, line_of(adjustment.source), adjustment.day)], OPERATOR_BASIS)


def _grams(text: str, name: str) -> int:
    """Kilograms as decimal text in whole grams; a number that is finer is refused, not rounded."""
    try:
        kilograms = Decimal(text)
    except InvalidOperation as error:
        raise AdjustmentRefused(f"{name}: {text[:40]!r} is no number") from error
    if not kilograms.is_finite() or abs(kilograms) > MAX_KG:
        raise AdjustmentRefused(f"{name}: at most {MAX_KG:,} kg can be adjusted at once")
    if kilograms * 1000 % 1:
        raise AdjustmentRefused(f"{name}: {text[:40]} is finer than a gram; write at most three decimals")
    return int(kilograms * 1000)
