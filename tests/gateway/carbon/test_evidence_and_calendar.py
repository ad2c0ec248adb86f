"""Digests do not depend on arrival; days are those of the zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from collectors.clock import HOUR_MS, to_ms
from gateway.carbon.calendar import check_zone, day_window_ms, days_between, local_day
from gateway.carbon.evidence import canonical_json, combined_digest, digest_of_readings
from gateway.store.timeseries import ReadingColumns


def readings(values: list[tuple[int, float]], point_id: int = 1) -> ReadingColumns:
    return ReadingColumns(
        np.full(len(values), point_id, np.int32),
        np.array([at for at, _ in values], np.int64),
        np.array([value for _, value in values]),
        np.zeros(len(values), np.uint8),
    )


ROWS = [(1_000, 1.5), (2_000, 2.5), (3_000, 0.0)]


def test_order_and_resends_do_not_change_a_digest() -> None:
    straight = digest_of_readings(readings(ROWS))
    assert digest_of_readings(readings(ROWS[::-1] + ROWS)) == straight
    assert digest_of_readings(readings(ROWS, point_id=9)) == straight
    assert digest_of_readings(readings([*ROWS[:2], (3_000, -0.0)])) == straight


@pytest.mark.parametrize("other", [ROWS[:2], [*ROWS[:2], (3_000, 1e-12)], [*ROWS[:2], (3_001, 0.0)]])
def test_another_value_time_or_number_of_readings_is_another_digest(other: list[tuple[int, float]]) -> None:
    assert digest_of_readings(readings(other)) != digest_of_readings(readings(ROWS))


def test_combined_digest_binds_names_to_parts() -> None:
    assert combined_digest([("a", "1"), ("b", "2")]) == combined_digest([("b", "2"), ("a", "1")])
    assert combined_digest([("a", "1"), ("b", "2")]) != combined_digest([("a", "2"), ("b", "1")])


def test_canonical_json_refuses_what_has_no_one_text() -> None:
    assert canonical_json({"b": 1, "a": "碳"}) == '{"a":"碳","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_a_day_in_shanghai_begins_at_16_utc() -> None:
    start_ms, end_ms = day_window_ms(date(2026, 10, 1), "Asia/Shanghai")
    assert start_ms == to_ms(datetime(2026, 9, 30, 16, tzinfo=UTC))
    assert end_ms - start_ms == 24 * HOUR_MS
    assert local_day(start_ms, "Asia/Shanghai") == date(2026, 10, 1)
    assert local_day(start_ms - 1, "Asia/Shanghai") == date(2026, 9, 30)


def test_days_of_23_and_25_hours() -> None:
    short, long = date(2026, 3, 29), date(2026, 10, 25)
    assert [(b - a) // HOUR_MS for a, b in (day_window_ms(day, "Europe/Berlin") for day in (short, long))] == [23, 25]


def test_zones_that_are_no_whole_hours_from_utc_are_refused_with_a_sentence() -> None:
    assert check_zone("Asia/Shanghai") is None
    assert check_zone("Europe/Berlin") is None
    assert "not supported" in (check_zone("Asia/Kolkata") or "")
    assert "no IANA time zone" in (check_zone("Asia/Atlantis") or "")


def test_days_between_is_half_open() -> None:
    assert days_between(date(2026, 2, 27), date(2026, 3, 2)) == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert days_between(date(2026, 3, 2), date(2026, 3, 2)) == []
