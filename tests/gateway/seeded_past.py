"""What the seeded park has behind it: booked days, readings of a week, records, statements, ratings, and oddities."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from collectors.clock import HOUR_MS
from collectors.profile import load_profiles, shipped_config_dir
from gateway.accounts.documents import body_of, statement_document
from gateway.accounts.rating_documents import rating_document
from gateway.carbon import ledger
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.calendar import day_start_ms, days_between
from gateway.carbon.comparison import ProductOutput, RatingInput
from gateway.carbon.emission import draft_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.model import Activity, Draft, Finding, MissingFactor
from gateway.carbon.policy import load_policies
from gateway.carbon.rating import rate
from gateway.carbon.statement import statement_of
from gateway.registry.model import (
    Enterprise,
    Source,
)
from gateway.store.agent_status_repository import AgentStatusRepository
from gateway.store.canonical_json import sha256_of
from gateway.store.findings_repository import FindingsRepository
from gateway.store.ingest_rows import SetAsideRow, StatusRow
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.records_repository import ActivityRecord, RecordsRepository
from gateway.store.set_aside_repository import SetAsideRepository
from gateway.store.statements_repository import StatementsRepository, StoredRating, StoredStatement, Written
from gateway.store.timeseries import ReadingColumns, UsageColumns
from tests.gateway.seeded_enterprises import (
    COVERAGE_PPM,
    DYEING,
    FIRST_DAY,
    MEANS,
    NOW_MS,
    OUTPUT,
    POWER_OF,
    STEEL,
    STEP_MS,
    TILES,
    TODAY,
    WEEK_START,
    ZONE,
)

if TYPE_CHECKING:
    from tests.gateway.seeded_park import SeededPark


@cache
def knowledge() -> tuple[FactorBook, Any, Any]:
    config = shipped_config_dir()
    return FactorBook.load(config), load_policies(config), load_profiles(config)


def seed(park: SeededPark) -> None:
    for place, enterprise in enumerate(MEANS):
        _book(park, enterprise, place)
        _measure(park, enterprise, place)
    _records(park)
    for enterprise in MEANS:
        for month in ("2026-09", "2026-10"):
            _publish(park, enterprise, month)
        _older_months(park, enterprise)
    _oddities(park)


def _swing(at_ms: np.ndarray[Any, Any], place: int) -> np.ndarray[Any, Any]:
    """Around 1: day and night, shifts, and a little unrest that is the same every time."""
    hours = at_ms / HOUR_MS
    day = np.sin((hours + 8 - 9 + place) / 24 * 2 * np.pi) * (0.32 if place % 2 else 0.12)
    shifts = np.sign(np.sin((hours + place * 1.7) / 4 * np.pi)) * 0.05
    unrest = np.sin(at_ms / 977_000.0 + place) * 0.05 + np.sin(at_ms / 3_333_000.0) * 0.04
    return np.asarray(1 + day + shifts + unrest)


def _day_factor(day: date, place: int) -> float:
    weekend = 0.72 if day.weekday() == 6 else 0.9 if day.weekday() == 5 else 1.0
    return weekend * (1 + 0.06 * float(np.sin(day.toordinal() * 1.3 + place)))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _book(park: SeededPark, enterprise_id: str, place: int) -> None:
    """A draft per source and ended day, and for one day a correction: a reversal and a new entry."""
    enterprise = park.registry.enterprises[enterprise_id]
    drafts = [
        draft
        for day in days_between(FIRST_DAY, TODAY)
        for source in enterprise.sources
        if (draft := _draft(enterprise, source, day, _day_factor(day, place))) is not None
    ]
    first = ledger.append(None, ledger.diff([], drafts, "automatic"), day_start_ms(TODAY, ZONE) + 600_000)
    LedgerRepository(park.engine).append(first)
    last = first[-1]
    source = enterprise.source(last.draft.source)
    assert source is not None
    corrected = _draft(enterprise, source, last.draft.day, _day_factor(last.draft.day, place) * 1.004)
    assert corrected is not None
    postings = ledger.diff([last], [corrected], "late-data")
    LedgerRepository(park.engine).append(ledger.append(last, postings, NOW_MS - 3 * HOUR_MS))


def _draft(enterprise: Enterprise, source: Source, day: date, factor: float) -> Draft | None:
    means = MEANS[enterprise.id]
    if source.records:
        amount, unit = (OUTPUT[enterprise.id][1] * 1.03 if day.day % 5 == 0 else 0.0), "t"
    else:
        amount = sum(float(feed.share) * means[f"{feed.device}.{feed.point}"] * 24 for feed in source.feeds) * factor
        unit = "kg" if source.activity == "co2.measured" else ACTIVITIES[source.activity].units[0]
    if not amount:
        return None
    activity = Activity(
        enterprise=enterprise.id,
        source=source.id,
        kind=source.activity,
        day=day,
        amount_u=round(amount * 1_000) * 1_000,
        unit=unit,
        scope=source.scope,
        stage=source.stage,
        category=ACTIVITIES[source.activity].category,
        region="fujian",
        coverage_ppm=COVERAGE_PPM.get(enterprise.id, 1_000_000 - (day.day % 3) * 2_000),
        estimated_ppm=18_000 if day.day == 9 else 0,
        digest=_digest(enterprise.id, source.id, day),
        evidenced=bool(source.evidence),
    )
    chosen = knowledge()[0].choose(activity, enterprise.method, TODAY)
    assert not isinstance(chosen, MissingFactor), chosen.en
    return draft_of(activity, chosen)


def _measure(park: SeededPark, enterprise_id: str, place: int) -> None:
    """Readings every quarter of an hour and their hourly usage, for the last eight days; some devices were away."""
    start_ms = day_start_ms(WEEK_START, ZONE)
    at_ms = np.arange(start_ms, NOW_MS, STEP_MS, dtype=np.int64)
    swing = _swing(at_ms, place)
    for name, mean in MEANS[enterprise_id].items():
        device, _, point = name.rpartition(".")
        away = np.zeros(at_ms.size, dtype=bool)
        if device == "plating-1":
            away = at_ms > NOW_MS - 9 * HOUR_MS
        elif device == "gas-1":
            away = (at_ms > NOW_MS - 70 * HOUR_MS) & (at_ms < NOW_MS - 61 * HOUR_MS)
        elif enterprise_id == TILES:
            away = (at_ms // (5 * HOUR_MS)) % 3 == 0
        counter = 182_345.6 + np.cumsum(swing) * mean / 4
        _store(park, enterprise_id, device, point, at_ms[~away], counter[~away])
        gauge = {"gas-1": "gas_flow_normal"}.get(device, "power")
        _store(park, enterprise_id, device, gauge, at_ms[~away], (swing * mean * POWER_OF.get(point, 1.0))[~away])
        _use(park, enterprise_id, device, point, at_ms, swing * mean / 4, away)


def _store(park: SeededPark, enterprise: str, device: str, point: str, at_ms: Any, values: Any) -> None:
    known = park.registry.points_by_name.get((enterprise, device, point))
    if known is not None:
        ids = np.full(at_ms.size, known.point_id, np.int32)
        park.timeseries.append(ReadingColumns(ids, at_ms, np.round(values, 3), np.zeros(at_ms.size, np.uint8)))


def _use(park: SeededPark, enterprise: str, device: str, point: str, at_ms: Any, amounts: Any, away: Any) -> None:
    hour_ms = at_ms // HOUR_MS * HOUR_MS
    hours, inverse = np.unique(hour_ms, return_inverse=True)
    amount_u = np.round(np.bincount(inverse, weights=amounts) * 1_000_000).astype(np.int64)
    away_share = np.bincount(inverse, weights=away.astype(float)) / np.bincount(inverse)
    point_id = park.registry.points_by_name[enterprise, device, point].point_id
    park.timeseries.put_usage(
        UsageColumns(
            np.full(hours.size, point_id, np.int32),
            hours,
            amount_u,
            np.round(amount_u * away_share).astype(np.int64),
            np.round((1 - away_share) * HOUR_MS).astype(np.int64),
        )
    )


def _records(park: SeededPark) -> None:
    records = []
    for enterprise, (product, daily, value) in OUTPUT.items():
        for month, days in (("2026-09", 30), ("2026-10", 31)):
            start = date.fromisoformat(f"{month}-01")
            end = start + timedelta(days=days)
            unit = park.registry.enterprises[enterprise].products[0].unit
            rows = (
                ("product", product, daily * days, unit),
                ("economic", "output_value", value * days, "10k_cny"),
                ("economic", "added_value", value * days * 0.24, "10k_cny"),
            )
            records += [
                ActivityRecord(
                    enterprise, f"{subject}-{month}", kind, subject, start, end, round(amount * 1_000_000), unit_of
                )
                for kind, subject, amount, unit_of in rows
            ]
    for day in days_between(FIRST_DAY, TODAY):
        if day.day % 5 == 0:
            amount_u = round(OUTPUT[STEEL][1] * 1.03 * 1_000) * 1_000
            records.append(
                ActivityRecord(
                    STEEL,
                    f"billets-{day}",
                    "source",
                    "billets",
                    day,
                    day + timedelta(days=1),
                    amount_u,
                    "t",
                    "送货单 8841",
                )
            )
    RecordsRepository(park.engine).add(records, NOW_MS)


def _publish(park: SeededPark, enterprise_id: str, month: str) -> None:
    enterprise = park.registry.enterprises[enterprise_id]
    start = date.fromisoformat(f"{month}-01")
    end = min((start + timedelta(days=32)).replace(day=1), TODAY)
    book = LedgerRepository(park.engine)
    newest = book.newest(enterprise_id)
    days = (end - start).days
    statement = statement_of(
        enterprise,
        month,
        book.standing(enterprise_id, None, start, end),
        days=days,
        findings_open=1 if enterprise_id == DYEING else 0,
        last_seq=newest.seq if newest else 0,
    )
    store = StatementsRepository(park.engine)
    store.put_all([Written(_open(enterprise_id, month, body_of(statement_document(statement, 1, "open"))))], NOW_MS)
    if month == "2026-09":
        body = body_of(statement_document(statement, 1, "closed"))
        store.freeze(enterprise_id, month, 1, body, park.signer.sign("tanmai-statement", body), NOW_MS)
    product, daily, value = OUTPUT.get(enterprise_id, ("", 0.0, 0.0))
    unit = enterprise.products[0].unit
    output = (
        (ProductOutput(product, unit, round(daily * days * 1_000_000)),)
        if product
        else (ProductOutput(enterprise.products[0].id, unit, None),)
    )
    given = RatingInput(enterprise.industry, output, round(value * days * 1_000_000) or None)
    rating = rating_document(rate(statement, knowledge()[1]["four-colour-demo"], given), 1)
    rated = StoredRating(enterprise_id, month, 1, rating.colour, body_of(rating), NOW_MS)
    store.put_all([Written(rating=rated)], NOW_MS)


def _open(enterprise_id: str, month: str, body: str) -> StoredStatement:
    return StoredStatement(enterprise_id, month, 1, "open", body, sha256_of(body), "", None, NOW_MS)


def _older_months(park: SeededPark, enterprise_id: str) -> None:
    """Statements of months whose entries are not seeded, scaled from September, for the history chart."""
    store = StatementsRepository(park.engine)
    september = park.reader.history(enterprise_id, ["2026-09"])["2026-09"]
    for back, month in enumerate(("2026-08", "2026-07", "2026-06", "2026-05", "2026-04"), 1):
        scale = 1 + 0.05 * back * (-1) ** back
        older = msgspec.structs.replace(
            september,
            period=month,
            by_scope={scope: round(amount * scale, 3) for scope, amount in september.by_scope.items()},
            by_source=(),
            status="open",
            signature="",
        )
        store.put_all([Written(_open(enterprise_id, month, body_of(older)))], NOW_MS)


def _oddities(park: SeededPark) -> None:
    """A finding of each severity, readings set aside, and agents' words."""
    at_ms = NOW_MS - 66 * HOUR_MS
    odd = (
        (STEEL, "counter.glitch", "incomer-1.energy_import", "warning", "一个读数 0 偏离前后趋势，已剔除。",
         "One reading of 0 lies off the line before and after it; it was dropped."),
        (DYEING, "counter.gap", "gas-1.gas_volume_normal", "info", "9 小时没有读数；用量按时间线性分摊并标为估算。",
         "No readings for 9 hours; usage was spread over them and is marked as estimated."),
        (DYEING, "counter.quarantined", "export-1.energy_export", "error", "读数下降且无法归类，已隔离，待判断。",
         "The counter fell and the fall fits no class; it is set apart until an operator decides."),
    )  # fmt: skip
    for enterprise, name, subject, severity, zh, en in odd:
        finding = Finding(name, enterprise, subject, at_ms, severity, {"before": 1234.5, "value": 0.0}, zh, en)  # type: ignore[arg-type]
        FindingsRepository(park.engine).replace(
            enterprise, subject, at_ms, at_ms + 1, [finding], NOW_MS, prefixes=(name,)
        )
    SetAsideRepository(park.engine).add(
        [
            SetAsideRow(NOW_MS - 5 * HOUR_MS, STEEL, "edge-1", "01K7", "unknown_point", "no point power_x", 96, b"{}"),
            SetAsideRow(
                NOW_MS - 20 * HOUR_MS, STEEL, "edge-1", "", "undecodable", "the payload is no JSON", 1, b"\xff"
            ),
        ]
    )
    online = '{"v":1,"online":true,"buffer":{"batches":2,"readings":118,"bytes":20480,"lost_readings":0}}'
    AgentStatusRepository(park.engine).put(
        [
            StatusRow(enterprise, "edge-1", NOW_MS - 40_000 * place - 21_000, place != 4, online)
            for place, enterprise in enumerate(MEANS, 1)
        ]
    )
