"""The relational database: opened, set up and migrated in one call, SQLite and PostgreSQL alike.

What stays true:
- `writing` is one transaction: all of it is durable when the block ends, nothing of it if the block raises. On SQLite
  it takes the write lock at its start (BEGIN IMMEDIATE), so that two writers wait for each other and never deadlock
  between reading and writing.
- `reading` sees one instant of the database for the whole block and never waits for a writer.
- Both also take a connection in place of an engine and then join the caller's transaction; so several repositories
  can write together or not at all.
- Within `guarded` such a transaction asks a guard first, which may refuse it: a job whose lease is lost writes nothing.
- Errors of the driver leave here as `StoreUnavailable` (retry later) or `StoreRefused` (this will never be taken).

- PostgreSQL ends the session of a process that stands still in a transaction for IDLE_IN_TRANSACTION_MS, so that a
  frozen process holds its locks no longer than that.

Limits: SQLite writers wait BUSY_TIMEOUT_MS for each other; PostgreSQL connections are at most POOL_SIZE + POOL_OVERFLOW
per process, and a thread waits POOL_TIMEOUT_S for one.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from collectors.errors import ConfigurationError, StoreRefused, StoreUnavailable
from gateway.store.revisions import newest_revision, revision_of

Bind = Engine | Connection

BUSY_TIMEOUT_MS = 30_000
POOL_SIZE = 8
POOL_OVERFLOW = 24
POOL_TIMEOUT_S = 30
IDLE_IN_TRANSACTION_MS = 60_000

# Any number will do as long as every replica uses the same: "tanmai" in ASCII.
_MIGRATION_LOCK = 0x74616E6D6169
_WORK_LOCK = _MIGRATION_LOCK + 1
_DEFERRED = {"tanmai_deferred": True}
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

_GUARD: ContextVar[Callable[[Connection], None] | None] = ContextVar("tanmai_guard_of_writers", default=None)

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",  # first: switching to WAL may have to wait itself
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a receipt is sent after the commit: the commit must survive a power cut
    "PRAGMA foreign_keys = ON",
)


def open_database(url: str) -> Engine:
    """Connect, bring the schema to the newest revision, return the engine. Several replicas may do so at once.

    Raises ConfigurationError for an address that cannot be one or a database made by a newer Tanmai, and
    StoreUnavailable if the server does not answer.
    """
    engine = _engine(_address(url))
    try:
        with writing(engine) as connection:
            _migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_migrated(url: str) -> Engine:
    """Connect to a database that `open_database` has brought up to date: for a worker beside the process that did."""
    return _engine(_address(url))


@contextmanager
def writing(bind: Bind) -> Iterator[Connection]:
    """A transaction that writes; joins the caller's if given a connection."""
    if isinstance(bind, Connection):
        yield bind
        return
    with _translated(bind), bind.begin() as connection:
        guard = _GUARD.get()
        if guard is not None:
            guard(connection)
        yield connection


@contextmanager
def guarded(guard: Callable[[Connection], None] | None) -> Iterator[None]:
    """Let every transaction that this thread begins with `writing` first pass a guard, which raises to refuse it.

    It takes the place of the guard before it; None = nobody is asked.
    """
    before = _GUARD.set(guard)
    try:
        yield
    finally:
        _GUARD.reset(before)


def is_guarded() -> bool:
    """Does a transaction that this thread begins have to pass a guard?"""
    return _GUARD.get() is not None


@contextmanager
def reading(bind: Bind) -> Iterator[Connection]:
    """A consistent view for reading; joins the caller's transaction if given a connection."""
    if isinstance(bind, Connection):
        yield bind
        return
    with _translated(bind), bind.connect() as connection:
        yield connection.execution_options(**_reading_options(bind))


def read_only(engine: Engine) -> Engine:
    """The same database and the same connections, for a part of the program that only asks: `connect()` sees one
    instant and waits for nobody, as in `reading`. Without this a SQLite `connect()` takes the write lock.
    """
    return engine.execution_options(**_reading_options(engine))


def _reading_options(engine: Engine) -> dict[str, Any]:
    return _DEFERRED if engine.dialect.name == "sqlite" else _SNAPSHOT


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The engine's own INSERT, which knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; a row whose primary key is there already replaces the columns it brings."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    statement = insert(connection, table)
    brought = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=brought), rows)


def take_turns(connection: Connection, table: Table) -> None:
    """Let one writer at a time go on from here, until its transaction ends; readers are not held up.

    SQLite has only one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """One process at a time on this database; the others wait. Ends with the process, however that ends.

    For work that reads, thinks and writes in several transactions, where two at once would undo each other's.
    """
    if engine.dialect.name == "postgresql":
        with _translated(engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _WORK_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _WORK_LOCK})
        return
    with Path(f"{engine.url.database}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:  # its text may repeat the address with the password: not shown
        raise ConfigurationError(
            "the database address cannot be read: write sqlite:///path/to/file or postgresql+psycopg://user:password@host/name"
        ) from error
    shown = address.render_as_string(hide_password=True)
    if address.get_backend_name() == "postgresql" and address.get_driver_name() == "psycopg":
        return address
    if address.get_backend_name() != "sqlite":
        raise ConfigurationError(f"{shown}: is neither sqlite:/// nor postgresql+psycopg://")
    if address.database in (None, "", ":memory:"):
        raise ConfigurationError(
            f"{shown}: names no file; accounts must survive a restart: write sqlite:///path/to/file"
        )
    return address


def _engine(address: URL) -> Engine:
    if address.get_backend_name() == "postgresql":
        server = create_engine(
            address, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_timeout=POOL_TIMEOUT_S, pool_pre_ping=True
        )
        event.listen(server, "connect", _prepare_postgresql)
        return server
    path = Path(str(address.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds hashes of credentials
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be made: {error.strerror}; choose another place for the database"
        ) from error
    engine = create_engine(
        address,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"isolation_level": None},  # the driver must not begin by itself: we do, below
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
    connection.commit()  # a session's setting that was made in a transaction goes with it if that is rolled back


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    deferred = connection.get_execution_options().get("tanmai_deferred", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if deferred else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    if revision_of(connection) != newest_revision():
        from gateway.store.migrating import upgrade  # only here: it brings Alembic

        upgrade(connection)


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """Errors of the driver, named after what the caller should do."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise StoreRefused(f"the database refuses this: {_first_line(error)}") from error
    except (DBAPIError, PoolTimeout) as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise StoreUnavailable(f"{shown}: {_first_line(error)}; check the database, then try again") from error


def _first_line(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
