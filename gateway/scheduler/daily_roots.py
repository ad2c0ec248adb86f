"""Makes and signs the roots of all UTC days that have ended, from what is stored.

What stays true: it works from the newest root and the ledger, not from the clock's rhythm, so a gateway that was down
for a month makes the month's roots when it is back, and running it again makes nothing. Reading and hashing hold no
lock; roots and their spans are written in one short transaction. Nothing is signed on top of roots that were changed
since they were signed. docs/decisions/0009-daily-merkle-root.md says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from collectors.errors import TanmaiError
from gateway.carbon.calendar import ONE_DAY, days_between
from gateway.carbon.merkle import GrowingTree
from gateway.carbon.roots import Span, history_of, root_from, roots_of, spans_of, utc_day
from gateway.signing import Signer
from gateway.store.roots_repository import RootsRepository, StoredRoot, Uncovered


class BrokenHistory(TanmaiError):
    """The stored roots are not what was signed: nothing is signed on top of them."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"the daily roots up to {day} do not fit their signature, so no further one is made: `tanmai verify` names "
            "the first that was changed; restore the database and the signing key from a backup"
        )


@dataclass(frozen=True, slots=True)
class DailyRoots:
    """The roots of one gateway's ledger."""

    engine: Engine
    signer: Signer

    def make(self, now_ms: int) -> dict[str, int]:
        """Make the roots that are due; gives how many, and how many entries they cover."""
        store, today = RootsRepository(self.engine), utc_day(now_ms)
        newest = store.newest_day()
        if newest is not None and newest + ONE_DAY >= today:
            return {"roots": 0, "entries": 0}
        due = store.uncovered()
        first = newest + ONE_DAY if newest is not None else self._first_day(store, due, today)
        spans: dict[date, list[Span]] = {}
        for enterprise, bookings in store.bookings(due):
            for span in spans_of(enterprise, bookings, first, today):
                spans.setdefault(span.day, []).append(span)
        roots = roots_of(days_between(first, today), spans, self._history(store.roots()))
        signed = [
            StoredRoot(date.fromisoformat(one.day), one.text, self.signer.sign("tanmai-root", one.text), now_ms)
            for one in roots
        ]
        if not store.add(newest, signed, (span for own in spans.values() for span in own)):
            return {"roots": 0, "entries": 0}  # another scheduler was faster; it made the same
        return {"roots": len(roots), "entries": sum(root.entries for root in roots)}

    def _history(self, stored: Sequence[StoredRoot]) -> GrowingTree:
        """All days so far, as the newest root states them; BrokenHistory if they are not what was signed."""
        if not stored:
            return GrowingTree()
        newest = stored[-1]
        try:
            history = history_of(root_from(one.body) for one in stored)
            stated = root_from(newest.body)
        except (TypeError, ValueError) as error:
            raise BrokenHistory(newest.day) from error
        signed = self.signer.signed("tanmai-root", newest.body, newest.signature)
        if not signed or (history.size, history.root.hex()) != (stated.days, stated.history):
            raise BrokenHistory(newest.day)
        return history

    @staticmethod
    def _first_day(store: RootsRepository, due: Sequence[Uncovered], today: date) -> date:
        """The UTC day of the first booking; today if nothing was booked yet."""
        heads = [Uncovered(chain.enterprise, 0, 1) for chain in due]
        days = [utc_day(booking.booked_at_ms) for _, bookings in store.bookings(heads) for booking in bookings]
        return min([*days, today])
