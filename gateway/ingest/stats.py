"""Counters of ingest, for /metrics and for whoever asks what was dropped and why."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from collectors.wire import Receipt


class IngestStats:
    """One set per process; tests give each its own `CollectorRegistry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "tanmai_ingest_messages", "Messages taken in, by the way they came.", ["via"], registry=registry
        )
        self._batches = Counter(
            "tanmai_ingest_batches", "Batches answered, by the status of their receipt.", ["status"], registry=registry
        )
        self._readings = Counter("tanmai_ingest_readings", "Readings stored.", registry=registry)
        self._set_aside = Counter(
            "tanmai_ingest_set_aside", "Readings or messages set aside, by reason.", ["reason"], registry=registry
        )
        self._statuses = Counter(
            "tanmai_ingest_statuses", "Status messages, by whether they could be kept.", ["outcome"], registry=registry
        )
        self.queue_messages = Gauge("tanmai_ingest_queue_messages", "Messages waiting for a commit.", registry=registry)
        self.queue_bytes = Gauge(
            "tanmai_ingest_queue_bytes", "Payload of the messages waiting for a commit.", registry=registry
        )
        self.commit_seconds = Histogram(
            "tanmai_ingest_commit_seconds", "Time from the first store call of a commit to its end.", registry=registry
        )
        self.store_waits = Counter(
            "tanmai_ingest_store_waits", "Commits put off because a store was unavailable.", registry=registry
        )
        self.receipts_dropped = Counter(
            "tanmai_ingest_receipts_dropped",
            "Receipts that could not be sent; the batch comes again.",
            registry=registry,
        )
        self.held_off = Counter(
            "tanmai_ingest_over_quota",
            "Messages held off, by the way they came and the quota that they were over.",
            ["via", "quota"],
            registry=registry,
        )
        self.connections = Counter(
            "tanmai_ingest_mqtt_connections", "Connections to the MQTT broker that came to stand.", registry=registry
        )
        self.revivals = Counter(
            "tanmai_ingest_mqtt_revivals", "Network threads found dead or stuck and replaced.", registry=registry
        )

    def took(self, via: str, messages: int) -> None:
        self._messages.labels(via).inc(messages)

    def answered(self, receipts: Iterable[Receipt]) -> None:
        """Count what the receipts say. Repetitions count as batches, not as readings."""
        statuses: dict[str, int] = {}
        reasons: dict[str, int] = {}
        accepted = 0
        for receipt in receipts:
            statuses[receipt.status] = statuses.get(receipt.status, 0) + 1
            if receipt.status == "duplicate":
                continue
            accepted += receipt.accepted
            for one in receipt.reasons:
                reasons[one.reason] = reasons.get(one.reason, 0) + one.count
        # A counter costs as much as decoding a small batch: each is asked once for all receipts.
        self._readings.inc(accepted)
        for status, count in statuses.items():
            self._batches.labels(status).inc(count)
        for reason, count in reasons.items():
            self._set_aside.labels(reason).inc(count)

    def kept_statuses(self, kept: int, dropped: int) -> None:
        self._statuses.labels("kept").inc(kept)
        self._statuses.labels("dropped").inc(dropped)
