"""From a ledger entry back to the registers: entry → calculation → factors → hours → readings → register, or → records.

Everything is looked up, nothing recomputed: the calculation is the entry's own, as it was booked. Hours and readings
are those that stand now; if they changed since, the entry's digest no longer fits and `tanmai verify` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine

from collectors.clock import to_ms
from collectors.profile import MeterProfile
from collectors.quantities import QUANTITIES
from gateway.accounts.derived_steps import FormulaStep, formula_of, inputs_behind
from gateway.accounts.documents import Bilingual, EntryDocument, QualityDocument, entry_document, instant, kilo
from gateway.accounts.provenance import (
    DroppedStep,
    RawStep,
    SignatureStep,
    dropped_of,
    raw_of,
    signatures_of,
)
from gateway.accounts.series import UsageItem, hours_of
from gateway.carbon.calendar import day_window_ms
from gateway.carbon.explain import BASES, computed, energy_computed, other_side
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import Draft, Entry
from gateway.carbon.quality import ACTIVITY, FACTOR
from gateway.registry.model import DERIVED, Enterprise, Point, Registry, Source
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import RecordsRepository
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore


class FactorStep(msgspec.Struct, frozen=True, kw_only=True):
    """One number of the formula that was published somewhere."""

    term: str
    id: str
    value: str
    unit: str
    edition: str
    region: str
    valid_from: str
    valid_to: str
    published_on: str
    source: str
    confidence: str
    note: str = ""  # the remark beside the value, such as a blend's composition


class ReadingStep(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    value: float
    quality: int


class RegisterStep(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the instrument a value stands; `address` is 0-based, as it goes over the wire."""

    profile: str
    maker: str
    model: str
    function_code: int
    address: int
    dtype: str
    word_order: str
    scale: str
    document: str


class PointStep(msgspec.Struct, frozen=True, kw_only=True):
    """A point that feeds the source: its hours of the day and the readings that they were made of."""

    point: str
    share: str
    quantity: str
    unit: str | None
    amount: float
    hours: list[UsageItem]
    readings: int  # inside the day; of a day whose raw readings were removed as many as its proof says
    first: ReadingStep | None  # at the day's start or the last one before it: where its usage begins to be counted
    last: (
        ReadingStep | None
    )  # at the day's end or the first one after it; as long as there is none, the last one inside
    register: RegisterStep | None  # None = the point is described in the registry, not by a profile
    formula: FormulaStep | None  # of a derived point, which no instrument shows
    raw: RawStep | None  # where its raw readings are; None for a derived point


