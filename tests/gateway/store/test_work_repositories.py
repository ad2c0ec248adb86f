"""Work lists, leases and what jobs leave behind."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Engine

from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.job_runs_repository import JobRun, JobRunsRepository
from gateway.store.kept_repository import KeptRepository
from gateway.store.lease_repository import LeaseLost, LeaseRepository

FIRST, SECOND, THIRD = date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)


def test_days_are_claimed_in_order_and_only_ended_ones(engine: Engine) -> None:
    days = DirtyDaysRepository(engine)
    days.mark([("b", "grid", SECOND), ("a", "grid", THIRD), ("b", "grid", FIRST), ("b", "grid", FIRST)], "automatic")
    claimed = days.claim(10, THIRD)
    assert [(day.enterprise, day.day, day.reason) for day in claimed] == [
        ("b", FIRST, "automatic"),
        ("b", SECOND, "automatic"),
    ]
    assert [day.day for day in days.claim(1, THIRD)] == [FIRST]
    assert days.count() == 3
    days.clear(claimed)
    assert days.count() == 1


def test_a_long_list_is_claimed_by_whole_enterprises(engine: Engine) -> None:
    days = DirtyDaysRepository(engine)
    days.mark([(name, source, day) for name in "ba" for source in ("", "grid") for day in (SECOND, FIRST)], "automatic")
    claimed = days.claim(6, THIRD)
    assert [(one.enterprise, one.day) for one in claimed] == [
        *[("a", FIRST)] * 2, *[("a", SECOND)] * 2, *[("b", FIRST)] * 2,
    ]  # fmt: skip


def test_day_marked_again_since_the_claim_stays(engine: Engine) -> None:
    days = DirtyDaysRepository(engine)
    days.mark([("a", "grid", FIRST), ("a", "grid", SECOND)], "automatic")
    claimed = days.claim(10, THIRD)
    days.mark([("a", "grid", FIRST)], "late-data")
    days.clear(claimed)
    (left,) = days.claim(10, THIRD)
    assert (left.day, left.reason) == (FIRST, "late-data")


def test_day_cleared_by_another_and_marked_again_stays(engine: Engine) -> None:
    days = DirtyDaysRepository(engine)
    days.mark([("a", "grid", FIRST)], "automatic")
    slow = days.claim(10, THIRD)
    days.clear(days.claim(10, THIRD))
    days.mark([("a", "grid", FIRST)], "late-data")
    days.clear(slow)
    assert days.count() == 1


def test_nothing_to_mark_or_clear_is_fine(engine: Engine) -> None:
    days = DirtyDaysRepository(engine)
    days.mark([], "automatic")
    days.clear([])
    assert days.count() == 0


def test_one_holder_at_a_time_and_the_fence_grows_with_each(engine: Engine) -> None:
    leases = LeaseRepository(engine)
    assert leases.acquire("scheduler", "a", 1000, 100) == 1
    assert leases.acquire("scheduler", "b", 1099, 100) is None
    assert leases.acquire("scheduler", "a", 1099, 100) == 1
    assert leases.acquire("scheduler", "b", 1199, 100) == 2
    assert leases.acquire("scheduler", "a", 1250, 100) is None
    assert leases.acquire("another", "a", 1250, 100) == 1


def test_holder_that_expired_gets_another_fence(engine: Engine) -> None:
    leases = LeaseRepository(engine)
    leases.acquire("scheduler", "a", 1000, 100)
    assert leases.acquire("scheduler", "a", 5000, 100) == 2


def test_renewal_keeps_a_lease_and_cannot_win_it_back(engine: Engine) -> None:
    leases = LeaseRepository(engine)
    leases.acquire("scheduler", "a", 1000, 100)
    assert leases.renew("scheduler", "a", 1, 1050, 100)
    assert leases.acquire("scheduler", "b", 1149, 100) is None
    assert not leases.renew("scheduler", "a", 1, 1150, 100)
    leases.acquire("scheduler", "b", 1150, 100)
    assert not leases.renew("scheduler", "a", 1, 1160, 100)


def test_released_lease_is_free_at_once_and_only_by_its_holder(engine: Engine) -> None:
    leases = LeaseRepository(engine)
    leases.acquire("scheduler", "a", 1000, 100)
    leases.release("scheduler", "b")
    assert leases.acquire("scheduler", "b", 1001, 100) is None
    leases.release("scheduler", "a")
    assert leases.acquire("scheduler", "b", 1001, 100) == 2


def test_late_holder_cannot_finish_its_work(engine: Engine) -> None:
    leases = LeaseRepository(engine)
    old = leases.acquire("scheduler", "a", 1000, 100)
    new = leases.acquire("scheduler", "b", 2000, 100)
    assert old is not None and new is not None
    leases.require("scheduler", new)
    with pytest.raises(LeaseLost), writing(engine) as connection:
        KeptRepository(connection).put("work", "of a holder that slept")
        LeaseRepository(connection).require("scheduler", old)
    assert KeptRepository(engine).get("work") is None


def test_last_run_of_each_job_is_kept(engine: Engine) -> None:
    runs = JobRunsRepository(engine)
    runs.record("rollup", 1000, 0.5, "{}")
    runs.record("close", 1500, 0.1, "{}")
    runs.record("rollup", 2000, 0.25, '{"hours":3}')
    assert runs.runs() == [JobRun("close", 1500, 0.1, "{}"), JobRun("rollup", 2000, 0.25, '{"hours":3}')]


def test_kept_text_is_replaced(engine: Engine) -> None:
    kept = KeptRepository(engine)
    assert kept.get("factors") is None
    kept.put("factors", "a")
    kept.put("factors", "b")
    assert kept.get("factors") == "b"
