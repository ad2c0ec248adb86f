"""Chains as rows of plain values: the quick way to read a ledger, for those who put its texts together themselves.

What stays true: a row says exactly what the columns hold. Members that repeat from day to day come as one JSON array
(see `gateway.carbon.headings`), in which each value is spelled by its type, every quotation mark inside of a text
escaped. The others are the driver's own values. A value of a type that JSON does not know, or text that is no UTF-8,
is refused (StoreRefused). Whether rows are what was booked shows in their hashes alone.

Why so: of 26 columns the driver makes values of 14; what tells the others apart the database writes down in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, case, cast, func, select
from sqlalchemy.exc import DBAPIError

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.carbon.headings import STEADY, STEADY_BESIDE_FRAME, VARYING, Row
from gateway.carbon.ledger import FRAMED, WHOLE
from gateway.store.database import Bind, reading
from gateway.store.entry_columns import IN_FRAME, WITH_FRAME
from gateway.store.schema import ledger_entries, ledger_frames

CHUNK = 2_000  # entries read in one view of the database
AT_ONCE = 100  # of them in memory: few enough to stay in the processor's cache

_NO_TEXT = "JSON", "UTF-8"  # what SQLite says of bytes in place of text


def _query(json_array: str, none_of: str, calculation: str, mark: str) -> str:
    """Of format 1 the members under STEADY, of format 2 those beside its frame; an entry that is neither has no key."""
    whole, beside = (json_array.format(", ".join(names)) for names in (STEADY, STEADY_BESIDE_FRAME))
    key = (
        f"CASE WHEN format = {FRAMED} AND {none_of.format(', '.join(IN_FRAME))} THEN {beside} "
        f"WHEN format = {WHOLE} AND frame IS NULL THEN {whole} END"
    )
    varying = ", ".join(calculation if name == "calculation" else name for name in VARYING)
    return (
        f"SELECT {key}, {varying}, hash FROM ledger_entries "
        f"WHERE enterprise = {mark} AND seq > {mark} ORDER BY seq LIMIT {mark}"
    )


_QUERIES = {
    "sqlite": _query(
        "json_array({})",
        "coalesce({}) IS NULL",
        "CASE typeof(calculation) WHEN 'text' THEN CAST(calculation AS BLOB) END",
        "?",
    ),
    "postgresql": _query("json_build_array({})::text", "num_nonnulls({}) = 0", "convert_to(calculation, 'UTF8')", "%s"),
}


def _bytes(connection: Connection, text: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text's own bytes, which are read even where they are no UTF-8; NULL for what is no text."""
    if connection.dialect.name == "postgresql":
        return func.convert_to(text, "UTF8")
    return case((func.typeof(text) == "text", cast(text, LargeBinary)))


class LedgerRows:
    """Chains out of `ledger_entries`."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind
        self._query = _QUERIES[bind.dialect.name]

    def rows(self, enterprise: str, chunk: int = CHUNK) -> Iterator[Row]:
        """A chain from its first entry on; read in chunks, so a long one needs little memory and holds no view long.

        It ends early where an entry is missing or its number is not what it should be: the next one then does not fit.
        """
        after, count = 0, chunk
        while count == chunk:
            count = 0
            for some in self._pieces(enterprise, after, chunk):
                count += len(some)
                yield from some
            after += chunk

    def body_of(self, frame: str) -> str:
        """The text of a frame; KeyError if there is none."""
        with reading(self._bind) as connection:
            query = select(_bytes(connection, ledger_frames.c.body)).where(ledger_frames.c.hash == frame)
            body = connection.execute(query).scalar()
        if body is None:
            raise KeyError(f"there is no frame {frame}, or it is no text")
        return bytes(body).decode()

    def frame_fault(self, enterprise: str) -> tuple[int, str] | None:
        """The first entry whose frame is gone or no longer gives its name, and what is wrong with it."""
        entry, frame = ledger_entries.c, ledger_frames.c
        first = func.min(entry.seq)
        with reading(self._bind) as connection:
            query = (
                select(first, _bytes(connection, entry.frame), frame.hash.is_(None), _bytes(connection, frame.body))
                .select_from(WITH_FRAME)
                .where(entry.enterprise == enterprise, entry.frame.is_not(None))
                .group_by(entry.frame, frame.hash, frame.body)
                .order_by(first)
            )
            for seq, name, is_missing, body in connection.execute(query):
                said = f"the frame {bytes(name or b'').decode(errors='replace')} of its calculation"
                if is_missing:
                    return seq, f"{said} is missing"
                if body is None or hashlib.sha256(body).hexdigest().encode() != bytes(name):
                    return seq, f"{said} does not give its hash: it was changed"
        return None

    def _pieces(self, enterprise: str, after: int, limit: int) -> Iterator[list[Row]]:
        """The driver's own tuples: a Row of SQLAlchemy for each would cost as much as reading it."""
        with reading(self._bind) as connection:
            errors = DBAPIError, connection.dialect.loaded_dbapi.Error
            try:
                result = connection.exec_driver_sql(self._query, (enterprise, after, limit))
                while result.cursor is not None and (rows := result.cursor.fetchmany(AT_ONCE)):
                    yield list(rows)
                result.close()
            except errors as error:
                if any(said in str(error) for said in _NO_TEXT):
                    raise StoreRefused(f"an entry of {enterprise} holds what is no text or number") from error
                raise StoreUnavailable(f"{enterprise} could not be read: {error}; check the database") from error
