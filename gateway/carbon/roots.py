"""Daily roots: what was booked on a UTC day, of all enterprises, under one hash that can be signed and kept elsewhere.

What stays true:
- Every ended UTC day from the first booking on has exactly one root, also a day on which nothing was booked.
- Every entry belongs to exactly one root, and those of one enterprise under one root are neighbours in its chain: a
  *span*. A root of a later day never covers an earlier part of a chain. An entry that was committed after the root of
  its day was made, or whose clock was behind, belongs to the next root.
- Three trees (RFC 9162) stand on each other: entries of a span -> spans of a day -> days so far. So every root fixes
  all that was booked before it, and of any two it can be shown that the later grew from the earlier.

The texts that are hashed and signed are canonical JSON; FORMAT stands in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from collectors.clock import from_ms
from gateway.carbon.evidence import canonical_json
from gateway.carbon.merkle import GrowingTree, leaf_hash, tree_hash

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Booking:
    """What a root needs of an entry."""

    seq: int
    booked_at_ms: int
    hash: str  # hex


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring entries of one chain that are under one root."""

    enterprise: str
    day: date  # of the root
    first_seq: int
    last_seq: int
    leaf: str  # hex hash of its leaf in the day's tree


@dataclass(frozen=True, slots=True)
class Day:
    """What was booked on a day, of all enterprises: a leaf of the history."""

    day: str  # UTC
    entries: int  # under its root
    spans: int  # leaves of its tree
    tree: str  # hex root hash over the spans

    @property
    def text(self) -> str:
        return canonical_json(asdict(self))

    @property
    def leaf(self) -> bytes:
        return leaf_hash(self.text.encode())


@dataclass(frozen=True, slots=True)
class Root:
    """What is signed at the end of a day."""

    day: str  # UTC
    entries: int
    spans: int
    tree: str  # these four are the day's leaf
    days: int  # leaves of the history: all days so far, this one included
    history: str  # hex root hash over them
    format: int = FORMAT

    @property
    def text(self) -> str:
        """What is signed, byte for byte."""
        return canonical_json(asdict(self))

    @property
    def of_day(self) -> Day:
        return Day(self.day, self.entries, self.spans, self.tree)


def root_from(text: str) -> Root:
    """A stored root; raises ValueError or TypeError if the text is none."""
    return Root(**json.loads(text))


def utc_day(at_ms: int) -> date:
    """The UTC day of an instant."""
    return from_ms(at_ms).date()


def entry_leaf(entry_hash: str) -> bytes:
    """An entry's leaf in the tree of its span."""
    return leaf_hash(bytes.fromhex(entry_hash))


def span_text(enterprise: str, first_seq: int, hashes: Sequence[str]) -> str:
    """What a span's leaf holds: which entries, their tree, and the head of the chain at that time."""
    return canonical_json(
        {
            "enterprise": enterprise,
            "first_seq": first_seq,
            "last_seq": first_seq + len(hashes) - 1,
            "head": hashes[-1],
            "entries": tree_hash([entry_leaf(one) for one in hashes]).hex(),
        }
    )


def span_leaf(enterprise: str, first_seq: int, hashes: Sequence[str]) -> str:
    """A span's leaf in the tree of its day, hex."""
    return leaf_hash(span_text(enterprise, first_seq, hashes).encode()).hex()


def spans_of(enterprise: str, bookings: Sequence[Booking], first_day: date, end_day: date) -> Iterator[Span]:
    """Cut what of a chain is under no root yet into the spans of the days first_day <= day < end_day.

    `bookings` are in the order of the chain. The last entry booked before a day is over takes all before it along,
    whatever time they bear: a chain is never covered with a hole.
    """
    start = 0
    for day, end in _ends(bookings, first_day, end_day):
        hashes = [one.hash for one in bookings[start:end]]
        first_seq = bookings[start].seq
        yield Span(enterprise, day, first_seq, bookings[end - 1].seq, span_leaf(enterprise, first_seq, hashes))
        start = end


def _ends(bookings: Sequence[Booking], first_day: date, end_day: date) -> list[tuple[date, int]]:
    """(day, how many of the bookings are covered at its end), for the days on which that grows."""
    ends: list[tuple[date, int]] = []
    earliest = end_day
    for place in range(len(bookings), 0, -1):
        day = max(first_day, utc_day(bookings[place - 1].booked_at_ms))
        if day < earliest:
            ends.append((day, place))
            earliest = day
    return ends[::-1]


def day_tree(spans: Iterable[Span]) -> list[bytes]:
    """The leaves of a day's tree in their order: by enterprise."""
    return [bytes.fromhex(span.leaf) for span in sorted(spans, key=lambda span: span.enterprise)]


def day_of(day: date, spans: Sequence[Span]) -> Day:
    """A day out of its spans, which may come in any order."""
    entries = sum(span.last_seq - span.first_seq + 1 for span in spans)
    return Day(day.isoformat(), entries, len(spans), tree_hash(day_tree(spans)).hex())


def next_root(day: Day, history: GrowingTree) -> Root:
    """The root of a day, which is appended to the history."""
    history.append(day.leaf)
    return Root(day.day, day.entries, day.spans, day.tree, history.size, history.root.hex())


def history_of(roots: Iterable[Root]) -> GrowingTree:
    """The tree over the days of these roots, which are all there are."""
    history = GrowingTree()
    for root in roots:
        history.append(root.of_day.leaf)
    return history


def roots_of(days: Iterable[date], spans: Mapping[date, Sequence[Span]], history: GrowingTree) -> list[Root]:
    """The roots of days that follow each other and the history, which grows by them."""
    return [next_root(day_of(day, spans.get(day, ())), history) for day in days]


def wrong_span(spans: Iterable[Span], hashes: Sequence[str]) -> tuple[Span, str] | None:
    """The first span of a chain that does not fit its entries, and why; `hashes` are those of the whole chain.

    Entries behind the last span are under no root yet, which is no fault.
    """
    covered = 0
    for span in spans:
        first, last = span.first_seq, span.last_seq
        if first != covered + 1 or last < first:
            return span, f"covers entries {first} to {last}, but entry {covered + 1} is the next to be covered"
        if last > len(hashes):
            return span, f"covers entries up to {last}, but the chain ends at {len(hashes)}: entries were taken out"
        if span_leaf(span.enterprise, first, hashes[first - 1 : last]) != span.leaf:
            return span, f"was made over other entries {first} to {last} than those that stand: they were changed later"
        covered = last
    return None
