"""Local days and months, worked out with the standard library only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


@cache
def day_start_ms(day: date, zone: str) -> int:
    """The instant at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def local_day(at_ms: int, zone: str) -> date:
    """The local day of an instant."""
    return datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).date()


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def days(first: date, end: date) -> list[date]:
    """first <= day < end."""
    return [first + timedelta(days=count) for count in range((end - first).days)]


def next_month(day: date) -> date:
    """The first day of the month after that of a day."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def told(at_ms: int) -> str:
    """An instant as the story tells it, in UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%m-%d %H:%M}"
