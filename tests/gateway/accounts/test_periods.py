from __future__ import annotations

from datetime import date

import pytest

from gateway.accounts.output import share_u
from gateway.accounts.periods import month_of, months_after, parse_period


@pytest.mark.parametrize(
    ("text", "kind", "start", "end"),
    [
        ("2026-10-05", "day", date(2026, 10, 5), date(2026, 10, 6)),
        ("2026-12", "month", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026-Q4", "quarter", date(2026, 10, 1), date(2027, 1, 1)),
        ("2028", "year", date(2028, 1, 1), date(2029, 1, 1)),
    ],
)
def test_every_form_of_a_period_is_a_half_open_range_of_days(text: str, kind: str, start: date, end: date) -> None:
    period = parse_period(text)
    assert (period.kind, period.start, period.end) == (kind, start, end)


@pytest.mark.parametrize(
    "text", ["", "2026-13", "2026-Q5", "2026-02-30", "26-10", "2026-1", "2026-10-5", "0000", "9999", "2026-10 ", "٢٠٢٦"]
)
def test_what_is_no_period_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"period|calendar|years"):
        parse_period(text)


def test_a_window_begins_at_the_zones_own_midnight() -> None:
    start_ms, end_ms = parse_period("2026-10-05").window_ms("Asia/Shanghai")
    assert (start_ms, end_ms - start_ms) == (1_791_129_600_000, 86_400_000)


def test_months_run_over_the_years_edge() -> None:
    assert months_after(date(2026, 11, 1), 3) == date(2027, 2, 1)
    assert months_after(date(2026, 1, 1), -1) == date(2025, 12, 1)
    assert month_of(date(2026, 10, 31)).text == "2026-10"


def test_the_shares_of_a_records_months_add_up_to_the_record() -> None:
    start, end = date(2026, 9, 16), date(2026, 12, 3)
    amount_u = 1_000_000_007
    shares = [share_u(amount_u, start, end, parse_period(f"2026-{month:02d}")) for month in (9, 10, 11, 12)]
    assert abs(sum(shares) - amount_u) <= 2  # each share is rounded once
    assert share_u(amount_u, start, end, parse_period("2026")) == amount_u
