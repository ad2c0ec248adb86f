"""APScheduler drives the JOBS table; the work itself comes from stored lists, never from the clock.

What stays true:
- A job that was missed, late or run twice does no harm: it works off what is due by then, and that is stored.
- Nothing is skipped by misfire grace (APScheduler's default of one second would), and nothing piles up: missed runs
  of one job become one.
- Of several schedulers on one database only the holder of the lease works. It is renewed in a thread of its own, so a
  job may take as long as it takes and a killed leader is still replaced within LEASE_TTL_MS. The lease's fencing number
  grows with each change of holder, and each transaction of a job checks it: a leader that slept past its lease wakes up
  to have its writes refused, and the next run is the new leader's.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import CollectorRegistry, Counter, Gauge

from collectors.clock import from_ms, monotonic_s, now_ms
from collectors.errors import StoreUnavailable, TanmaiError
from gateway.scheduler.jobs import JOBS, Job, JobContext
from gateway.store.database import guarded
from gateway.store.job_runs_repository import JobRunsRepository
from gateway.store.lease_repository import LeaseRepository, guard_of

LEASE = "scheduler"
LEASE_TTL_MS = 60_000  # a leader that was killed is replaced after this, by its own restart as well as by another
RENEW_EVERY_S = 15.0  # beside the jobs, so that a long one keeps the lease

log = structlog.get_logger(__name__)


class JobStats:
    """What is counted of the jobs."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self.seconds = Gauge("tanmai_job_seconds", "How long the last run of a job took", ["job"], registry=metrics)
        self.failures = Counter("tanmai_job_failures", "Runs of a job that failed", ["job"], registry=metrics)


@dataclass(frozen=True, slots=True)
class Runner:
    """The scheduler thread of one gateway process."""

    context: JobContext
    leases: LeaseRepository
    runs: JobRunsRepository
    stats: JobStats
    holder: str  # names this process among the schedulers of one database
    scheduler: BackgroundScheduler

    @classmethod
    def create(
        cls, context: JobContext, leases: LeaseRepository, runs: JobRunsRepository, stats: JobStats, holder: str
    ) -> Runner:
        scheduler = BackgroundScheduler(
            timezone=UTC,
            # One job at a time in a lane: they share the work lists.
            executors={lane: ThreadPoolExecutor(max_workers=1) for lane in (LEASE, *{job.lane for job in JOBS})},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        return cls(context, leases, runs, stats, holder, scheduler)

    def start(self) -> None:
        """Run every job once at once, so that downtime is caught up, and then at its interval."""
        self.scheduler.add_job(self.renew, "interval", id=LEASE, seconds=RENEW_EVERY_S, executor=LEASE)
        for job in JOBS:
            self.scheduler.add_job(
                self.run,
                "interval",
                args=[job],
                id=job.name,
                executor=job.lane,
                seconds=job.every_s(self.context.settings),
                next_run_time=from_ms(now_ms()),
            )
        self.scheduler.start()

    def stop(self) -> None:
        """Wait for the job that is running, then give the lease to others."""
        self.scheduler.shutdown(wait=True)
        self.leases.release(LEASE, self.holder)

    def renew(self) -> None:
        """Keep the lease, or take it if it is free. Never raises: the jobs say what is wrong with the database."""
        with suppress(StoreUnavailable):
            self.leases.acquire(LEASE, self.holder, now_ms(), LEASE_TTL_MS)

    def run(self, job: Job) -> None:
        """One run of one job, if this process holds the lease. Never raises: the next run is the retry."""
        started_s = monotonic_s()
        try:
            fence = self.leases.acquire(LEASE, self.holder, now_ms(), LEASE_TTL_MS)
            if fence is None:
                return
            with guarded(guard_of(LEASE, fence)):
                result = job.run(self.context, now_ms())
        except StoreUnavailable as error:
            log.warning("job_postponed", job=job.name, why=str(error))
            self.stats.failures.labels(job.name).inc()
            result = {"error": str(error)}
        except TanmaiError as error:
            log.error("job_failed", job=job.name, why=str(error))
            self.stats.failures.labels(job.name).inc()
            result = {"error": str(error)}
        except Exception as error:  # the scheduler thread must survive a defect in one job; it is logged with its trace
            log.exception("job_broke", job=job.name)
            self.stats.failures.labels(job.name).inc()
            result = {"error": repr(error)}
        duration_s = monotonic_s() - started_s
        self.stats.seconds.labels(job.name).set(duration_s)
        self._record(job, duration_s, result)

    def _record(self, job: Job, duration_s: float, result: dict[str, Any]) -> None:
        try:
            self.runs.record(job.name, now_ms(), duration_s, json.dumps(result))
        except StoreUnavailable as error:
            log.warning("job_run_not_recorded", job=job.name, why=str(error))
