"""The last run of each scheduled job: when, how long, what it did or why it failed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from gateway.store.database import Bind, reading, upsert, writing
from gateway.store.schema import job_runs as table


@dataclass(frozen=True, slots=True)
class JobRun:
    """What a job did last."""

    job: str
    finished_at_ms: int
    duration_s: float
    result: str  # JSON: what it did, or the error


class JobRunsRepository:
    """One row per job."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def record(self, job: str, finished_at_ms: int, duration_s: float, result: str) -> None:
        """Replace the job's last run."""
        row = {"job": job, "finished_at_ms": finished_at_ms, "duration_s": duration_s, "result": result}
        with writing(self._bind) as connection:
            upsert(connection, table, [row])

    def runs(self) -> list[JobRun]:
        """The last run of every job that ever ran, by name."""
        with reading(self._bind) as connection:
            return [JobRun(**row._mapping) for row in connection.execute(select(table).order_by(table.c.job))]
