"""A small park with a past: five enterprises, fifty booked days, ratings, a week of readings.

Everything is put into the stores by the repositories themselves and computed by the carbon functions themselves; only
the meters' curves are made up here. The clock stands still at NOW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from collectors.clock import HOUR_MS
from collectors.profile import shipped_config_dir
from gateway import create_app
from gateway.access import Access
from gateway.accounts.reader import AccountReader
from gateway.parts import HealthCheck, Parts
from gateway.registry.loading import RegistryFile
from gateway.registry.model import Name, Park, Registry
from gateway.registry.repository import RegistryRepository
from gateway.scheduler.daily_roots import DailyRoots
from gateway.signing import Signer
from gateway.store.database import open_database
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.evidence_store import EvidenceStore
from gateway.store.timeseries import TimeSeriesStore
from gateway.store.token_repository import TokenRepository
from tests.gateway.seeded_enterprises import FITTINGS, NOW_MS, OTHER_PARK, PARK, STEEL, ZONE, enterprises
from tests.gateway.seeded_past import knowledge, seed

CONTROL_TOKEN = "control-token-of-this-start"


@dataclass
class SeededPark:
    """A running gateway's web side, with tokens for each role."""

    engine: Engine
    timeseries: TimeSeriesStore
    registry: Registry
    reader: AccountReader
    app: Flask
    tokens: dict[str, str]  # role, or role of a second subject -> token
    signer: Signer
    operations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # as they were called

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, path: str, role: str | None = "admin", **headers: str) -> TestResponse:
        """GET as a role; None = anonymous."""
        return self.client().get(path, headers=self.headers(role) | headers)

    def post(self, path: str, body: Any, role: str | None = "admin", **headers: str) -> TestResponse:
        return self.client().post(path, json=body, headers=self.headers(role) | headers)

    def headers(self, role: str | None) -> dict[str, str]:
        return {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}


def build_park(directory: Path, *, with_past: bool) -> SeededPark:
    """A park in a directory of its own; without a past it is only registered."""
    factors, _policies, profiles = knowledge()
    engine = open_database(f"sqlite:///{directory / 'tanmai.sqlite'}")
    timeseries = DuckDBStore(directory / "timeseries.duckdb")
    registrar = RegistryRepository(engine)
    parks = (
        Park(PARK, Name("泉州示范园区", "Quanzhou demo park"), "fujian", ZONE, 1.8),
        Park(OTHER_PARK, Name("别处园区", "Another park"), "shandong", ZONE, None),
    )
    registrar.apply(RegistryFile(parks, enterprises()), NOW_MS)
    reader = AccountReader(engine, timeseries, registrar.snapshot, factors, profiles)
    access = Access(TokenRepository(engine), lambda _password: "")
    tokens = {
        name: access.issue(role, subject, NOW_MS)
        for name, role, subject in (
            ("admin", "admin", ""),
            ("park", "park", PARK),
            ("platform", "platform", "bank"),
            ("enterprise", "enterprise", STEEL),
            ("other-enterprise", "enterprise", FITTINGS),
            ("device", "device", f"{STEEL}/edge-1"),
        )
    }
    called: list[tuple[str, dict[str, Any]]] = []

    def rollup(arguments: dict[str, Any]) -> dict[str, Any]:
        called.append(("rollup", arguments))
        return {"stages": {}}

    signer = Signer.of(directory)
    parts = Parts(
        engine=engine,
        timeseries=timeseries,
        registry=registrar.snapshot,
        factors=factors,
        reader=reader,
        evidence=EvidenceStore(engine, directory / "evidence"),
        authenticate=access.authenticate,
        operations={"rollup": rollup},
        health=lambda: [HealthCheck("database", True, "SQLite"), HealthCheck("timeseries", True, timeseries.ping())],
        config_dir=shipped_config_dir(),
        secret_key="a secret of this test",
        signing_key_pem=signer.public_pem,
        is_control_token=lambda token: token == CONTROL_TOKEN,
        clock=lambda: NOW_MS,
    )
    park = SeededPark(engine, timeseries, registrar.snapshot(), reader, create_app(parts), tokens, signer, called)
    if with_past:
        seed(park)
        DailyRoots(engine, signer).make(NOW_MS + 48 * HOUR_MS)
    return park


@pytest.fixture(scope="session")
def seeded_park(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPark]:
    """A park with a past, for tests that only read."""
    park = build_park(tmp_path_factory.mktemp("seeded"), with_past=True)
    yield park
    park.timeseries.close()
    park.engine.dispose()


@pytest.fixture
def bare_park(tmp_path: Path) -> Iterator[SeededPark]:
    """A park that is only registered, for tests that write."""
    park = build_park(tmp_path, with_past=False)
    yield park
    park.timeseries.close()
    park.engine.dispose()
