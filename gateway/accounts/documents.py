"""What people and platforms are given: the account as documents, in the words of the outer contract.

Every consumer (API, dashboard, command line, the `statements` and `ratings` tables) speaks these types, so they all
show the same numbers. Kilograms are integer grams ÷ 1000, so three decimals are exact. `body_of` gives the canonical
JSON that is stored and hashed; `statement_from` reads it back.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from collectors.clock import from_ms
from gateway.carbon.model import Entry, Quality, SideTotals, SourceLine, Statement
from gateway.carbon.quality import is_by_record, quality_of_entry
from gateway.registry.model import Enterprise, Group, Method
from gateway.store.canonical_json import canonical


class Bilingual(msgspec.Struct, frozen=True, kw_only=True):
    zh: str
    en: str


# --- statement ------------------------------------------------------------------------------------------------------


class QualityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Scores from 1 (best) to 4, and ± percent by error propagation; docs/guarantees.md says what they rest on."""

    activity_score: float
    factor_score: float
    uncertainty_percent: float


class SourceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One source's share of a statement."""

    source: str
    activity: str
    scope: int
    stage: str
    amount: float
    unit: str
    emission_kg: float
    energy_kgce: float
    factor: str
    basis: str
    quality: QualityDocument | None = None


class SideDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Totals with all electricity counted by location, or by market (GHG Protocol scope 2 guidance)."""

    scope_2_kg: float
    compliance_kg: float
    lifecycle_kg: float


class MethodDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement was made by; see docs/adding-a-method.md."""

    id: str  # file in config/methods; "" = written out in the registry
    electricity: str
    market: str
    booked: str
    fuel_set: str
    gwp: str
    compliance: tuple[Group, ...]
    lifecycle: tuple[Group, ...]


class ReopeningDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who opened a closed month again, and why; its statement's next version says so for good."""

    at: str
    by: str
    why: str


class SummedMonth(msgspec.Struct, frozen=True, kw_only=True):
    """A month of a quarter or year: which version of its statement is in the sums."""

    period: str
    version: int
    status: Literal["open", "closed"]
    hash: str


class CorrectionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a version has more of one source than its predecessor; with a minus, less."""

    source: str
    activity: str
    amount: float
    unit: str
    emission_kg: float
    energy_kgce: float
    reasons: tuple[str, ...]  # of the entries that made the difference


class StatementDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of a period. Months, quarters and years have versions; a day is summed when asked for and has version 0."""

    enterprise: str
    period: str
    version: int
    status: Literal["open", "closed"]
    compliance_kg: float
    lifecycle_kg: float
    energy_kgce: float
    by_scope: dict[str, float]
    by_stage: dict[str, float]
    by_source: tuple[SourceDocument, ...]
    coverage: float
    estimated_share: float
    provisional_share: float
    findings_open: int
    days: int  # days of the period that have ended and are summed
    last_seq: int  # newest ledger entry contained
    notes: tuple[str, ...] = ()
    hash: str = ""  # SHA-256 over the stored body; empty for a period summed when asked for
    predecessor: int | None = None  # the version that this one corrects
    signature: str = ""  # of a closed version: JWS with detached payload
    location_based: SideDocument | None = None  # None in versions stored before both were stated
    market_based: SideDocument | None = None
    method: MethodDocument | None = None
    quality: QualityDocument | None = None
    reopened: ReopeningDocument | None = None  # how this version came to follow a closed one: by an operator's act
    months: tuple[SummedMonth, ...] = ()  # of a quarter or year: what it is the sum of, oldest first
    corrections: tuple[CorrectionDocument, ...] = ()  # what it states otherwise than its predecessor


class SignedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A closed statement with its signature, in the form that any JOSE library checks."""

    enterprise: str
    period: str
    version: int
    jws: str  # RFC 7515, compact; its payload is the statement's stored text, whose SHA-256 is its hash


# --- entries, findings ----------------------------------------------------------------------------------------------


class EntryDocument(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    enterprise: str
    seq: int
    source: str
    day: str
    activity: str
    scope: int
    stage: str
    category: int
    amount: float
    unit: str
    factor: str
    edition: str
    basis: str
    gwp: str
    emission_kg: float
    energy_kgce: float
    provisional: bool
    coverage: float
    estimated_share: float
    digest: str
    reason: str
    reverses: str | None  # id of the entry that this one takes back
    booked_at: str
    previous_hash: str
    hash: str
    quality: QualityDocument  # of this one entry; a statement's is that of its entries, weighted by emission


class FindingDocument(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    enterprise: str
    name: str
    subject: str
    at: str
    severity: Literal["info", "warning", "error"]
    status: str
    values: dict[str, Any]
    text: Bilingual
    first_seen: str
    resolved_at: str | None
    acknowledged_at: str | None  # None = open, or resolved without anybody having taken note
    acknowledged_by: str
    acknowledged_why: str


def statement_document(
    statement: Statement, version: int, status: Literal["open", "closed"], predecessor: int | None = None
) -> StatementDocument:
    """The statement as it is served and stored."""
    return StatementDocument(
        enterprise=statement.enterprise,
        period=statement.period,
        version=version,
        status=status,
        compliance_kg=kilo(statement.compliance_g),
        lifecycle_kg=kilo(statement.lifecycle_g),
        energy_kgce=kilo(statement.energy_gce),
        by_scope={str(scope): kilo(grams) for scope, grams in statement.by_scope_g.items()},
        by_stage={stage: kilo(grams) for stage, grams in statement.by_stage_g.items()},
        by_source=tuple(_source_document(line) for line in statement.by_source),
        coverage=statement.coverage,
        estimated_share=statement.estimated_share,
        provisional_share=statement.provisional_share,
        findings_open=statement.findings_open,
        days=statement.days,
        last_seq=statement.last_seq,
        notes=statement.notes,
        predecessor=predecessor,
        location_based=_side_document(statement.by_location),
        market_based=_side_document(statement.by_market),
        method=_method_document(statement.method),
        quality=None if statement.quality is None else quality_document(statement.quality),
    )


def as_far_as(was: StatementDocument, now: StatementDocument) -> StatementDocument:
    """The new statement without what an older version of this program did not state yet, so that the two compare."""
    unstated = [name for name in ("location_based", "market_based", "method", "quality") if getattr(was, name) is None]
    if "quality" in unstated:
        lines = tuple(msgspec.structs.replace(line, quality=None) for line in now.by_source)
        now = msgspec.structs.replace(now, by_source=lines)
    return msgspec.structs.replace(now, **dict.fromkeys(unstated))


def quality_document(quality: Quality) -> QualityDocument:
    """Scores and percent to two decimals."""
    return QualityDocument(
        activity_score=round(quality.activity_score, 2),
        factor_score=round(quality.factor_score, 2),
        uncertainty_percent=round(quality.uncertainty_percent, 2),
    )


def _side_document(totals: SideTotals | None) -> SideDocument | None:
    if totals is None:
        return None
    return SideDocument(
        scope_2_kg=kilo(totals.scope_2_g),
        compliance_kg=kilo(totals.compliance_g),
        lifecycle_kg=kilo(totals.lifecycle_g),
    )


def _method_document(method: Method | None) -> MethodDocument | None:
    if method is None:
        return None
    return MethodDocument(
        id=method.id,
        electricity=method.electricity,
        market=method.market or method.electricity,
        booked=method.booked,
        fuel_set=method.fuel_set,
        gwp=method.gwp,
        compliance=method.compliance,
        lifecycle=method.lifecycle,
    )


def _source_document(line: SourceLine) -> SourceDocument:
    return SourceDocument(
        source=line.source,
        activity=line.activity,
        scope=line.scope,
        stage=line.stage,
        amount=line.amount_u / 1_000_000,
        unit=line.unit,
        emission_kg=kilo(line.emission_g),
        energy_kgce=kilo(line.energy_gce),
        factor=line.factor,
        basis=line.basis,
        quality=None if line.quality is None else quality_document(line.quality),
    )


def entry_document(entry: Entry, enterprise: Enterprise) -> EntryDocument:
    """A ledger entry as it is served; its enterprise as registered says where amounts come from."""
    draft = entry.draft
    return EntryDocument(
        id=entry.id,
        enterprise=draft.enterprise,
        seq=entry.seq,
        source=draft.source,
        day=draft.day.isoformat(),
        activity=draft.activity,
        scope=draft.scope,
        stage=draft.stage,
        category=draft.category,
        amount=draft.amount_u / 1_000_000,
        unit=draft.unit,
        factor=draft.factor,
        edition=draft.edition,
        basis=draft.basis,
        gwp=draft.gwp,
        emission_kg=kilo(draft.emission_g),
        energy_kgce=kilo(draft.energy_gce),
        provisional=draft.provisional,
        coverage=draft.coverage_ppm / 1_000_000,
        estimated_share=draft.estimated_ppm / 1_000_000,
        digest=draft.digest,
        reason=entry.reason,
        reverses=None if entry.reverses is None else f"{draft.enterprise}-{entry.reverses}",
        booked_at=instant(entry.booked_at_ms),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
        quality=quality_document(quality_of_entry(draft, by_record=is_by_record(draft, enterprise))),
    )


def body_of(document: msgspec.Struct) -> str:
    """Canonical JSON: what is stored, hashed and signed."""
    return canonical(msgspec.to_builtins(document))


def statement_from(body: str) -> StatementDocument:
    """A stored statement; raises msgspec.ValidationError if the table holds something else."""
    return msgspec.json.decode(body, type=StatementDocument)


def instant(at_ms: int) -> str:
    """ISO 8601 in UTC with Z; milliseconds only where there are some."""
    at = from_ms(at_ms)
    return at.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")


def kilo(amount: int) -> float:
    """Grams to kilograms; exact to the gram."""
    return amount / 1000
