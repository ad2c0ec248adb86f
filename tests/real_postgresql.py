"""A real PostgreSQL of our own on a private socket, and empty databases in it: for fixtures and for simulations."""

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
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

START_TIMEOUT_S = 60


class NoPostgreSQL(Exception):
    """It is not installed."""


def _programs() -> Path:
    """The newest Debian PostgreSQL, whose programs are not on PATH, or the one that is."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = packaged[-1] if packaged else Path(on_path) if on_path else None
    if found is None:
        raise NoPostgreSQL("no PostgreSQL: apt-get install postgresql")
    return found.parent


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: another user's name then, or None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _await_ready(programs: Path, directory: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while subprocess.run([programs / "pg_isready", "-q", "-h", directory], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"PostgreSQL did not start:\n{(directory / 'log').read_text()}")
        time.sleep(0.05)


@contextmanager
def running_server() -> Iterator[str]:
    """Directory of the socket of a running PostgreSQL."""
    programs = _programs()
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
        _await_ready(programs, directory, server)
        yield str(directory)
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown
        server.wait(START_TIMEOUT_S)
        shutil.rmtree(directory)


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Address of a database of its own on a running PostgreSQL."""
    name = f"t{uuid.uuid4().hex}"
    address = f"postgresql+psycopg://tanmai@/{{}}?host={server}"
    owner = create_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.format(name)
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()
