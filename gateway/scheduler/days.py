"""Local days of sources: which of them a stretch of readings touches, and which have ended."""

from __future__ import annotations

from datetime import date, timedelta

from gateway.carbon.calendar import ONE_DAY, days_between, local_day
from gateway.registry.model import Enterprise, Registry, Source
from gateway.store.dirty_days_repository import SourceDay

# Stands for a source where a whole enterprise's statement and rating are due, whatever its sources did.
WHOLE = ""


def days_fed_by(registry: Registry, point_id: int, start_ms: int, end_ms: int) -> set[SourceDay]:
    """(enterprise, source, local day) of every source that a point feeds, for start_ms <= time < end_ms."""
    ref = registry.refs_by_id[point_id]
    enterprise = registry.enterprises[ref.enterprise]
    fed = [source.id for source in sources_fed_by(enterprise, ref.device, ref.point)]
    if not fed and enterprise.balances:
        fed = [WHOLE]  # the point may be part of a balance, which is checked with its day
    if not fed:
        return set()
    timezone = registry.park_of(enterprise.id).timezone
    days = days_between(local_day(start_ms, timezone), local_day(end_ms - 1, timezone) + ONE_DAY)
    return {(enterprise.id, source, day) for source in fed for day in days}


def sources_fed_by(enterprise: Enterprise, device: str, point: str) -> list[Source]:
    """The sources that a point feeds by itself or through derived points."""
    names = {(device, point)}
    for derived in enterprise.derived:  # in the order in which they can be computed: once through is enough
        if any((one.device, one.point) in names for one in derived.inputs):
            names |= {(own.device, own.id) for own in derived.points}
    return [source for source in enterprise.sources if any((feed.device, feed.point) in names for feed in source.feeds)]


def first_open_day(now_ms: int, settle_s: float, timezone: str) -> date:
    """The first local day that has not ended, or ended so recently that its last readings may still be under way."""
    return local_day(now_ms - round(settle_s * 1000), timezone)


def month_of(day: date) -> str:
    """2026-10-05 -> "2026-10"."""
    return f"{day:%Y-%m}"


def month_days(month: str) -> tuple[date, date]:
    """First day of a month and of the next one."""
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=31)).replace(day=1)
