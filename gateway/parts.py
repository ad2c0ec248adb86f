"""What `create_app` is made of: the parts of the gateway that the web side needs, put together by the wiring.

The web side knows no ingest, no scheduler and no broker; what it needs of them comes in here as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Blueprint
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from collectors.clock import now_ms
from gateway.access import Principal
from gateway.accounts.reader import AccountReader
from gateway.carbon.factors import FactorBook
from gateway.registry.model import Registry
from gateway.store.evidence_store import EvidenceStore
from gateway.store.timeseries import TimeSeriesStore

Operation = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that must work for the gateway to be of use."""

    name: str  # database, timeseries, broker, scheduler …
    ok: bool
    detail: str  # the engine and version, or what is wrong and what to do


@dataclass(frozen=True)
class Parts:
    engine: Engine
    timeseries: TimeSeriesStore
    registry: Callable[[], Registry]  # the snapshot of now
    factors: FactorBook
    reader: AccountReader
    evidence: EvidenceStore
    authenticate: Callable[[str], Principal | None]  # of a token's text
    operations: Mapping[str, Operation]  # admin's operations by name, for POST /api/v1/operations/<name>
    health: Callable[[], list[HealthCheck]]
    config_dir: Path
    secret_key: str  # signs session cookies; the same for all replicas
    signing_key_pem: str  # public; of the key that signs statements and roots
    is_control_token: Callable[[str], bool] = lambda _: False  # of this start's DATA_DIR/control.json
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)  # what other parts count
    intake_blueprint: Blueprint | None = None  # POST /api/v1/readings, where this process takes readings
    clock: Callable[[], int] = now_ms
    secure_cookies: bool = False  # True behind HTTPS
    version: str = "0.1.0"
