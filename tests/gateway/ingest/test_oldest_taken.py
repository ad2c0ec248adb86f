"""How old a reading may be where raw readings are given up after a time."""

from __future__ import annotations

import pytest

from gateway.ingest.intake import OLDEST_MS, IngestLimits

DAY_MS = 24 * 3_600_000
NOW_MS = 1_760_000_400_000


@pytest.mark.parametrize(
    ("kept_days", "dropped_before_ms", "oldest_ms"),
    [
        (0, [], OLDEST_MS),
        (40, [], NOW_MS - 40 * DAY_MS),
        (40, [NOW_MS - 41 * DAY_MS], NOW_MS - 40 * DAY_MS),
        (90, [NOW_MS - 60 * DAY_MS, NOW_MS - 70 * DAY_MS], NOW_MS - 60 * DAY_MS),  # the time was shorter before
        (0, [NOW_MS - 60 * DAY_MS], NOW_MS - 60 * DAY_MS),  # and now it is for ever
    ],
)
def test_nothing_is_taken_for_days_that_may_be_given_up(
    kept_days: int, dropped_before_ms: list[int], oldest_ms: int
) -> None:
    assert IngestLimits.keeping(kept_days, dropped_before_ms).oldest(NOW_MS) == oldest_ms


def test_who_sends_what_is_too_old_is_told_how_long_readings_are_kept() -> None:
    assert "more than 40 days ago" in IngestLimits.keeping(40, []).too_old()
    assert IngestLimits.keeping(0, []).too_old() == "before 2015-01-01: set the sender's clock"
