"""Databases for tests: a fresh SQLite file, and a real PostgreSQL of our own on a private socket.

`engine` runs a test once on each. PostgreSQL is started once per test process; every test gets its own database.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from gateway.store.database import open_database

START_TIMEOUT_S = 60


def _unavailable(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; under CI nothing may be skipped")
    pytest.skip(reason)


def _programs() -> Path | None:
    """The newest Debian PostgreSQL, whose programs are not on PATH, or the one that is."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = packaged[-1] if packaged else Path(on_path) if on_path else None
    return found.parent if found else None


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: another user's name then, or None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _ready(programs: Path, directory: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while subprocess.run([programs / "pg_isready", "-q", "-h", directory], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not start:\n{(directory / 'log').read_text()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Directory of the socket of a running PostgreSQL."""
    programs = _programs()
    if programs is None:
        _unavailable("no PostgreSQL: apt-get install postgresql")
    assert programs is not None
    directory = Path(tempfile.mkdtemp(prefix="tanmai-pg-"))  # short: a socket's path has at most 107 characters
    user = _unprivileged()
    if user:
        shutil.chown(directory, user)
    setup = [programs / "initdb", "-D", directory / "data", "-U", "tanmai", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(setup, check=True, stdout=subprocess.DEVNULL, user=user, cwd=directory)
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", directory / "data", "-k", directory, "-c", "listen_addresses=", "-F"],
            stdout=log,
            stderr=log,
            user=user,
            cwd=directory,
        )
    try:
        _ready(programs, directory, server)
        yield str(directory)
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown
        server.wait(START_TIMEOUT_S)
        shutil.rmtree(directory)


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """Address of an empty database on a real PostgreSQL."""
    name = f"t{uuid.uuid4().hex}"
    address = f"postgresql+psycopg://tanmai@/{{}}?host={postgresql_server}"
    owner = create_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.format(name)
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()


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