class RecordStep(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    start: str
    end: str
    amount: float
    unit: str
    note: str
    supersedes: str  # id of the record that it corrects
    evidence: str  # SHA-256 of the file that backs it


class AdjustmentStep(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked to be added, as the entry itself says it."""

    number: int
    emission_kg: float
    energy_kgce: float
    author: str
    why: str
    evidence: str  # SHA-256 of a file in the evidence store
    asked_at: str
    approved_by: str  # "" = it was below the threshold
    approved_why: str
    approved_at: str


class Grades(msgspec.Struct, frozen=True, kw_only=True):
    """An entry's two scores in words, each with the ± percent that it stands for."""

    activity: Bilingual
    activity_percent: float
    factor: Bilingual
    factor_percent: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    entry: EntryDocument
    reversed_by: str | None  # the entry that takes this one back; None = it stands, or is itself a reversal
    timezone: str
    window_from: str
    window_to: str
    calculation: dict[str, Any]  # as it was booked, and as its hash covers it
    computed: str  # the same in one line: 120.5 kWh × 0.5306 kgCO2/kWh = 63937 gCO2e
    energy_computed: str  # "" where the activity carries no energy
    other_method: str  # location | market, where the same electricity counts otherwise by that method; else ""
    other_computed: str  # its line, with numbers and units
    basis: Bilingual  # why these factors
    grades: Grades  # what the scores of entry.quality mean
    factors: list[FactorStep]
    points: list[PointStep]
    inputs: list[PointStep]  # what derived ones of these points are computed from, down to the instruments
    signatures: list[SignatureStep]  # of the batches that the readings came in; none for records
    dropped: list[DroppedStep]  # what agents gave up of that time
    records: list[RecordStep]
    adjustments: list[AdjustmentStep]  # of an entry that operators asked for


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the causes of entries are looked up."""

    engine: Engine
    timeseries: TimeSeriesStore
    registry: Registry
    factors: FactorBook
    profiles: Mapping[str, MeterProfile]


def explanation_of(archive: Archive, enterprise: str, seq: int) -> Explanation | None:
    """The chain of causes; None if there is no such entry."""
    ledger = LedgerRepository(archive.engine)
    entry = ledger.entry(enterprise, seq)
    registered = archive.registry.enterprises.get(enterprise)
    if entry is None or registered is None:
        return None
    reversal = ledger.reversal_of(enterprise, seq)
    timezone = archive.registry.park_of(enterprise).timezone
    window_ms = day_window_ms(entry.draft.day, timezone)
    source = registered.source(entry.draft.source)
    document = entry_document(entry, registered)
    points = [] if source is None else _points(archive, registered, source, window_ms)
    inputs = [] if source is None else _inputs(archive, registered, source, window_ms)
    measured = [point for point in (*points, *inputs) if point.raw is not None]
    span_ms = _span(measured, window_ms)
    devices = [point.point.partition(".")[0] for point in measured]
    return Explanation(
        id=entry.id,
        entry=document,
        reversed_by=None if reversal is None else reversal.id,
        timezone=timezone,
        window_from=instant(window_ms[0]),
        window_to=instant(window_ms[1]),
        calculation=entry.draft.calculation,
        computed=computed(entry.draft),
        energy_computed=energy_computed(entry.draft),
        other_method=other_side(entry.draft)[0],
        other_computed=other_side(entry.draft)[1],
        basis=_basis(entry.draft.basis),
        grades=_grades(document.quality),
        factors=_factors(archive.factors, entry),
        points=points,
        inputs=inputs,
        signatures=signatures_of(archive.engine, registered, devices, span_ms) if measured else [],
        dropped=dropped_of(archive.engine, enterprise, span_ms) if measured else [],
        records=[] if source is None or not source.records else _records(archive.engine, entry.draft),
        adjustments=[_adjustment(one) for one in entry.draft.calculation.get("adjustments", ())],
    )


def _adjustment(part: Mapping[str, Any]) -> AdjustmentStep:
    approved = part["approved"]
    return AdjustmentStep(
        number=part["number"],
        emission_kg=kilo(int(part["emission_g"])),
        energy_kgce=kilo(int(part["energy_gce"])),
        author=part["author"],
        why=part["why"],
        evidence=part["evidence"],
        asked_at=instant(part["asked_at_ms"]),
        approved_by="" if approved is None else approved["by"],
        approved_why="" if approved is None else approved["why"],
        approved_at="" if approved is None else instant(approved["at_ms"]),
    )


def _basis(code: str) -> Bilingual:
    """The basis in words; a code without words is shown as it is."""
    zh, en = BASES.get(code, (code, code))
    return Bilingual(zh=zh, en=en)


def _grades(quality: QualityDocument) -> Grades:
    activity, factor = ACTIVITY[int(quality.activity_score)], FACTOR[int(quality.factor_score)]
    return Grades(
        activity=Bilingual(zh=activity.zh, en=activity.en),
        activity_percent=activity.percent,
        factor=Bilingual(zh=factor.zh, en=factor.en),
        factor_percent=factor.percent,
    )


def _factors(book: FactorBook, entry: Entry) -> list[FactorStep]:
    """The published numbers of the formula, then those of its energy side; one that is in both stands once."""
    calculation = entry.draft.calculation
    parts = [calculation, *(calculation.get(part, {}) for part in ("energy", "location", "market"))]
    terms = [term for part in parts for term in part.get("terms", {}).items()]
    steps: list[FactorStep] = []
    for name, term in terms:
        factor = book.factors.get(term["factor"])
        if factor is None:
            if term["edition"] and not term["factor"]:
                steps.append(_own_step(name, term))
            continue  # a constant such as 44/12 stands in the calculation
        steps.append(
            FactorStep(
                term=name,
                id=factor.id,
                value=term["value"],
                unit=term["unit"],
                edition=factor.edition,
                region=factor.region,
                valid_from=factor.valid_from.isoformat(),
                valid_to=factor.valid_to.isoformat(),
                published_on=factor.published_on.isoformat(),
                source=factor.source,
                confidence=factor.confidence,
                note=book.notes.get(factor.id, ""),
            )
        )
    return list(dict.fromkeys(steps))


def _own_step(name: str, term: dict[str, str]) -> FactorStep:
    """A number of the plant's laboratory or of a supplier: its document is where it comes from."""
    return FactorStep(
        term=name,
        id="",
        value=term["value"],
        unit=term["unit"],
        edition="",
        region="",
        valid_from="",
        valid_to="",
        published_on="",
        source=term["edition"],
        confidence="own",
    )


def _points(archive: Archive, enterprise: Enterprise, source: Source, window_ms: tuple[int, int]) -> list[PointStep]:
    by_name = {(point.device, point.id): point for point in enterprise.every_point()}
    return [
        _point(archive, enterprise, by_name[feed.device, feed.point], feed.share, window_ms) for feed in source.feeds
    ]


def _inputs(archive: Archive, enterprise: Enterprise, source: Source, window_ms: tuple[int, int]) -> list[PointStep]:
    """What the source's derived points are made of; their share is said by the formula."""
    by_name = {(point.device, point.id): point for point in enterprise.every_point()}
    fed = [by_name[feed.device, feed.point] for feed in source.feeds]
    return [_point(archive, enterprise, point, "1", window_ms) for point in inputs_behind(enterprise, fed)]


def _point(archive: Archive, enterprise: Enterprise, point: Point, share: str, window_ms: tuple[int, int]) -> PointStep:
    profile_id = next((device.profile for device in enterprise.devices if device.id == point.device), None)
    usage = archive.timeseries.usage([point.point_id], *window_ms)
    start_ms, end_ms = window_ms
    readings = archive.timeseries.read([point.point_id], start_ms, end_ms)
    before = archive.timeseries.before([point.point_id], start_ms + 1, 1)
    after = archive.timeseries.after([point.point_id], end_ms, 1)
    raw = None
    if point.device != DERIVED:
        raw = raw_of(archive.engine, archive.timeseries, enterprise.id, point.point_id, window_ms)
    return PointStep(
        point=f"{point.device}.{point.id}",
        share=share,
        quantity=point.quantity,
        unit=QUANTITIES[point.quantity].usage_unit,
        amount=int(np.sum(usage.amount_u)) / 1_000_000,
        hours=hours_of(usage),
        readings=len(readings) if raw is None or raw.proof is None else raw.proof.readings,
        first=_reading(before if len(before) else readings, 0),
        last=_reading(after if len(after) else readings, -1),
        register=_register(archive.profiles.get(profile_id or ""), point),
        formula=formula_of(archive.timeseries, enterprise, point, window_ms),
        raw=raw,
    )


def _span(measured: Sequence[PointStep], window_ms: tuple[int, int]) -> tuple[int, int]:
    """From the first to the last reading that the day's usage was counted by."""
    first = [to_ms(datetime.fromisoformat(point.first.at)) for point in measured if point.first is not None]
    last = [to_ms(datetime.fromisoformat(point.last.at)) for point in measured if point.last is not None]
    return min([*first, window_ms[0]]), max([*last, window_ms[1]])


def _reading(readings: ReadingColumns, index: int) -> ReadingStep | None:
    if not len(readings):
        return None
    return ReadingStep(
        at=instant(int(readings.at_ms[index])),
        value=float(readings.value[index]),
        quality=int(readings.quality[index]),
    )


def _register(profile: MeterProfile | None, point: Point) -> RegisterStep | None:
    spec = None if profile is None else profile.by_point.get(point.id)
    if profile is None or spec is None:
        return None
    return RegisterStep(
        profile=profile.id,
        maker=profile.maker,
        model=profile.model,
        function_code=spec.function_code,
        address=spec.address,
        dtype=spec.dtype,
        word_order=spec.word_order,
        scale=str(spec.scale),
        document=profile.source.document,
    )


def _records(engine: Engine, draft: Draft) -> list[RecordStep]:
    records = RecordsRepository(engine).overlapping(
        draft.enterprise, draft.source, draft.day, draft.day + timedelta(days=1)
    )
    return [
        RecordStep(
            id=record.record_id,
            start=record.start_day.isoformat(),
            end=record.end_day.isoformat(),
            amount=record.amount_u / 1_000_000,
            unit=record.unit,
            note=record.note,
            supersedes=record.supersedes,
            evidence=record.evidence,
        )
        for record in records
    ]
