"""What the pages show, made ready for the templates: choices, shares, chart data. No figure is computed here that the
API does not give too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from flask_babel import gettext as _

from gateway.accounts.devices import HealthDocument
from gateway.accounts.documents import StatementDocument
from gateway.accounts.periods import Period, months_after
from gateway.accounts.registered import source_name
from gateway.dashboard.words import SCOPES, SCOPES_SHORT, in_language, listed, word
from gateway.registry.model import Enterprise

HISTORY_MONTHS = 12
STRIP_LEVELS = (0.05, 0.5, 0.9, 0.99)  # below the first: c0 … from the last on: c4


def month_choices(months: Sequence[str], current: str, chosen: str) -> list[str]:
    """The months to choose from, newest first: those with a statement, this one and the chosen one."""
    return sorted({*months, current, chosen}, reverse=True)


def history_months(period: Period) -> list[str]:
    """The months of the history chart, oldest first, up to the shown one."""
    last = period.start.replace(day=1)
    return [f"{months_after(last, -back):%Y-%m}" for back in range(HISTORY_MONTHS - 1, -1, -1)]


def stage_shares(statement: StatementDocument) -> dict[str, float]:
    """Each stage against the largest one, for bars; a stage below zero has none."""
    largest = max((abs(kilograms) for kilograms in statement.by_stage.values()), default=0.0)
    return {stage: max(0.0, kilograms) / largest if largest else 0.0 for stage, kilograms in statement.by_stage.items()}


def source_names(enterprise: Enterprise) -> dict[str, str]:
    return {source.id: in_language(source_name(source)) for source in enterprise.sources}


def sources_chart(statement: StatementDocument, names: Mapping[str, str]) -> dict[str, Any]:
    """Sources by emission, largest first."""
    lines = sorted(statement.by_source, key=lambda line: -line.emission_kg)
    return {
        "rows": [
            {
                "name": names.get(line.source, line.source),
                "tonnes": line.emission_kg / 1000,
                "code": line.scope,
                "scope": word(SCOPES, str(line.scope)),
            }
            for line in lines
        ]
    }


def monthly_chart(months: Sequence[str], statements: Mapping[str, StatementDocument]) -> dict[str, Any]:
    """Tonnes by month and scope; a month without a statement is a gap, not a zero."""
    return {
        "labels": list(months),
        "scopes": [
            {
                "name": word(SCOPES_SHORT, scope),
                "tonnes": [
                    statements[month].by_scope.get(scope, 0.0) / 1000 if month in statements else None
                    for month in months
                ],
            }
            for scope in ("1", "2", "3")
        ],
    }


@dataclass(frozen=True, slots=True)
class Ended:
    """A source that was booked day after day and stops before the account does."""

    source: str  # its name, in the language of the request
    last: date  # its last booked day
    by_records: bool  # fed by activity records, not by a meter


def looked_back_from(period: Period) -> date:
    """Where to look for sources that have ended: one that stopped in the month before is missing in all of this one."""
    return months_after(period.start.replace(day=1), -1)


def ended_sources(enterprise: Enterprise, booked: Mapping[str, Sequence[str]]) -> list[Ended]:
    """Which sources end before the last booked day. One booked on a single day, such as a refill, has no end."""
    newest = max((days[-1] for days in booked.values()), default="")
    found = []
    for source in enterprise.sources:
        days = [date.fromisoformat(day) for day in booked.get(source.id, ())[-2:]]
        went_on = len(days) == 2 and days[1] - days[0] == timedelta(days=1)
        if went_on and days[1].isoformat() < newest:
            found.append(Ended(in_language(source_name(source)), days[1], source.records))
    return found


def daily_chart(period: Period, sums: Iterable[tuple[str, int, int]], ended: Sequence[Ended]) -> dict[str, Any]:
    """Tonnes by local day and scope, for every day of the period; days that lack a source say which."""
    grams = {(day, scope): amount for day, scope, amount in sums}
    booked = {day for day, _scope in grams}
    days = [(period.start + timedelta(days=count)) for count in range((period.end - period.start).days)]
    return {
        "labels": [_day_label(day) for day in days],
        "scopes": [
            {
                "name": word(SCOPES_SHORT, str(scope)),
                "tonnes": [
                    grams.get((day.isoformat(), scope), 0) / 1_000_000 if day.isoformat() in booked else None
                    for day in days
                ],
            }
            for scope in (1, 2, 3)
        ],
        "missing": [
            listed([one.source for one in ended if day > one.last]) if day.isoformat() in booked else "" for day in days
        ],
        "missing_word": str(_("尚缺")),
    }


def incomplete_days(ended: Sequence[Ended]) -> str:
    """What the pale bars of the daily chart mean, in a sentence; empty if there are none."""
    if not ended:
        return ""
    words = [
        _("%(source)s（活动记录到 %(day)s）", source=one.source, day=one.last)
        if one.by_records
        else _("%(source)s（计量数据到 %(day)s）", source=one.source, day=one.last)
        for one in ended
    ]
    return str(_("浅色的日子还不完整，尚缺：%(sources)s", sources=listed([str(own) for own in words])))


def _day_label(day: date) -> str:
    return f"{day.month:02d}-{day.day:02d}"


def strip_runs(strip: Sequence[float | None]) -> list[dict[str, int]]:
    """Neighbouring hours of one level as one rectangle; unknown hours are left open."""
    runs: list[dict[str, int]] = []
    start = 0
    for level, hours in groupby(strip, key=_level):
        length = sum(1 for _hour in hours)
        if level is not None:
            runs.append({"start": start, "hours": length, "level": level})
        start += length
    return runs


def _level(share: float | None) -> int | None:
    return None if share is None else sum(share >= edge for edge in STRIP_LEVELS)


def health_summary(health: HealthDocument) -> dict[str, Any]:
    """The figures at the head of the device page."""
    states = [device.state for device in health.devices]
    return {
        "counts": {state: states.count(state) for state in ("live", "late", "silent", "never")},
        "coverage_today": _mean(device.coverage_today for device in health.devices),
        "coverage_7d": _mean(device.coverage_7d for device in health.devices),
        "set_aside_readings": sum(item.readings for item in health.set_aside),
        "findings_open": health.findings_open,
        "strips": {device.device: strip_runs(device.strip) for device in health.devices},
    }


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def nothing_measured() -> str:
    return str(_("还没有功率读数。采集代理上线后，这里会出现曲线。"))
