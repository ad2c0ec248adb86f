"""How the instruments and agents of an enterprise are doing: last seen, coverage, last values, what was set aside.

A device is *live* while its newest reading is no older than the gap its points allow, *late* up to LATE_GAPS of those
gaps, then *silent*. Coverage counts whole hours that have been rolled up; an hour without usage counts as not covered.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, Literal

import msgspec
import numpy as np
from sqlalchemy import Engine, func, select

from collectors.clock import HOUR_MS
from collectors.quantities import QUANTITIES
from gateway.accounts.documents import Bilingual, instant
from gateway.accounts.stored import open_findings_by_subject
from gateway.carbon.calendar import day_start_ms, local_day
from gateway.registry.model import Device, Enterprise, Point
from gateway.store.database import reading
from gateway.store.schema import agent_status, set_aside
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns

STRIP_HOURS = 7 * 24
LATE_GAPS = 4
SET_ASIDE_DAYS = 7

State = Literal["live", "late", "silent", "never"]
_WORST_FIRST: dict[State, int] = {"silent": 0, "late": 1, "never": 2, "live": 3}


class LastValue(msgspec.Struct, frozen=True, kw_only=True):
    point: str
    quantity: str
    unit: str
    at: str | None  # None = never read
    age_s: float | None
    value: float | None
    quality: int | None


class DeviceDocument(msgspec.Struct, frozen=True, kw_only=True):
    device: str
    name: Bilingual | None
    profile: str | None
    state: State
    last_seen: str | None
    age_s: float | None
    coverage_today: float | None  # None = no point of it is accounted, or no whole hour has passed
    coverage_7d: float | None
    strip: list[float | None]  # coverage of the last 168 whole hours, oldest first
    values: list[LastValue]
    findings_open: int


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    online: bool | None  # None = never heard of
    heard: str | None
    age_s: float | None
    status: dict[str, Any]  # what the agent says of itself: buffer depth and the like


class SetAsideItem(msgspec.Struct, frozen=True, kw_only=True):
    sender: str
    reason: str
    messages: int
    readings: int
    newest: str
    detail: str  # of the newest one


class HealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    at: str
    agents: list[AgentDocument]
    devices: list[DeviceDocument]
    set_aside: list[SetAsideItem]  # of the last 7 days
    findings_open: int  # of the enterprise, whatever they are about


def health_of(
    engine: Engine, timeseries: TimeSeriesStore, enterprise: Enterprise, timezone: str, now_ms: int
) -> HealthDocument:
    """Everything the device page shows."""
    points = [point.point_id for point in enterprise.points()]
    end_ms = now_ms // HOUR_MS * HOUR_MS
    today_ms = day_start_ms(local_day(now_ms, timezone), timezone)
    latest = _by_point(timeseries.latest(points)) if points else {}
    usage = timeseries.usage(points, end_ms - STRIP_HOURS * HOUR_MS, end_ms) if points else UsageColumns.empty()
    findings = open_findings_by_subject(engine, enterprise.id)
    devices = [
        _device(device, latest, _Coverage(usage, end_ms, today_ms), findings, now_ms) for device in enterprise.devices
    ]
    devices.sort(key=lambda own: _WORST_FIRST[own.state])
    return HealthDocument(
        enterprise=enterprise.id,
        at=instant(now_ms),
        agents=_agents(engine, enterprise, now_ms),
        devices=devices,
        set_aside=_set_aside(engine, enterprise.id, now_ms - SET_ASIDE_DAYS * 24 * HOUR_MS),
        findings_open=sum(findings.values()),
    )


def _by_point(latest: ReadingColumns) -> dict[int, tuple[int, float, int]]:
    rows = zip(
        latest.point_id.tolist(), latest.at_ms.tolist(), latest.value.tolist(), latest.quality.tolist(), strict=True
    )
    return {point_id: (at_ms, value, quality) for point_id, at_ms, value, quality in rows}


class _Coverage:
    """Hourly coverage of devices, from the usage of their points."""

    def __init__(self, usage: UsageColumns, end_ms: int, today_ms: int) -> None:
        self._usage = usage
        self._start_ms = end_ms - STRIP_HOURS * HOUR_MS
        self._hours_today = min(max(0, (end_ms - today_ms) // HOUR_MS), STRIP_HOURS)

    def strip(self, points: tuple[Point, ...]) -> list[float | None]:
        """Mean over the device's accounted points, per hour; all None where none of them is accounted."""
        own = np.isin(self._usage.point_id, [point.point_id for point in points])
        accounted = np.unique(self._usage.point_id[own]).size
        if not accounted:
            return [None] * STRIP_HOURS
        hour = (self._usage.hour_ms[own] - self._start_ms) // HOUR_MS
        covered = np.bincount(hour, weights=self._usage.covered_ms[own], minlength=STRIP_HOURS)
        return [round(share, 4) for share in (covered / (accounted * HOUR_MS)).tolist()]

    def today(self, strip: list[float | None]) -> float | None:
        return _mean(strip[STRIP_HOURS - self._hours_today :])


