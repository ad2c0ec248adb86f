"""Periods as people write them: 2026-10-05, 2026-10, 2026-Q4, 2026. Half-open ranges of local days.

Which instants a local day covers is the enterprise's zone's business; here are only dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from gateway.carbon.calendar import FIRST_YEAR, LAST_YEAR, day_start_ms

Kind = Literal["day", "month", "quarter", "year"]

_SHAPES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("day", re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)),
    ("month", re.compile(r"(\d{4})-(\d{2})", re.ASCII)),
    ("quarter", re.compile(r"(\d{4})-Q([1-4])", re.ASCII)),
    ("year", re.compile(r"(\d{4})", re.ASCII)),
)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of local days, start <= day < end."""

    text: str
    kind: Kind
    start: date
    end: date

    def window_ms(self, timezone: str) -> tuple[int, int]:
        """The instants [start, end) of the period in a zone, UTC epoch milliseconds."""
        return day_start_ms(self.start, timezone), day_start_ms(self.end, timezone)


def parse_period(text: str) -> Period:
    """The period a text names; ValueError says what forms there are."""
    for kind, shape in _SHAPES:
        match = shape.fullmatch(text)
        if match is None:
            continue
        numbers = [int(group) for group in match.groups()]
        try:
            start, end = _range(kind, numbers)
        except ValueError as error:
            raise ValueError(f"{text!r} is no {kind} of the calendar: {error}") from error
        if not FIRST_YEAR <= start.year < LAST_YEAR:  # outside of it a period is a slip of the pen
            raise ValueError(f"{text!r} is outside the years {FIRST_YEAR} to {LAST_YEAR - 1}")
        return Period(text, kind, start, end)
    raise ValueError(
        f"{text!r} is no period: write a day 2026-10-05, a month 2026-10, a quarter 2026-Q4 or a year 2026"
    )


def _range(kind: Kind, numbers: list[int]) -> tuple[date, date]:
    year = numbers[0]
    if kind == "day":
        day = date(*numbers)
        return day, day + timedelta(days=1)
    if kind == "month":
        start = date(year, numbers[1], 1)
        return start, months_after(start, 1)
    if kind == "quarter":
        start = date(year, 3 * numbers[1] - 2, 1)
        return start, months_after(start, 3)
    return date(year, 1, 1), date(year + 1, 1, 1)


def months_after(month: date, count: int) -> date:
    """The first day of the month `count` months later (or earlier, when negative)."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def moved(period: Period, months: int) -> Period:
    """The month, quarter or year that begins so many months later (or earlier, when negative)."""
    start = months_after(period.start, months)
    quarter = f"{start.year:04}-Q{(start.month + 2) // 3}"
    return parse_period({"month": f"{start:%Y-%m}", "quarter": quarter, "year": f"{start.year:04}"}[period.kind])


def month_of(day: date) -> Period:
    """The calendar month that a day lies in."""
    start = day.replace(day=1)
    return Period(f"{start:%Y-%m}", "month", start, months_after(start, 1))
