"""Promises of the scheduler: every job runs, none is skipped for being late, one leader, a failure costs one run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from collectors.clock import now_ms
from collectors.errors import StoreUnavailable
from gateway.scheduler.entries_stage import EntriesDone, EntriesStage
from gateway.scheduler.jobs import JOBS, Job, JobContext
from gateway.scheduler.runner import LEASE, LEASE_TTL_MS, JobStats, Runner
from gateway.store.batches_repository import BatchesRepository
from gateway.store.ingest_rows import BatchRow, SetAsideRow
from gateway.store.job_runs_repository import JobRunsRepository
from gateway.store.lease_repository import LeaseRepository
from gateway.webhooks.delivery import Deliveries
from tests.gateway.scheduler.plant import ON_BOTH_ENGINES, PLANT, Plant, at, steady

RunnerOf = Callable[[str], Runner]


@pytest.fixture
def runner_of(plant: Plant) -> RunnerOf:
    """A runner with a name of its own on the plant's database."""

    def made(holder: str) -> Runner:
        house = plant.house
        context = JobContext(
            replace(house.settings, rollup_every_s=1.0),
            house.pipeline,
            house.roots,
            BatchesRepository(house.engine),
            house.set_aside,
            Deliveries(house.engine, house.registry),
            house.agent_configs,
        )
        stats = JobStats(CollectorRegistry())
        return Runner.create(context, LeaseRepository(house.engine), JobRunsRepository(house.engine), stats, holder)

    return made


def results(plant: Plant) -> dict[str, str]:
    return {run.job: run.result for run in JobRunsRepository(plant.house.engine).runs()}


def test_starting_runs_every_job_of_the_table_at_once(plant: Plant, runner_of: RunnerOf) -> None:
    runner = runner_of("one")
    runner.start()
    deadline = time.monotonic() + 20
    while len(results(plant)) < len(JOBS) and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.stop()
    assert results(plant).keys() == {job.name for job in JOBS}


def test_no_run_is_skipped_for_being_late(runner_of: RunnerOf) -> None:
    runner = runner_of("one")
    runner.start()
    try:
        jobs = runner.scheduler.get_jobs()
        assert {job.id for job in jobs} == {job.name for job in JOBS} | {LEASE}
        assert all(job.misfire_grace_time is None and job.coalesce and job.max_instances == 1 for job in jobs)
    finally:
        runner.stop()


def test_of_two_schedulers_one_works_until_it_stops(plant: Plant, runner_of: RunnerOf) -> None:
    done: list[str] = []
    first, second = runner_of("first"), runner_of("second")
    job_of = {name: Job("probe", lambda _: 1.0, lambda *_, own=name: done.append(own) or {}) for name in ("1st", "2nd")}
    first.run(job_of["1st"])
    second.run(job_of["2nd"])
    assert done == ["1st"]
    LeaseRepository(plant.house.engine).release(LEASE, "first")
    second.run(job_of["2nd"])
    assert done == ["1st", "2nd"]


def test_a_dead_leader_is_replaced_when_its_lease_has_run_out(plant: Plant, runner_of: RunnerOf) -> None:
    leases = LeaseRepository(plant.house.engine)
    first = leases.acquire(LEASE, "dead", now_ms() - LEASE_TTL_MS - 1, LEASE_TTL_MS)
    done: list[int] = []
    runner_of("alive").run(Job("probe", lambda _: 1.0, lambda *_: done.append(1) or {}))
    assert done == [1]
    fence = leases.acquire(LEASE, "alive", now_ms(), LEASE_TTL_MS)
    assert first is not None and fence is not None and fence > first


