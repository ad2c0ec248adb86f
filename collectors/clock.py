"""The only place where the wall clock is read.

Every other module is handed `now`. Times are UTC: aware `datetime`s at the edges, epoch milliseconds in columns.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

HOUR_MS = 3_600_000
# Linux; elsewhere the nearest there is.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never step back; only differences mean anything."""
    return time.monotonic()


def steady_ms() -> int:
    """Milliseconds of a clock that never steps and goes on while the machine sleeps; only differences mean anything."""
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def from_ms(at_ms: int) -> datetime:
    """Aware UTC datetime of epoch milliseconds, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=at_ms)


def to_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware datetime; raises ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone: give one, such as +08:00")
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
