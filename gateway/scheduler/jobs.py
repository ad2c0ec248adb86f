"""The JOBS table: what the scheduler does, how often, and nothing else. To add a job, add a function and a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.scheduler.daily_roots import DailyRoots
from gateway.scheduler.pipeline import Pipeline
from gateway.settings import Settings

CLOSE_EVERY_S = 600.0
ROOTS_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class JobContext:
    """What jobs work with."""

    settings: Settings
    pipeline: Pipeline
    roots: DailyRoots


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of recurring work. `run(context, now_ms)` does what is due by now and says what it did."""

    name: str
    every_s: Callable[[Settings], float]
    run: Callable[[JobContext, int], dict[str, Any]]


def _roll_up(context: JobContext, now_ms: int) -> dict[str, Any]:
    return context.pipeline.run(now_ms)


def _close_months(context: JobContext, now_ms: int) -> dict[str, Any]:
    return {"closed": context.pipeline.close_months(now_ms, context.settings.close_day)}


def _make_roots(context: JobContext, now_ms: int) -> dict[str, Any]:
    return context.roots.make(now_ms)


JOBS: tuple[Job, ...] = (
    Job("rollup", lambda settings: settings.rollup_every_s, _roll_up),
    Job("close_months", lambda settings: CLOSE_EVERY_S, _close_months),
    Job("daily_roots", lambda settings: ROOTS_EVERY_S, _make_roots),
)