def _mean(strip: list[float | None]) -> float | None:
    known = [share for share in strip if share is not None]
    return sum(known) / len(known) if known else None


def _device(
    device: Device,
    latest: dict[int, tuple[int, float, int]],
    coverage: _Coverage,
    findings: dict[str, int],
    now_ms: int,
) -> DeviceDocument:
    seen_ms = max((latest[point.point_id][0] for point in device.points if point.point_id in latest), default=None)
    strip = coverage.strip(device.points)
    subjects = {device.id, *(f"{device.id}.{point.id}" for point in device.points)}
    return DeviceDocument(
        device=device.id,
        name=None if device.name is None else Bilingual(zh=device.name.zh, en=device.name.en),
        profile=device.profile,
        state=_state(device, seen_ms, now_ms),
        last_seen=None if seen_ms is None else instant(seen_ms),
        age_s=None if seen_ms is None else (now_ms - seen_ms) / 1000,
        coverage_today=coverage.today(strip),
        coverage_7d=_mean(strip),
        strip=strip,
        values=[_last_value(point, latest.get(point.point_id), now_ms) for point in device.points],
        findings_open=sum(count for subject, count in findings.items() if subject in subjects),
    )


def _state(device: Device, seen_ms: int | None, now_ms: int) -> State:
    if seen_ms is None:
        return "never"
    gap_ms = max(point.gap_max_s for point in device.points) * 1000
    age_ms = now_ms - seen_ms
    return "live" if age_ms <= gap_ms else "late" if age_ms <= LATE_GAPS * gap_ms else "silent"


def _last_value(point: Point, row: tuple[int, float, int] | None, now_ms: int) -> LastValue:
    at_ms, value, quality = row if row is not None else (None, None, None)
    return LastValue(
        point=point.id,
        quantity=point.quantity,
        unit=QUANTITIES[point.quantity].unit,
        at=None if at_ms is None else instant(at_ms),
        age_s=None if at_ms is None else (now_ms - at_ms) / 1000,
        value=value,
        quality=quality,
    )


def _agents(engine: Engine, enterprise: Enterprise, now_ms: int) -> list[AgentDocument]:
    """The registered agents, heard of or not."""
    with reading(engine) as connection:
        rows = connection.execute(select(agent_status).where(agent_status.c.enterprise == enterprise.id))
        heard = {row.agent: row for row in rows}
    documents = []
    for agent in enterprise.agents:
        row = heard.get(agent.id)
        documents.append(
            AgentDocument(
                agent=agent.id,
                online=None if row is None else row.online,
                heard=None if row is None else instant(row.received_at_ms),
                age_s=None if row is None else (now_ms - row.received_at_ms) / 1000,
                status={} if row is None else _object(row.document),
            )
        )
    return documents


def _object(text: str) -> dict[str, Any]:
    """An agent's status as it was sent; what is no JSON object is shown as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"text": value}


def _set_aside(engine: Engine, enterprise: str, since_ms: int) -> list[SetAsideItem]:
    """What could not be stored, by sender and reason, newest first."""
    table = set_aside
    query = (
        select(
            table.c.sender,
            table.c.reason,
            func.count().label("messages"),
            func.sum(table.c["count"]).label("readings"),
            func.max(table.c.received_at_ms).label("newest_ms"),
            func.max(table.c.id).label("newest_id"),
        )
        .where(table.c.enterprise == enterprise, table.c.received_at_ms >= since_ms)
        .group_by(table.c.sender, table.c.reason)
    )
    with reading(engine) as connection:
        groups = connection.execute(query).all()
        details: dict[int, str] = defaultdict(str)
        if groups:
            newest = select(table.c.id, table.c.detail).where(table.c.id.in_([group.newest_id for group in groups]))
            details.update({row.id: row.detail for row in connection.execute(newest)})
    return [
        SetAsideItem(
            sender=group.sender,
            reason=group.reason,
            messages=int(group.messages),
            readings=int(group.readings),
            newest=instant(group.newest_ms),
            detail=details[group.newest_id],
        )
        for group in sorted(groups, key=lambda group: -group.newest_ms)
    ]
