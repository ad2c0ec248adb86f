"""A table as a Parquet file, for analysts' tools: rows in, a file that no longer has a name out.

What stays true: a value is in the file exactly as its column's type says, or the table is refused; missing is NULL.
Memory stays bounded however many rows there are: they go through a file of their own, and the engine that turns one
into the other may take MEMORY. Both files have no name once they are written, so nothing is left behind however the
reader ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import duckdb
import msgspec

from collectors.errors import StoreRefused

MEMORY = "256MB"
ROWS_PER_GROUP = 20_000

_ENCODER = msgspec.json.Encoder()


def parquet_file(types: Mapping[str, str], rows: Iterable[Mapping[str, object]]) -> BinaryIO:
    """Rows as an open file. `types` are SQL types by column; decimals come as text, so that no digit is lost."""
    with tempfile.TemporaryDirectory(prefix="tanmai-parquet-") as directory:
        source, target = Path(directory) / "rows.ndjson", Path(directory) / "rows.parquet"
        with source.open("wb") as file:
            for row in rows:
                file.write(_ENCODER.encode(row) + b"\n")
        _convert(types, source, target, is_empty=source.stat().st_size == 0)
        return target.open("rb")


def _convert(types: Mapping[str, str], source: Path, target: Path, *, is_empty: bool) -> None:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    rows = f"read_json('{source}', format = 'newline_delimited', columns = {{{columns}}})"
    if is_empty:
        nulls = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in types.items())
        rows = f"(SELECT {nulls} WHERE false)"
    with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 1}) as engine:
        try:
            engine.execute(
                f"COPY (FROM {rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP})"
            )
        except duckdb.Error as error:
            raise StoreRefused(f"the table could not be written as Parquet: {error}") from error
