"""Entries as the text that their hashes cover, put together by the database: the quick way to read a ledger.

What stays true: a text says exactly what the columns of its row hold. The database writes the members before and after
the calculation as JSON objects of its own: each key once, every quotation mark inside of a value escaped, a number
never spelled like text. So no two rows that differ give the same text, and a value of a type that JSON does not know
is refused (StoreRefused). Whether a text is the canonical one of `gateway.carbon.ledger` shows in its hash alone.

Why here: of 26 columns that Python would be given, turn into text and put together, the driver hands over four.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy.exc import DBAPIError

from collectors.errors import StoreRefused, StoreUnavailable
from gateway.store.database import Bind, reading
from gateway.store.schema import ledger_entries

CHUNK = 2_000  # entries held in memory while a chain is walked

# Members before the calculation, the calculation as it is stored, members after it, and the hash (no part of the text).
Line = tuple[bytes, bytes, bytes, str]

_FORMAT = "format"  # a member that is no column: see gateway.carbon.ledger.FORMAT
_MEMBERS = sorted({column.name for column in ledger_entries.columns} - {"hash"} | {_FORMAT})
_PLACE = _MEMBERS.index("calculation")
_PARTS = _MEMBERS[:_PLACE], _MEMBERS[_PLACE + 1 :]


def _sqlite_object(members: Sequence[str]) -> str:
    """SQLite has no truth values: 0 and 1 are spelled out, and anything else is no member."""
    written = {
        _FORMAT: "{format}",
        "provisional": "CASE provisional WHEN 0 THEN json('false') WHEN 1 THEN json('true') END",
    }
    pairs = ", ".join(f"'{name}', {written.get(name, name)}" for name in members)
    return f"CAST(json_object({pairs}) AS BLOB)"


def _postgresql_object(members: Sequence[str]) -> str:
    columns = ", ".join(f'{{format}} AS "{name}"' if name == _FORMAT else f'entry."{name}"' for name in members)
    return f"convert_to(row_to_json(part)::text, 'UTF8') FROM (SELECT {columns}) AS part"


_QUERIES = {
    "sqlite": (
        f"SELECT {_sqlite_object(_PARTS[0])}, "
        "CASE typeof(calculation) WHEN 'text' THEN CAST(calculation AS BLOB) END, "
        f"{_sqlite_object(_PARTS[1])}, hash "
        "FROM ledger_entries WHERE enterprise = ? AND seq > ? ORDER BY seq LIMIT ?"
    ),
    "postgresql": (
        f"SELECT (SELECT {_postgresql_object(_PARTS[0])}), convert_to(calculation, 'UTF8'), "
        f"(SELECT {_postgresql_object(_PARTS[1])}), hash "
        "FROM ledger_entries AS entry WHERE enterprise = %s AND seq > %s ORDER BY seq LIMIT %s"
    ),
}


class LedgerTexts:
    """Chains out of `ledger_entries` as text."""

    def __init__(self, bind: Bind, entry_format: int) -> None:
        self._bind = bind
        self._query = _QUERIES[bind.dialect.name].format(format=entry_format)

    def lines(self, enterprise: str, chunk: int = CHUNK) -> Iterator[Line]:
        """A chain from its first entry on; read in chunks, so a long one needs little memory and holds no lock.

        It ends early where an entry is missing or its number is not what it should be: the next one then does not fit.
        """
        after = 0
        while True:
            rows = self._rows(enterprise, after, chunk)
            yield from rows
            if len(rows) < chunk:
                return
            after += chunk

    def _rows(self, enterprise: str, after: int, limit: int) -> Sequence[Line]:
        """The driver's own tuples: a Row of each would cost as much as reading it."""
        with reading(self._bind) as connection:
            errors = DBAPIError, connection.dialect.loaded_dbapi.Error
            try:
                result = connection.exec_driver_sql(self._query, (enterprise, after, limit))
                rows: Sequence[Line] = () if result.cursor is None else result.cursor.fetchall()
                result.close()
            except errors as error:
                if "JSON" in str(error):
                    raise StoreRefused(f"an entry of {enterprise} holds what is no text or number") from error
                raise StoreUnavailable(f"{enterprise} could not be read: {error}; check the database") from error
        return rows
