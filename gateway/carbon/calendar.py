"""Account days in an enterprise's own zone.

Usage stands in whole UTC hours and a local day is a whole number of them, so a day's usage is a sum of hours. Zones
whose offset is no whole hour at some time since FIRST_YEAR (Asia/Kolkata, Asia/Kathmandu) are therefore refused by
`check_zone`; days of 23 and 25 hours are right.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from collectors.clock import from_ms, to_ms

FIRST_YEAR, LAST_YEAR = 2000, 2100
ONE_DAY = timedelta(days=1)


@cache
def day_start_ms(day: date, zone: str) -> int:
    """The instant at which a local day begins."""
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))


def day_window_ms(day: date, zone: str) -> tuple[int, int]:
    """The instants [start, end) of a local day."""
    return day_start_ms(day, zone), day_start_ms(day + ONE_DAY, zone)


def local_day(at_ms: int, zone: str) -> date:
    """The local day an instant lies in."""
    return from_ms(at_ms).astimezone(ZoneInfo(zone)).date()


def days_between(start: date, end: date) -> list[date]:
    """The days start <= day < end."""
    return [start + timedelta(days=count) for count in range((end - start).days)]


def check_zone(zone: str) -> str | None:
    """Why a zone cannot be accounted in, as a sentence; None if it can."""
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a directory's name gives an OSError
        return f"{zone!r} is no IANA time zone: write one such as Asia/Shanghai"
    for year in range(FIRST_YEAR, LAST_YEAR):
        for month in (1, 7):
            offset = datetime(year, month, 1, tzinfo=info).utcoffset()
            if offset is None or offset % timedelta(hours=1):
                return f"{zone} is {offset} from UTC: account days are whole UTC hours, so this zone is not supported"
    return None
