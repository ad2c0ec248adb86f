"""Databases for tests: a fresh SQLite file, and a real PostgreSQL of our own on a private socket.

`engine` runs a test once on each. PostgreSQL is started once per test process; every test gets its own database.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gateway.store.database import open_database
from tests.real_postgresql import NoPostgreSQL, empty_database, running_server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Directory of the socket of a running PostgreSQL."""
    try:
        with running_server() as directory:
            yield directory
    except NoPostgreSQL as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; under CI nothing may be skipped")
        pytest.skip(str(reason))


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """Address of an empty database on a real PostgreSQL."""
    with empty_database(postgresql_server) as address:
        yield address


@pytest.fixture
def make_postgresql(postgresql_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases on a real PostgreSQL; gives the address of each."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(empty_database(postgresql_server))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tanmai.sqlite'}"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database, once on each engine."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()
