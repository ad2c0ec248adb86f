"""Whether the lines of adjustments in a ledger are exactly what was asked for, approved and not withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from gateway.carbon.adjustments import drafts_of
from gateway.carbon.model import Entry
from gateway.store.adjustments_repository import AdjustmentsRepository
from gateway.store.dirty_days_repository import SourceDay


@dataclass(frozen=True, slots=True)
class AdjustmentChecks:
    """Compares booked adjustments with those that are kept; days in `waiting` are left out."""

    engine: Engine
    waiting: Collection[SourceDay]

    def first_fault(
        self, enterprise: str, booked: Sequence[Entry], span: tuple[date, date]
    ) -> tuple[str, date, str] | None:
        """(entry's id or "", day, what is wrong); `booked` are the entries of lines that stand in the span."""
        kept = AdjustmentsRepository(self.engine).of_enterprise(enterprise, days=span)
        due = {(draft.source, draft.day): draft for draft in drafts_of(kept)}
        for entry in booked:
            key = entry.draft.source, entry.draft.day
            if due.pop(key, None) != entry.draft and (enterprise, *key) not in self.waiting:
                what = f"{key[0]} on {key[1]}: is not what was asked for and approved, or it was withdrawn"
                return entry.id, key[1], what
        for line, day in sorted(due, key=lambda one: (one[1], one[0])):
            if (enterprise, line, day) not in self.waiting:
                return "", day, f"{line} on {day}: an adjustment stands, and no entry was booked for it"
        return None
