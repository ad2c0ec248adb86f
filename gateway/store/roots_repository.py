"""Signed daily roots and the spans of entries under them, in tables that only grow.

What stays true: roots are added whole, with all spans under them, and only after the root that the maker saw as the
newest: of two makers one writes, the other finds it done. Every query reaches rows by key: what it costs grows with
the number of enterprises and with what was newly booked, never with the length of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Integer, Row, String, column, func, insert, literal, select, values

from gateway.carbon.roots import Booking, Span
from gateway.store.database import Bind, reading, take_turns, writing
from gateway.store.schema import ledger_entries, ledger_roots, ledger_spans

CHUNK = 2_000  # entries asked for at once

_entries = ledger_entries.c
_roots = ledger_roots.c
_spans = ledger_spans.c


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """The signed root of one UTC day."""

    day: date
    body: str  # canonical JSON of a gateway.carbon.roots.Root
    signature: str
    made_at_ms: int


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A chain that has entries under no root yet."""

    enterprise: str
    covered_seq: int  # 0 = none of it is
    last_seq: int

    @property
    def count(self) -> int:
        return self.last_seq - self.covered_seq


class RootsRepository:
    """Roots and spans in and out of their tables."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, newest: date | None, roots: Sequence[StoredRoot], spans: Iterable[Span]) -> bool:
        """Add roots that follow the one of `newest`; False, and nothing added, if that is not the newest any more."""
        with writing(self._bind) as connection:
            take_turns(connection, ledger_roots)
            if _newest_day(connection.execute(select(func.max(_roots.day))).scalar_one()) != newest:
                return False
            rows = [
                {"day": one.day.isoformat(), "body": one.body, "signature": one.signature, "made_at_ms": one.made_at_ms}
                for one in roots
            ]
            leaves = [
                {
                    "enterprise": one.enterprise,
                    "last_seq": one.last_seq,
                    "first_seq": one.first_seq,
                    "day": one.day.isoformat(),
                    "leaf": one.leaf,
                }
                for one in spans
            ]
            for table, added in ((ledger_roots, rows), (ledger_spans, leaves)):
                if added:
                    connection.execute(insert(table), added)
            return True

    def newest_day(self) -> date | None:
        """The day of the newest root."""
        with reading(self._bind) as connection:
            return _newest_day(connection.execute(select(func.max(_roots.day))).scalar_one())

    def root(self, day: date) -> StoredRoot | None:
        with reading(self._bind) as connection:
            row = connection.execute(select(ledger_roots).where(_roots.day == day.isoformat())).one_or_none()
        return None if row is None else _root(row)

    def roots(self, after: date = date.min, until: date = date.max, limit: int | None = None) -> list[StoredRoot]:
        """Roots of the days after < day <= until, oldest first."""
        window = (_roots.day > after.isoformat(), _roots.day <= until.isoformat())
        query = select(ledger_roots).where(*window).order_by(_roots.day).limit(limit)
        with reading(self._bind) as connection:
            return [_root(row) for row in connection.execute(query)]

    def spans_of_day(self, day: date) -> list[Span]:
        """The spans under a day's root, in no order."""
        with reading(self._bind) as connection:
            rows = connection.execute(select(ledger_spans).where(_spans.day == day.isoformat()))
            return [_span(row) for row in rows]

    def spans_of_chain(self, enterprise: str) -> list[Span]:
        """The spans of a chain from its beginning on."""
        query = select(ledger_spans).where(_spans.enterprise == enterprise).order_by(_spans.last_seq)
        with reading(self._bind) as connection:
            return [_span(row) for row in connection.execute(query)]

    def span_with(self, enterprise: str, seq: int) -> Span | None:
        """The span that an entry stands in; None if it is under no root yet."""
        query = (
            select(ledger_spans)
            .where(_spans.enterprise == enterprise, _spans.last_seq >= seq)
            .order_by(_spans.last_seq)
            .limit(1)
        )
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None or row.first_seq > seq else _span(row)

    def uncovered(self) -> list[Uncovered]:
        """Chains that have entries under no root yet: three look-ups by key for each chain there is."""
        chains = select(func.min(_entries.enterprise).label("enterprise")).cte("chains", recursive=True)
        following = select(func.min(_entries.enterprise)).where(_entries.enterprise > chains.c.enterprise)
        chains = chains.union_all(select(following.scalar_subquery()).where(chains.c.enterprise.is_not(None)))
        name = chains.c.enterprise
        head = select(func.max(_entries.seq)).where(_entries.enterprise == name).scalar_subquery()
        covered = select(func.max(_spans.last_seq)).where(_spans.enterprise == name).scalar_subquery()
        query = select(name, func.coalesce(covered, literal(0)), head).where(name.is_not(None))
        with reading(self._bind) as connection:
            rows = connection.execute(query).all()
        return [Uncovered(*row) for row in rows if row[1] < row[2]]

    def bookings(self, chains: Iterable[Uncovered]) -> Iterator[tuple[str, list[Booking]]]:
        """What a root needs of the uncovered entries: each enterprise with its own, in the order of the chain.

        Many chains are asked for at once, a long one alone.
        """
        asked: list[Uncovered] = []
        count = 0
        for chain in chains:
            if asked and count + chain.count > CHUNK:
                yield from self._bookings(asked)
                asked, count = [], 0
            asked.append(chain)
            count += chain.count
        if asked:
            yield from self._bookings(asked)

    def _bookings(self, chains: Sequence[Uncovered]) -> Iterator[tuple[str, list[Booking]]]:
        columns = (column("enterprise", String), column("covered", Integer), column("last", Integer))
        rows = [(one.enterprise, one.covered_seq, one.last_seq) for one in chains]
        wanted = values(*columns, name="wanted").data(rows).cte("wanted")
        query = (
            select(_entries.enterprise, _entries.seq, _entries.booked_at_ms, _entries.hash)
            .join_from(wanted, ledger_entries, _entries.enterprise == wanted.c.enterprise)
            .where(_entries.seq > wanted.c.covered, _entries.seq <= wanted.c.last)
        )
        found: dict[str, list[Booking]] = {one.enterprise: [] for one in chains}
        with reading(self._bind) as connection:
            for enterprise, *booking in connection.execute(query):
                found[enterprise].append(Booking(*booking))
        for enterprise, own in found.items():
            yield enterprise, sorted(own, key=lambda one: one.seq)

    def hashes(self, span: Span) -> list[str]:
        """The hashes of a span's entries."""
        (_, own), *_ = self.bookings([Uncovered(span.enterprise, span.first_seq - 1, span.last_seq)])
        return [one.hash for one in own]


def _newest_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _root(row: Row[tuple[object, ...]]) -> StoredRoot:
    values = row._mapping
    return StoredRoot(date.fromisoformat(values["day"]), values["body"], values["signature"], values["made_at_ms"])


def _span(row: Row[tuple[object, ...]]) -> Span:
    values = row._mapping
    day = date.fromisoformat(values["day"])
    return Span(values["enterprise"], day, values["first_seq"], values["last_seq"], values["leaf"])
