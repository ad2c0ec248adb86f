"""Opening the DuckDB file of a store: settings, tables, format, and whose fault it is when that fails.

What stays true: no extension is loaded or fetched, and beside the file itself SQL reaches the folder of archived months
only. One process owns the file, once. The file is attached, because only so the size of its row groups can be said;
every cursor must say that it means it (`USE`).
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from collectors.errors import ConfigurationError, StoreUnavailable

# The log is folded into the file at this size; a restart after a kill replays at most this much.
CHECKPOINT_MIB = 64

# Eight times what DuckDB takes by itself. It holds 18 kB of each row group in memory for good, whatever is in it, so a
# thousand million readings take 40 MB in place of 150 (docs/decisions/0027-what-a-gateway-holds.md). Files whose row
# groups are smaller are read and go on as they are.
ROW_GROUP_ROWS = 983_040

_NAME = "store"  # of the file, for DuckDB
USE = f"use {_NAME}"

# What the disk or the machine does to us. Every other duckdb error is a mistake in our files and stops the program.
# A connection that is closed is one of them: a commit that outlives the time it had to stop must be tried again after
# the next start, not be refused.
CIRCUMSTANCES = (
    duckdb.ConnectionException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.FatalException,
)

# 2: readings stand in archived months too, which a program that knows only format 1 would not see.
FORMAT, FORMAT_WITH_ARCHIVE = 1, 2
_SCHEMA = f"""
create table if not exists store_format (version integer not null);
insert into store_format select {FORMAT} where not exists (select 1 from store_format);
create table if not exists reading (
    point_id integer not null, at_ms bigint not null, value double not null, quality utinyint not null,
    arrival bigint not null);
create table if not exists dirty_hour (point_id integer not null, hour_ms bigint not null, touched bigint not null);
create table if not exists usage_hourly (
    point_id integer not null, hour_ms bigint not null, amount_u bigint not null, estimated_u bigint not null,
    covered_ms bigint not null);
create table if not exists archived_file (
    name varchar not null, month_ms bigint not null, first_ms bigint not null, last_ms bigint not null,
    lowest integer not null, highest integer not null, readings bigint not null, size_bytes bigint not null);
create table if not exists archived_arrival (arrival bigint not null);
"""


def open_file(path: Path, archive: Path, memory_limit_mib: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Open or create the file; raises StoreUnavailable while another process owns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit_mib}MiB",
        "threads": threads,
        "checkpoint_threshold": f"{CHECKPOINT_MIB}MiB",
        "temp_directory": f"{path.absolute()}.tmp",  # beside the file, not where the program was started
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(config=settings)
    try:
        connection.execute(f"attach {quoted(str(path))} as {_NAME} (row_group_size {ROW_GROUP_ROWS})")
    except (duckdb.IOException, duckdb.ResourceInUseException) as error:
        connection.close()
        raise _not_opened(path, error) from error
    connection.execute(USE)
    connection.execute(f"set allowed_directories = [{quoted(str(archive))}]")
    connection.execute("set enable_external_access = false")
    connection.execute(_SCHEMA)
    ((version,),) = connection.execute("select version from store_format").fetchall()
    if version not in (FORMAT, FORMAT_WITH_ARCHIVE):
        connection.close()
        raise ConfigurationError(
            f"{path} has format {version} and this Tanmai reads format {FORMAT_WITH_ARCHIVE}: start the version that "
            "wrote it, or give another TANMAI_DATA_DIR."
        )
    return connection


def quoted(text: str) -> str:
    """Text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """What an error says, without the advice that DuckDB adds."""
    return str(error).splitlines()[0].strip().rstrip(".")


def _not_opened(path: Path, error: duckdb.Error) -> StoreUnavailable | ConfigurationError:
    if isinstance(error, duckdb.ResourceInUseException):
        return StoreUnavailable(f"{path} is open in this process already, and is open once: close the other one first.")
    owner = re.search(r"Conflicting lock is held in (?:(?P<name>.+?) \()?PID (?P<pid>\d+)", str(error))
    if owner:
        name = f" ({owner['name']})" if owner["name"] else ""  # where DuckDB may not look, it knows the number only
        return StoreUnavailable(
            f"{path} is in use by process {owner['pid']}{name}, and one process owns the file. If that is the "
            "gateway, send the command through it; else stop it first."
        )
    return ConfigurationError(f"{path} cannot be opened: {first_line(error)}. Check TANMAI_DATA_DIR and its owner.")
