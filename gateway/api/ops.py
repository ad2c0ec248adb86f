"""For those who run it: is it alive, is it ready, what does it count. Without a token, and without anything of anyone's
account in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, g, jsonify, request
from prometheus_client import Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from collectors.errors import StoreError
from gateway.api.auth import parts
from gateway.api.openapi import specification
from gateway.parts import Parts
from gateway.store.database import reading
from gateway.store.schema import (
    agent_status,
    batches,
    dirty_days,
    due_sums,
    findings,
    job_runs,
    ledger_entries,
    set_aside,
)
from gateway.store.upkeep_schema import raw_drops

blueprint = Blueprint("ops", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify({"status": "alive", "version": parts().version})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Everything it needs answers; 503 and what is wrong otherwise."""
    checks = parts().health()
    ready = all(check.ok for check in checks)
    body = {
        "status": "ready" if ready else "not ready",
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks],
    }
    return jsonify(body), 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters and gauges in Prometheus' text form."""
    return Response(generate_latest(parts_metrics().collectors), content_type=CONTENT_TYPE_LATEST)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The API's description."""
    return jsonify(specification(parts().version))


class Metrics:
    """The metrics of one app."""

    def __init__(self, own: Parts) -> None:
        self.collectors = own.metrics
        self.requests = Counter(
            "tanmai_http_requests", "HTTP requests", ["method", "route", "status"], registry=self.collectors
        )
        self.seconds = Histogram(
            "tanmai_http_request_seconds", "Time to answer an HTTP request", ["route"], registry=self.collectors
        )
        self.collectors.register(_Stores(own))


def parts_metrics() -> Metrics:
    """The metrics of the app that serves this request."""
    from flask import current_app

    held: Metrics = current_app.extensions["tanmai-metrics"]
    return held


def install(app: Flask, own: Parts) -> None:
    """Count requests by route, never by address: an address has ids in it."""
    held = Metrics(own)
    app.extensions["tanmai-metrics"] = held

    @app.before_request
    def start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        held.requests.labels(request.method, route, response.status_code).inc()
        if "started_s" in g:
            held.seconds.labels(route).observe(time.perf_counter() - g.started_s)
        return response


class _Stores(Collector):
    """What stands in the stores, counted when asked."""

    def __init__(self, own: Parts) -> None:
        self._parts = own

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._relational()
            dirty = self._parts.timeseries.dirty_count()
            yield GaugeMetricFamily("tanmai_dirty_hours", "Hours waiting to be rolled up", dirty)
            readings, size_bytes = self._parts.timeseries.archived()
            yield GaugeMetricFamily("tanmai_archived_readings", "Readings in archived months", readings)
            yield GaugeMetricFamily("tanmai_archived_bytes", "Bytes of archived months", size_bytes)
            yield GaugeMetricFamily("tanmai_up", "1 = the stores answer", 1)
        except StoreError:
            yield GaugeMetricFamily("tanmai_up", "1 = the stores answer", 0)

    def _relational(self) -> Iterator[Metric]:
        with reading(self._parts.engine) as connection:
            taken = connection.execute(
                select(func.count(), func.coalesce(func.sum(batches.c.accepted), 0)).select_from(batches)
            ).one()
            yield CounterMetricFamily("tanmai_batches", "Batches received", taken[0])
            yield CounterMetricFamily("tanmai_readings_accepted", "Readings stored out of batches", int(taken[1]))
            aside = CounterMetricFamily("tanmai_set_aside", "Readings set aside", labels=["reason"])
            query = select(set_aside.c.reason, func.sum(set_aside.c["count"])).group_by(set_aside.c.reason)
            for reason, count in connection.execute(query):
                aside.add_metric([reason], int(count))
            yield aside
            counts = (
                ("tanmai_dirty_days", "Days waiting to be booked", select(func.count()).select_from(dirty_days)),
                ("tanmai_due_sums", "Quarters and years to be summed", select(func.count()).select_from(due_sums)),
                (
                    "tanmai_raw_dropped_point_days",
                    "Days of points whose raw readings were dropped",
                    select(func.coalesce(func.sum(raw_drops.c.proofs), 0)),
                ),
                ("tanmai_ledger_entries", "Ledger entries", select(func.count()).select_from(ledger_entries)),
                ("tanmai_findings_open", "Open findings", select(func.count()).where(findings.c.status == "open")),
                ("tanmai_agents_online", "Agents online", select(func.count()).where(agent_status.c.online.is_(True))),
            )
            for name, text, count_query in counts:
                yield GaugeMetricFamily(name, text, int(connection.execute(count_query).scalar_one()))
            jobs = GaugeMetricFamily("tanmai_job_finished_seconds", "When a job last finished", labels=["job"])
            for job, finished_ms in connection.execute(select(job_runs.c.job, job_runs.c.finished_at_ms)):
                jobs.add_metric([job], finished_ms / 1000)
            yield jobs
