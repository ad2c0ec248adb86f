"""The buffer's file: opening it, checking that it is sound and ours, and what to do when it is not.

What stays true:
- Commits are synced (write-ahead log, `synchronous = FULL`): what was committed survives a power cut.
- One agent per file, by a lock that ends with the process.
- A damaged file is never deleted: it is moved aside, with its write-ahead log, and a new one is begun with every batch
  that can still be read from it and whose checksum fits.
- Another program's database and the file of a newer agent are refused, untouched.

Limit: the check at opening reads the whole file: 0.3 s for 400 MiB in the page cache, longer from an SD card.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

from collectors.errors import ConfigurationError, Problem, StoreError, StoreUnavailable

APPLICATION_ID = 0x54414E4D  # "TANM": tells our file from anybody else's
SCHEMA_VERSION = 2
LOCK_TRIES = 3
_log = structlog.get_logger(__name__)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL UNIQUE,
    made_ms INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    size INTEGER NOT NULL,
    payload BLOB NOT NULL,
    crc INTEGER  -- of id and payload; none in what an agent of format 1 wrote
);
CREATE INDEX batches_by_age ON batches (made_ms, readings, size);
CREATE TABLE set_aside (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    reasons TEXT NOT NULL,
    readings INTEGER NOT NULL,
    size INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('dropped_batches', 0), ('dropped_readings', 0), ('dropped_set_aside', 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


_UPGRADES = {
    1: "BEGIN IMMEDIATE; ALTER TABLE batches ADD COLUMN crc INTEGER; PRAGMA user_version = 2; COMMIT;",
}
_BATCH = "seq, batch_id, made_ms, readings, size, payload, crc"
_INSERT = f"INSERT OR IGNORE INTO batches ({_BATCH}) VALUES (?, ?, ?, ?, ?, ?, ?)"


class BufferDamaged(StoreError):
    """The file is no longer a sound database. Restart: it is then set aside and a new one is begun."""


@dataclass(frozen=True, slots=True)
class BufferFile:
    """An open file and the lock on it."""

    connection: sqlite3.Connection
    lock: IO[str]
    damaged: Path | None = None  # where a damaged predecessor was put
    saved: int = 0  # batches of the predecessor that are in this file

    def close(self) -> None:
        self.connection.close()
        self.lock.close()


def open_file(path: Path, now_ms: int) -> BufferFile:
    """Open or begin a buffer file; raises ConfigurationError if it cannot be written, is in use or is not ours."""
    lock = _lock(path)
    try:
        try:
            return BufferFile(_connect(path), lock)
        except BufferDamaged as error:
            moved = _move_aside(path, now_ms)
            connection = _connect(path)
            saved = _save(moved, connection)
            next_step = f"a new buffer was begun with {saved} batches that could be read"
            _log.error("buffer_damaged", reason=str(error), moved_to=str(moved), next=next_step)
            return BufferFile(connection, lock, moved, saved)
    except StoreUnavailable as error:
        lock.close()
        raise ConfigurationError([Problem(f"the buffer cannot be opened: {error}", str(path))]) from error
    except BaseException:
        lock.close()
        raise


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that only looks; raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)


def _connect(path: Path) -> sqlite3.Connection:
    """A sound database of ours, or BufferDamaged, or ConfigurationError if it is not ours."""
    with translated():
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        with translated():
            _check_owner(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                connection.executescript(_SCHEMA)
            while (version := connection.execute("PRAGMA user_version").fetchone()[0]) in _UPGRADES:
                connection.executescript(_UPGRADES[version])
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise BufferDamaged(f"{path}: {verdict}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise ConfigurationError(
            [Problem("is a database of another program; give buffer.path another name", str(path))]
        )
    if version > SCHEMA_VERSION:
        message = f"was written by a newer agent (format {version}, this one knows {SCHEMA_VERSION}); update this agent"
        raise ConfigurationError([Problem(message, str(path))])


def is_in_use(path: Path) -> bool:
    """Whether an agent holds this buffer now; raises StoreUnavailable if that cannot be seen."""
    try:
        with _lock_file(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise StoreUnavailable(f"{_lock_file(path)} cannot be read: {error}") from error
    return False


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _lock(path: Path) -> IO[str]:
    """Held while the buffer is open: two agents on one file would confirm each other's batches."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _lock_file(path).open("a")
    except OSError as error:
        raise ConfigurationError([Problem(f"the buffer's folder cannot be written: {error}", str(path))]) from error
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            time.sleep(0.05)  # it may only be `is_in_use` looking, which takes no time
    file.close()
    message = "is in use by another running agent; stop that one or give buffer.path another name"
    raise ConfigurationError([Problem(message, str(path))])


def _move_aside(path: Path, now_ms: int) -> Path:
    target = path.with_name(f"{path.name}.damaged-{now_ms}")
    for suffix in ("", "-wal", "-shm"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    return target


def _save(damaged: Path, connection: sqlite3.Connection) -> int:
    """Copy the readable batches of a damaged file, in their order; how many.

    It is read from both ends up to the first page that cannot be read, so that one bad page costs what is on it.
    """
    with translated():
        connection.execute("BEGIN IMMEDIATE")
        for order in ("ASC", "DESC"):
            for row in _readable(damaged, order):
                if _is_sound(*row) and not connection.execute(_INSERT, row).rowcount:
                    break  # the other end was reached
        connection.execute("COMMIT")
        return int(connection.execute("SELECT count(*) FROM batches").fetchone()[0])


def _readable(damaged: Path, order: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a damaged file up to the first that cannot be read."""
    try:
        with closing(read_only(damaged)) as connection:
            yield from connection.execute(f"SELECT {_BATCH} FROM batches NOT INDEXED ORDER BY seq {order}")
    except (sqlite3.Error, OverflowError):
        return


def _is_sound(seq: Any, batch_id: Any, made_ms: Any, readings: Any, size: Any, payload: Any, crc: Any) -> bool:
    """Whether a row out of a damaged file is what was once written."""
    numbers = all(isinstance(number, int) for number in (made_ms, readings, size, crc)) and 0 < seq < 2**62
    return numbers and isinstance(batch_id, str) and isinstance(payload, bytes) and checksum(batch_id, payload) == crc


def checksum(batch_id: str, payload: bytes) -> int:
    """What tells that a disk changed a batch: SQLite itself does not look."""
    return zlib.crc32(payload, zlib.crc32(batch_id.encode()))


@contextmanager
def translated() -> Iterator[None]:
    """sqlite3's errors in our terms: damaged, or unavailable for now (disk full, locked, I/O error)."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise BufferDamaged(f"the buffer file is damaged: {error}") from error
        raise StoreUnavailable(f"the buffer file does not take or give data: {error}") from error
