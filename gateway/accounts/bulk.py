"""Many accounts at once, as the text that is stored: for platforms that pull everything.

What stays true: the newest version of each enterprise's period, with what only its row knows put in, exactly as one
account asked for by itself. Bodies are neither decoded nor read: they pass from the database to the answer as bytes.

Enterprises that follow each other in the registry, or nearly so, are read as one range of the key, which costs a third
of as many look-ups; others, of whom few are wanted between the first and the last, by their ids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, LargeBinary, Select, Table, bindparam, cast, func, select

from collectors.errors import StoreUnavailable
from gateway.accounts.documents import statement_from
from gateway.store.database import reading
from gateway.store.schema import ratings, statements

IDS_PER_QUERY = 500  # SQLite and PostgreSQL both take this many values in one IN
MOST_UNWANTED = 1  # rows that a range may bring for each that is wanted

Texts = dict[str, msgspec.Raw]  # by enterprise


def account_texts(engine: Engine, registered: Sequence[str], wanted: Sequence[str], period: str) -> tuple[Texts, Texts]:
    """Statements and ratings of those that have one, as JSON; both lists of ids in order."""
    stated = _newest(engine, statements, ("hash", "signature", "predecessor"), registered, wanted, period)
    rated = _newest(engine, ratings, (), registered, wanted, period)
    return (
        {enterprise: msgspec.Raw(_spliced(*row)) for enterprise, row in stated.items()},
        {enterprise: msgspec.Raw(body) for enterprise, (body,) in rated.items()},
    )


def _newest(
    engine: Engine,
    table: Table,
    columns: tuple[str, ...],
    registered: Sequence[str],
    wanted: Sequence[str],
    period: str,
) -> dict[str, Any]:
    """(body, columns …) of the newest version by enterprise."""
    kept, newest, found = set(wanted), dict.fromkeys(wanted, 0), {}
    ranged, listed = _queries(engine.dialect.name, table, columns)
    with reading(engine) as connection:
        for first in range(0, len(wanted), IDS_PER_QUERY):
            some = list(wanted[first : first + IDS_PER_QUERY])
            between = bisect_right(registered, some[-1]) - bisect_left(registered, some[0])
            if between <= (1 + MOST_UNWANTED) * len(some):
                rows = _rows(connection, ranged, {"of": period, "first": some[0], "last": some[-1]})
            else:
                rows = _rows(connection, listed, {"of": period, "some": some})
            for enterprise, version, *row in rows:
                if enterprise in kept and version > newest[enterprise]:
                    newest[enterprise], found[enterprise] = version, row
    return found


def _rows(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Sequence[Sequence[Any]]:
    """The driver's own tuples, which cost half of what a Row does."""
    result = connection.execute(query, values)
    try:
        rows: Sequence[Sequence[Any]] = () if result.cursor is None else result.cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        raise StoreUnavailable(f"accounts could not be read: {error}; check the database, then try again") from error
    result.close()
    return rows


@cache
def _queries(dialect: str, table: Table, columns: tuple[str, ...]) -> tuple[Select[Any], Select[Any]]:
    """(enterprise, version, body, columns …) of all from one id to another, and of a list of ids; built once."""
    own = table.c
    query = select(own.enterprise, own.version, _bytes_of(dialect, own.body), *(own[name] for name in columns))
    query = query.where(own.period == bindparam("of"))
    between = own.enterprise >= bindparam("first"), own.enterprise <= bindparam("last")
    return query.where(*between), query.where(own.enterprise.in_(bindparam("some", expanding=True)))


def _bytes_of(dialect: str, column: ColumnElement[str]) -> ColumnElement[bytes]:
    if dialect == "sqlite":
        return cast(column, LargeBinary)
    return func.convert_to(column, "UTF8", type_=LargeBinary)


# How a body spells what only its row knows. Text that a body quotes has its quotation marks escaped.
_NO_HASH, _NO_SIGNATURE = b'"hash":""', b'"signature":""'


def _spliced(body: bytes, own_hash: str, signature: str, predecessor: int | None) -> bytes:
    """The body with hash and signature put in; one that is spelt otherwise is read and written."""
    before, *rest = body.split(_NO_HASH)
    between, *after = rest[0].split(_NO_SIGNATURE) if len(rest) == 1 else (b"",)
    if len(after) != 1 or _NO_SIGNATURE in before:
        read = statement_from(body.decode())
        read = msgspec.structs.replace(read, hash=own_hash, signature=signature, predecessor=predecessor)
        return msgspec.json.encode(read)
    own = before, own_hash.encode(), between, signature.encode(), after[0]
    return b'%b"hash":"%b"%b"signature":"%b"%b' % own
