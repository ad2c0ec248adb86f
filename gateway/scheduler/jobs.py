"""The JOBS table: what the scheduler does, how often, and nothing else. To add a job, add a function and a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from collectors.clock import HOUR_MS
from gateway.agent_configs.configs import AgentConfigs
from gateway.scheduler.daily_roots import DailyRoots
from gateway.scheduler.pipeline import Pipeline
from gateway.scheduler.retention import Retention
from gateway.settings import Settings
from gateway.store.batches_repository import BatchesRepository
from gateway.store.set_aside_repository import SetAsideRepository
from gateway.webhooks.delivery import Deliveries

CLOSE_EVERY_S = 600.0
ROOTS_EVERY_S = 600.0
HOUSEKEEPING_EVERY_S = 3600.0
RETENTION_EVERY_S = 3600.0
ARCHIVE_EVERY_S = 6 * 3600.0  # late readings of an archived month write some of its files anew: not too often
WEBHOOKS_EVERY_S = 5.0
AGENT_CONFIGS_EVERY_S = 60.0
BATCHES_KEPT_MS = 100 * 24 * HOUR_MS  # a forgotten batch that comes again is stored again, which changes nothing


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What jobs work with."""

    settings: Settings
    pipeline: Pipeline
    roots: DailyRoots
    batches: BatchesRepository
    set_aside: SetAsideRepository
    webhooks: Deliveries
    agent_configs: AgentConfigs


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of recurring work. `run(context, now_ms)` does what is due by now and says what it did."""

    name: str
    every_s: Callable[[Settings], float]
    run: Callable[[JobContext, int], dict[str, Any]]
    lane: str = "work"  # jobs of one lane take turns; those that wait for others' servers have their own


def _roll_up(context: JobContext, now_ms: int) -> dict[str, Any]:
    return context.pipeline.run(now_ms)


def _close_months(context: JobContext, now_ms: int) -> dict[str, Any]:
    return {"closed": context.pipeline.close_months(now_ms, context.settings.close_day)}


def _make_roots(context: JobContext, now_ms: int) -> dict[str, Any]:
    return context.roots.make(now_ms)


def _keep_house(context: JobContext, now_ms: int) -> dict[str, Any]:
    """What grows with every message is kept within its limits; what went is counted in the job's result."""
    return {
        "batches_forgotten": context.batches.forget_before(now_ms - BATCHES_KEPT_MS),
        "set_aside_expired": _drop_expired(context, now_ms),
        "set_aside_dropped": context.set_aside.trim(),
    }


def _drop_expired(context: JobContext, now_ms: int) -> int:
    """Drop what was set aside so long ago that nobody will mend it; the log says whose it was, and why it was there."""
    kept_days = context.settings.set_aside_days
    if kept_days == 0:
        return 0
    dropped = context.set_aside.forget_before(now_ms - kept_days * 24 * HOUR_MS)
    for (enterprise, reason), count in sorted(dropped.items()):
        log.warning("set_aside.expired", enterprise=enterprise, reason=reason, count=count, kept_days=kept_days)
    return sum(dropped.values())


def _archive(context: JobContext, now_ms: int) -> dict[str, Any]:
    """Month by month; stopped in between it goes on with the next run."""
    after_days = context.settings.archive_after_days
    months: list[str] = []
    readings = 0
    while after_days:
        done = context.pipeline.timeseries.archive(now_ms - after_days * 24 * HOUR_MS)
        if done is None:
            break
        log.info(
            "month_archived", month=done.month, readings=done.readings, files=done.files, size_bytes=done.size_bytes
        )
        months.append(done.month)
        readings += done.readings
    return {"months": months, "readings": readings}


def _give_up_raw(context: JobContext, now_ms: int) -> dict[str, Any]:
    pipeline = context.pipeline
    retention = Retention(pipeline.engine, pipeline.timeseries, pipeline)
    return asdict(retention.run(now_ms, context.settings.raw_retention_days))


def _bring_changes(context: JobContext, now_ms: int) -> dict[str, Any]:
    return asdict(context.webhooks.run(now_ms))


def _bring_configs(context: JobContext, now_ms: int) -> dict[str, Any]:
    return context.agent_configs.deliver(now_ms)


JOBS: tuple[Job, ...] = (
    Job("rollup", lambda settings: settings.rollup_every_s, _roll_up),
    Job("close_months", lambda settings: CLOSE_EVERY_S, _close_months),
    Job("daily_roots", lambda settings: ROOTS_EVERY_S, _make_roots),
    Job("housekeeping", lambda settings: HOUSEKEEPING_EVERY_S, _keep_house),
    Job("archive", lambda settings: ARCHIVE_EVERY_S, _archive, lane="archive"),
    Job("retention", lambda settings: RETENTION_EVERY_S, _give_up_raw),
    Job("webhooks", lambda settings: WEBHOOKS_EVERY_S, _bring_changes, lane="webhooks"),
    Job("agent_configs", lambda settings: AGENT_CONFIGS_EVERY_S, _bring_configs, lane="agent_configs"),
)
