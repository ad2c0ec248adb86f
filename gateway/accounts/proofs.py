"""Proofs that outsiders can check without this program: an entry stands under a signed root; a root grew from another.

What stays true: what is hashed or signed is given as text, byte for byte, so that a checker needs no canonical form of
its own. A proof shows its entry and nothing of any other: beside it stand only hashes. `tools/check_proof.py` checks
both kinds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec
from sqlalchemy import Engine

from collectors.clock import from_ms
from collectors.errors import TanmaiError
from gateway.carbon.frames import frame_text
from gateway.carbon.ledger import FRAMED, text_of
from gateway.carbon.merkle import consistency_path, inclusion_path
from gateway.carbon.roots import day_tree, entry_leaf, root_from, span_text
from gateway.store.ledger_repository import LedgerRepository
from gateway.store.roots_repository import RootsRepository, StoredRoot


class RootDocument(msgspec.Struct, frozen=True, kw_only=True):
    day: str  # UTC
    root: str  # canonical JSON text, as it is signed
    signature: str  # JWS with detached payload


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry, and the hashes that lead from it to a signed root. Hashes are hex; paths go from the leaf up."""

    entry: str  # text; its SHA-256 is the entry's hash, which is a leaf of the span
    frame: str | None = None  # text of its calculation's frame, which an entry of format 2 names by its SHA-256
    span_path: list[str]
    span: str  # text; a leaf of the day
    span_number: int  # its place among the day's spans, from 0
    day_path: list[str]
    day: str  # text; a leaf of the history
    day_number: int
    history_path: list[str]
    root: str  # text
    signature: str


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """Two signed roots, and the hashes that show that the later one holds all that the earlier one held."""

    earlier: RootDocument
    later: RootDocument
    path: list[str]


class NoRootYet(TanmaiError):
    """The entry is booked, or the day is there, but not under the root that was asked for."""


def proof_of(engine: Engine, enterprise: str, seq: int, under: date | None) -> Proof | None:
    """The proof of an entry under the root of a day (None = that of its own day); None if there is no such entry."""
    book, store = LedgerRepository(engine), RootsRepository(engine)
    entry = book.entry(enterprise, seq)
    if entry is None:
        return None
    span = store.span_with(enterprise, seq)
    if span is None:
        booked = from_ms(entry.booked_at_ms).date()
        raise NoRootYet(
            f"{entry.id} is under no root yet: that of {booked} (UTC) is made when the day is over; ask again after "
            f"{booked + timedelta(days=1)} 00:15 UTC"
        )
    root = store.root(under or span.day)
    if root is None or root.day < span.day:
        raise NoRootYet(f"{entry.id} stands under the roots from {span.day} on; there is none such of {under}")
    hashes = store.hashes(span)
    spans = store.spans_of_day(span.day)
    place = sum(one.enterprise < enterprise for one in spans)
    days = [root_from(one.body).of_day for one in store.roots(until=root.day)]
    number = (span.day - date.fromisoformat(days[0].day)).days
    return Proof(
        entry=text_of(entry),
        frame=frame_text(entry.draft, entry.reverses) if entry.format == FRAMED else None,
        span_path=_hex(inclusion_path([entry_leaf(one) for one in hashes], seq - span.first_seq)),
        span=span_text(enterprise, span.first_seq, hashes),
        span_number=place,
        day_path=_hex(inclusion_path(day_tree(spans), place)),
        day=days[number].text,
        day_number=number,
        history_path=_hex(inclusion_path([day.leaf for day in days], number)),
        root=root.body,
        signature=root.signature,
    )


def growth_of(engine: Engine, earlier: date, later: date) -> Growth | None:
    """That the root of one day grew from that of an earlier one; None if one is missing or they are the wrong way."""
    roots = RootsRepository(engine).roots(until=later)
    if not roots or roots[-1].day != later or not roots[0].day <= earlier <= later:
        return None
    size = (earlier - roots[0].day).days + 1
    leaves = [root_from(one.body).of_day.leaf for one in roots]
    return Growth(
        earlier=root_document(roots[size - 1]),
        later=root_document(roots[-1]),
        path=_hex(consistency_path(leaves, size)),
    )


def roots_after(engine: Engine, after: date, limit: int) -> list[RootDocument]:
    """Signed roots, oldest first."""
    return [root_document(root) for root in RootsRepository(engine).roots(after=after, limit=limit)]


def root_document(root: StoredRoot) -> RootDocument:
    return RootDocument(day=root.day.isoformat(), root=root.body, signature=root.signature)


def _hex(path: Iterable[bytes]) -> list[str]:
    return [one.hex() for one in path]
