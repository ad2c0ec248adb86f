"""The query parameters of the API as types: an unknown or misspelt one is refused, not ignored."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

from collectors.clock import to_ms
from gateway.accounts.periods import Period, month_of, parse_period
from gateway.accounts.rating_documents import Colour
from gateway.api.problem import ApiProblem
from gateway.carbon.calendar import day_start_ms, local_day

MAX_EPOCH_MS = 7_258_118_400_000  # the year 2200


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call without parameters."""


class ProofQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    root: str | None = None  # the UTC day of the root to prove under, such as 2026-10-05; default: the entry's own


class RootsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: str | None = None  # the day of the last root you have
    limit: int | None = None


class GrowthQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: str  # the UTC day of the earlier root


class PeriodQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str  # 2026-10-05, 2026-10, 2026-Q4 or 2026


class OptionalPeriodQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str | None = None  # default: the current month


class VersionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str
    version: int | None = None  # of a month; default: the newest


class FootprintQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str  # 2026-10, 2026-Q4, 2026 …
    boundary: Literal["cradle_to_gate", "cradle_to_grave"] = "cradle_to_gate"


class PublishedFootprintQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str
    boundary: Literal["cradle_to_gate", "cradle_to_grave"] = "cradle_to_gate"
    version: int | None = None  # default: the newest


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: int | None = None
    cursor: str | None = None


class EnterprisesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    park: str | None = None
    industry: str | None = None  # a GB/T 4754 code or the beginning of one: C30
    colour: Colour | None = None  # of the rating for `period`
    period: str | None = None
    limit: int | None = None
    cursor: str | None = None


class EntriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str
    source: str | None = None
    limit: int | None = None
    cursor: str | None = None


class RecordsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: str | None = None  # a source, a product, output_value or added_value
    period: str | None = None  # only records that cover a day of it
    limit: int | None = None
    cursor: str | None = None


class TemplateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str  # the days to fill in
    form: Literal["csv", "xlsx"] = "csv"


class EvidenceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""  # how the file is called


class FindingsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str | None = None
    status: Literal["open", "acknowledged", "resolved"] | None = None
    limit: int | None = None
    cursor: str | None = None


# `from` is a word of Python; it is written `from` on the wire.
class SeriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    point: str  # device.point, such as incomer-1.energy_import
    start: str  # a date (local), an instant with zone, or UTC epoch milliseconds
    end: str  # exclusive
    limit: int | None = None
    cursor: str | None = None


class UsageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    point: str
    start: str
    end: str
    step: Literal["hour", "day"] = "hour"
    limit: int | None = None
    cursor: str | None = None


class ChangesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: int = 0  # the last `seq` you have seen
    limit: int | None = None


class AccountsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    period: str  # a month, quarter or year
    limit: int | None = None
    cursor: str | None = None


def period_of(text: str) -> Period:
    """The period of a query; a problem says what forms there are."""
    try:
        return parse_period(text)
    except ValueError as error:
        raise ApiProblem(400, "bad-period", str(error)) from error


def day_of(text: str) -> date:
    """A day of an address or a query."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ApiProblem(400, "bad-day", f"{text[:40]!r} is no day: write it as 2026-10-05") from error


def period_or_month(text: str | None, now_ms: int, timezone: str) -> Period:
    """The period of a query, or the month that it is now."""
    return month_of(local_day(now_ms, timezone)) if text is None else period_of(text)


def window_of(start: str, end: str, timezone: str, *, longest: timedelta) -> tuple[int, int]:
    """[from, to) in UTC epoch milliseconds; a problem if it is empty, backwards or too long."""
    start_ms, end_ms = _instant_ms("from", start, timezone), _instant_ms("to", end, timezone)
    if end_ms <= start_ms:
        raise ApiProblem(400, "bad-window", "`to` must be later than `from`: the window is from <= time < to")
    if end_ms - start_ms > longest // timedelta(milliseconds=1):
        raise ApiProblem(400, "window-too-long", f"ask for at most {longest.days} days at a time")
    return start_ms, end_ms


def _instant_ms(name: str, text: str, timezone: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 13:
        at_ms = int(text)
    else:
        try:
            at_ms = day_start_ms(date.fromisoformat(text), timezone) if len(text) == 10 else _aware_ms(text)
        except (ValueError, OverflowError) as error:
            raise ApiProblem(
                400,
                "bad-time",
                f"{name}={text[:40]!r} is no time: write a date 2026-10-05, an instant with its zone "
                "2026-10-05T08:00:00+08:00 (as %2B in an address), or UTC epoch milliseconds",
            ) from error
    if not 0 <= at_ms <= MAX_EPOCH_MS:
        raise ApiProblem(400, "bad-time", f"{name}={text[:40]!r} is outside the years 1970 to 2200")
    return at_ms


def _aware_ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))
