"""`tanmai serve --role rollup`: a process that never leads and takes its share of the roll-up again and again.

What stays true: it works off what is due and claimed by nobody (`gateway.scheduler.sharing`), whenever it comes to it;
a pass that fails costs that pass, and the next one is the retry. Until a leader has worked the newest registry in, it
does nothing.
"""

from __future__ import annotations

import threading
from typing import Self

import structlog

from collectors.clock import monotonic_s, now_ms
from collectors.errors import ConfigurationError, StoreUnavailable, TanmaiError
from gateway.scheduler.pipeline import Pipeline
from gateway.scheduler.runner import JobStats

JOB = "rollup"  # as it is counted, like the leader's job

log = structlog.get_logger(__name__)


class Sharer:
    """A thread that works until it is stopped."""

    def __init__(self, pipeline: Pipeline, every_s: float, stats: JobStats) -> None:
        self._pipeline = pipeline
        self._every_s = every_s
        self._stats = stats
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rollup", daemon=True)

    @classmethod
    def of(cls, pipeline: Pipeline, every_s: float, stats: JobStats) -> Self:
        """Raises ConfigurationError where there is nothing to share."""
        if not pipeline.turns.is_shared:
            raise ConfigurationError(
                "--role rollup shares the work of a scheduler on PostgreSQL and InfluxDB: set TANMAI_DATABASE_URL and "
                "TANMAI_TIMESERIES to theirs; a DuckDB or SQLite file has one process, which does everything"
            )
        return cls(pipeline, every_s, stats)

    def start(self) -> None:
        """Begin at once."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the pass that is under way."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            started_s = monotonic_s()
            self._pass()
            lasted_s = monotonic_s() - started_s
            self._stats.seconds.labels(JOB).set(lasted_s)
            self._stopped.wait(max(self._every_s - lasted_s, 0.0))

    def _pass(self) -> None:
        """Never raises: the thread must survive a defect, which is logged with its trace."""
        try:
            self._pipeline.share(now_ms())
        except StoreUnavailable as error:
            log.warning("pass_postponed", why=str(error))
        except TanmaiError as error:
            log.error("pass_failed", why=str(error))
        except Exception:
            log.exception("pass_broke")
        else:
            return
        self._stats.failures.labels(JOB).inc()
