"""Many accounts at once, as the text that is stored: for platforms that pull everything.

What stays true: the newest version of each enterprise's period, with what only its row knows put in, exactly as one
account asked for by itself. Bodies are neither decoded nor read: they pass from the database to the answer as bytes.

Enterprises that follow each other in the registry, or nearly so, are read as one range of the key, which costs a third
of as many look-ups; others, of whom few are wanted between the first and the last, by their ids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, LargeBinary, Select, Table, cast, func, select

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
    engine: Engine, table: Table, columns: Sequence[str], registered: Sequence[str], wanted: Sequence[str], period: str
) -> dict[str, Any]:
    """(body, columns …) of the newest version by enterprise."""
    own = table.c
    query = select(own.enterprise, own.version, _bytes_of(engine, own.body), *(own[name] for name in columns))
    kept, newest, found = set(wanted), dict.fromkeys(wanted, 0), {}
    with reading(engine) as connection:
        for some in _queries(query.where(own.period == period), own.enterprise, registered, wanted):
            for enterprise, version, *row in connection.execute(some).all():
                if enterprise in kept and version > newest[enterprise]:
                    newest[enterprise], found[enterprise] = version, row
    return found


def _queries(
    query: Select[Any], column: ColumnElement[str], registered: Sequence[str], wanted: Sequence[str]
) -> Iterator[Select[Any]]:
    for first in range(0, len(wanted), IDS_PER_QUERY):
        some = wanted[first : first + IDS_PER_QUERY]
        between = bisect_right(registered, some[-1]) - bisect_left(registered, some[0])
        if between <= (1 + MOST_UNWANTED) * len(some):
            yield query.where(column >= some[0], column <= some[-1])
        else:
            yield query.where(column.in_(some))


def _bytes_of(engine: Engine, column: ColumnElement[str]) -> ColumnElement[bytes]:
    if engine.dialect.name == "sqlite":
        return cast(column, LargeBinary)
    return func.convert_to(column, "UTF8", type_=LargeBinary)


# How a body spells what only its row knows. Text that a body quotes has its quotation marks escaped.
_NO_HASH, _NO_SIGNATURE = b'"hash":""', b'"signature":""'


def _spliced(body: bytes, own_hash: str, signature: str, predecessor: int | None) -> bytes:
    """The body with hash and signature put in; one that is spelt otherwise is read and written."""
    before, _, rest = body.partition(_NO_HASH)
    between, _, after = rest.partition(_NO_SIGNATURE)
    is_usual = after and _NO_HASH not in rest and _NO_SIGNATURE not in after and _NO_SIGNATURE not in before
    if not is_usual:
        read = statement_from(body.decode())
        read = msgspec.structs.replace(read, hash=own_hash, signature=signature, predecessor=predecessor)
        return msgspec.json.encode(read)
    return b'%b"hash":"%b"%b"signature":"%b"%b' % (before, own_hash.encode(), between, signature.encode(), after)
