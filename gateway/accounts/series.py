"""Readings and hourly usage of one point, as people ask for them.

Amounts come from the store in millionths (usage) or floats (readings) and leave in the quantity's own unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import msgspec

from collectors.clock import HOUR_MS
from collectors.quantities import QUANTITIES
from gateway.accounts.documents import instant
from gateway.carbon.calendar import local_day
from gateway.registry.model import Point
from gateway.store.timeseries import TimeSeriesStore, UsageColumns


class ReadingItem(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    at_ms: int
    value: float
    quality: int  # 0 good, 1 uncertain, 2 bad


class ReadingsDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    point: str
    quantity: str
    unit: str
    items: list[ReadingItem]
    next: str | None


class UsageItem(msgspec.Struct, frozen=True, kw_only=True):
    """An hour or a local day; `start` is its first instant (hour) or its date (day)."""

    start: str
    start_ms: int
    amount: float
    estimated: float  # the part of `amount` interpolated over gaps
    coverage: float  # 0..1


class UsageDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    point: str
    quantity: str
    unit: str | None
    step: str
    items: list[UsageItem]
    next: str | None


def readings_of(
    timeseries: TimeSeriesStore, enterprise: str, point: Point, window_ms: tuple[int, int], limit: int
) -> ReadingsDocument:
    """Up to `limit` readings from the start of the window on; `next` is where to go on."""
    columns = timeseries.read([point.point_id], *window_ms)
    more = len(columns) > limit
    items = [
        ReadingItem(at=instant(at_ms), at_ms=at_ms, value=value, quality=quality)
        for at_ms, value, quality in zip(
            columns.at_ms[:limit].tolist(),
            columns.value[:limit].tolist(),
            columns.quality[:limit].tolist(),
            strict=True,
        )
    ]
    return ReadingsDocument(
        enterprise=enterprise,
        point=f"{point.device}.{point.id}",
        quantity=point.quantity,
        unit=QUANTITIES[point.quantity].unit,
        items=items,
        next=str(int(columns.at_ms[limit])) if more else None,
    )


def usage_of(
    timeseries: TimeSeriesStore,
    enterprise: str,
    point: Point,
    window_ms: tuple[int, int],
    *,
    step: str,
    timezone: str,
    limit: int,
) -> UsageDocument:
    """Usage by hour, or by local day."""
    columns = timeseries.usage([point.point_id], *window_ms)
    items = hours_of(columns) if step == "hour" else _days(columns, timezone)
    more = len(items) > limit
    return UsageDocument(
        enterprise=enterprise,
        point=f"{point.device}.{point.id}",
        quantity=point.quantity,
        unit=QUANTITIES[point.quantity].usage_unit,
        step=step,
        items=items[:limit],
        next=str(items[limit].start_ms) if more else None,
    )


def hours_of(columns: UsageColumns) -> list[UsageItem]:
    """One item per stored hour."""
    rows = zip(
        columns.hour_ms.tolist(),
        columns.amount_u.tolist(),
        columns.estimated_u.tolist(),
        columns.covered_ms.tolist(),
        strict=True,
    )
    return [
        UsageItem(
            start=instant(hour_ms),
            start_ms=hour_ms,
            amount=amount_u / 1_000_000,
            estimated=estimated_u / 1_000_000,
            coverage=covered_ms / HOUR_MS,
        )
        for hour_ms, amount_u, estimated_u, covered_ms in rows
    ]


@dataclass(slots=True)
class _Day:
    """Sums of a local day while its hours are gone through."""

    start_ms: int
    amount_u: int = 0
    estimated_u: int = 0
    covered_ms: int = 0
    hours: int = 0


def _days(columns: UsageColumns, timezone: str) -> list[UsageItem]:
    days: dict[date, _Day] = {}
    rows = zip(
        columns.hour_ms.tolist(),
        columns.amount_u.tolist(),
        columns.estimated_u.tolist(),
        columns.covered_ms.tolist(),
        strict=True,
    )
    for hour_ms, amount_u, estimated_u, covered_ms in rows:
        day = days.setdefault(local_day(hour_ms, timezone), _Day(hour_ms))
        day.amount_u += amount_u
        day.estimated_u += estimated_u
        day.covered_ms += covered_ms
        day.hours += 1
    return [
        UsageItem(
            start=when.isoformat(),
            start_ms=day.start_ms,
            amount=day.amount_u / 1_000_000,
            estimated=day.estimated_u / 1_000_000,
            coverage=day.covered_ms / (day.hours * HOUR_MS),
        )
        for when, day in sorted(days.items())
    ]
