"""Chains as rows of plain values: the quick way to read a ledger, for those who put its texts together themselves.

What stays true: a row says exactly what the columns hold. Members that repeat from day to day come as one JSON array
(see `gateway.carbon.headings`), in which each value is spelled by its type, every quotation mark inside of a text
escaped. The others are the driver's own values. A value of a type that JSON does not know, or text that is no UTF-8,
is refused (StoreRefused). Whether rows are what was booked shows in their hashes alone.

Why so: of 26 columns the driver makes values of 14; what tells the others apart the database writes down in one.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.carbon.headings import STEADY, VARYING, Row
from gateway.store.database import Bind, reading

CHUNK = 2_000  # entries read in one view of the database
AT_ONCE = 100  # of them in memory: few enough to stay in the processor's cache

_NO_TEXT = "JSON", "UTF-8"  # what SQLite says of bytes in place of text


def _query(key: str, calculation: str, mark: str) -> str:
    varying = ", ".join(calculation if name == "calculation" else name for name in VARYING)
    return (
        f"SELECT {key}, {varying}, hash FROM ledger_entries "
        f"WHERE enterprise = {mark} AND seq > {mark} ORDER BY seq LIMIT {mark}"
    )


_QUERIES = {
    "sqlite": _query(
        f"json_array({', '.join(STEADY)})",
        "CASE typeof(calculation) WHEN 'text' THEN CAST(calculation AS BLOB) END",
        "?",
    ),
    "postgresql": _query(f"json_build_array({', '.join(STEADY)})::text", "convert_to(calculation, 'UTF8')", "%s"),
}


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
