"""Whether the files that back records and adjustments are still on disk, byte for byte what they were when they came.

Superseded records count too: an auditor may ask what a figure was corrected from. One content is read once for an
enterprise, in pieces, however many records name it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from gateway.store.acts_schema import adjustments
from gateway.store.database import reading
from gateway.store.evidence_store import EvidenceStore
from gateway.store.schema import activity_records


@dataclass(frozen=True, slots=True)
class EvidenceChecks:
    """Walks through what an enterprise sent as evidence."""

    store: EvidenceStore

    def first_fault(self, enterprise: str, span: tuple[date, date]) -> tuple[int, tuple[str, str] | None]:
        """How many files were read, and the first that does not hold: the day of what names it, and what is wrong.

        Looked at are the files behind records and adjustments of these days.
        """
        read: set[str] = set()
        for day, who, digest in self._named(enterprise, span):
            if digest in read:
                continue
            read.add(digest)
            fault = self.store.fault(enterprise, digest)
            if fault:
                return len(read), (day, f"{who} rests on evidence {digest[:16]}…, which {fault}")
        return len(read), None

    def _named(self, enterprise: str, span: tuple[date, date]) -> Iterator[tuple[str, str, str]]:
        """(day, who names it, SHA-256), by day."""
        first, end = span[0].isoformat(), span[1].isoformat()
        of_records = select(
            activity_records.c.start_day, activity_records.c.record_id, activity_records.c.evidence
        ).where(
            activity_records.c.enterprise == enterprise,
            activity_records.c.evidence != "",
            activity_records.c.start_day < end,
            activity_records.c.end_day > first,
        )
        of_adjustments = select(adjustments.c.day, adjustments.c.number, adjustments.c.evidence).where(
            adjustments.c.enterprise == enterprise, adjustments.c.day >= first, adjustments.c.day < end
        )
        with reading(self.store.bind) as connection:
            found = [(day, f"record {own}", digest) for day, own, digest in connection.execute(of_records)]
            found += [(day, f"adjustment {own}", digest) for day, own, digest in connection.execute(of_adjustments)]
        yield from sorted(found)
