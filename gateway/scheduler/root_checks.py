"""What `tanmai verify` checks of the daily roots: every span against its chain, every root against its spans.

A chain whose hashes were all computed anew after a change holds together in itself; what gives it away is that the
signed roots were made over other hashes. Against somebody who has the signing key as well stand only roots that were
kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.carbon.calendar import ONE_DAY
from gateway.carbon.merkle import GrowingTree
from gateway.carbon.roots import day_of, next_root, wrong_span
from gateway.signing import Signer
from gateway.store.database import Bind
from gateway.store.roots_repository import RootsRepository, StoredRoot

Fault = tuple[date, str]  # the day of the root, and what is wrong


@dataclass(frozen=True, slots=True)
class RootChecks:
    """The roots as they stand, to be held against chains and against themselves."""

    store: RootsRepository
    signer: Signer
    roots: Sequence[StoredRoot]  # all, oldest first

    @classmethod
    def of(cls, bind: Bind, signer: Signer) -> RootChecks:
        store = RootsRepository(bind)
        return cls(store, signer, store.roots())

    def enterprises(self) -> set[str]:
        """Those whose entries are under any root."""
        return {span.enterprise for root in self.roots for span in self.store.spans_of_day(root.day)}

    def chain(self, enterprise: str, hashes: Sequence[str]) -> Fault | None:
        """The first span of a chain that does not fit; `hashes` are those of its entries from the first on.

        Spans of roots that were made since the checks began are left out: their entries may be newer than `hashes`.
        """
        newest = self.roots[-1].day if self.roots else date.min
        spans = [span for span in self.store.spans_of_chain(enterprise) if span.day <= newest]
        found = wrong_span(spans, hashes)
        if found is not None:
            return found[0].day, f"the root of this day {found[1]}"
        days = {root.day for root in self.roots}
        rootless = [span.day for span in spans if span.day not in days]
        return (rootless[0], "entries are noted under a root that is not there") if rootless else None

    def first_fault(self) -> Fault | None:
        """The first root that does not follow from its spans and the days before it, or is not signed by us."""
        history = GrowingTree()
        for place, root in enumerate(self.roots):
            expected = self.roots[0].day + place * ONE_DAY
            if root.day != expected:
                return expected, "the root of this day is missing"
            if not self.signer.signed("tanmai-root", root.body, root.signature):
                return root.day, "the signature of this day's root does not belong to its text"
            if next_root(day_of(root.day, self.store.spans_of_day(root.day)), history).text != root.body:
                return root.day, "the root of this day does not follow from its spans and the days before it"
        return None