@ON_BOTH_ENGINES
def test_a_leader_that_slept_past_its_lease_books_nothing_and_the_next_one_does(
    plant: Plant, runner_of: RunnerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one falls asleep between two steps of its roll-up, and wakes up when the second one leads."""
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 10.0, every_min=60))
    now = {"ms": at("2026-10-06 01:00")}
    monkeypatch.setattr("gateway.scheduler.runner.now_ms", lambda: now["ms"])
    first, second = runner_of("first"), runner_of("second")
    (roll_up,) = (job for job in JOBS if job.name == "rollup")
    took_over: list[int] = []

    def sleep(stage: EntriesStage, *_: object) -> EntriesDone:
        now["ms"] += LEASE_TTL_MS + 1
        second.run(Job("probe", lambda _: 1.0, lambda *_: took_over.append(1) or {}))
        return awake(stage, *_)  # type: ignore[arg-type]

    awake = EntriesStage.run
    with monkeypatch.context() as patched:
        patched.setattr(EntriesStage, "run", sleep)
        first.run(roll_up)
    assert took_over == [1] and plant.chain_length() == 0
    assert "another holder" in results(plant)["rollup"]
    first.run(roll_up)
    assert plant.chain_length() == 0
    second.run(roll_up)
    assert plant.chain_length() > 0


def test_a_job_that_outlasts_the_lease_keeps_it(
    plant: Plant, runner_of: RunnerOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is short, so that a killed leader is soon replaced; the renewal makes up for that."""
    leases, runner = LeaseRepository(plant.house.engine), runner_of("busy")
    started, end = threading.Event(), threading.Event()

    def work(*_: object) -> dict[str, int]:
        started.set()
        end.wait(20)
        return {}

    monkeypatch.setattr("gateway.scheduler.runner.LEASE_TTL_MS", 1_000)
    monkeypatch.setattr("gateway.scheduler.runner.RENEW_EVERY_S", 0.2)
    monkeypatch.setattr("gateway.scheduler.runner.JOBS", (Job("long", lambda _: 60.0, work),))
    runner.start()
    try:
        assert started.wait(10)
        until_s = time.monotonic() + 2.5
        while time.monotonic() < until_s:
            assert leases.acquire(LEASE, "other", now_ms(), 1_000) is None
            time.sleep(0.05)
    finally:
        end.set()
        runner.stop()
    assert leases.acquire(LEASE, "other", now_ms(), 1_000) is not None


@pytest.mark.parametrize("error", [StoreUnavailable("the store is away"), RuntimeError("a defect")])
def test_a_job_that_fails_is_recorded_and_runs_again(
    plant: Plant, runner_of: RunnerOf, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    runner = runner_of("one")
    outcomes = iter([error, {"done": 1}])

    def work(*_: object) -> dict[str, int]:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    job = Job("probe", lambda _: 1.0, work)
    runner.run(job)
    assert str(error) in results(plant)["probe"]
    runner.run(job)
    assert results(plant)["probe"] == '{"done": 1}'


def test_what_was_set_aside_too_long_ago_is_dropped_and_logged(
    runner_of: RunnerOf, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    day_ms = 24 * 3_600_000
    plant.house.set_aside.add(
        SetAsideRow(now_ms() - age_days * day_ms, PLANT, "edge-1", f"b{age_days}", "unknown_point", "…", 5, b"{}")
        for age_days in (400, 300)
    )
    job = next(job for job in JOBS if job.name == "housekeeping")
    context = runner_of("one").context
    unlimited = replace(context, settings=replace(context.settings, set_aside_days=0))
    assert job.run(unlimited, now_ms())["set_aside_expired"] == 0
    assert job.run(context, now_ms())["set_aside_expired"] == 5
    assert [row.batch_id for row in plant.house.set_aside.page()] == ["b300"]
    assert "set_aside.expired" in capsys.readouterr().out


def test_old_batches_are_forgotten_and_young_ones_kept(runner_of: RunnerOf, plant: Plant) -> None:
    day_ms = 24 * 3_600_000
    batches = BatchesRepository(plant.house.engine)
    batches.record(
        [
            BatchRow(PLANT, "edge-1", name, "0" * 64, now_ms() - age_days * day_ms, 1, 0, ())
            for name, age_days in (("old", 120), ("young", 1))
        ],
        [],
    )
    job = next(job for job in JOBS if job.name == "housekeeping")
    assert job.run(runner_of("one").context, now_ms())["batches_forgotten"] == 1
    assert [key[2] for key in batches.known([(PLANT, "edge-1", "old"), (PLANT, "edge-1", "young")])] == ["young"]
