"""What `tanmai verify` checks of raw readings that were dropped: that what was kept of them is what was kept then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Engine

from collectors.clock import from_ms
from gateway.carbon.calendar import day_start_ms
from gateway.carbon.day_proof import NO_HASH, Drop, hash_of_drop, hash_of_proofs
from gateway.carbon.model import Entry
from gateway.registry.model import Enterprise, Registry
from gateway.store.drops_repository import DropsRepository


def first_fault_of_drops(engine: Engine, enterprise: str) -> tuple[date, str] | None:
    """The first drop that does not hold: its UTC day, and what is wrong."""
    book = DropsRepository(engine)
    previous = NO_HASH
    for place, drop in enumerate(book.drops(enterprise), start=1):
        what = _link(drop, place, previous)
        proofs = [] if what else book.proofs(enterprise, drop.number)
        if not what and (len(proofs), hash_of_proofs(proofs)) != (drop.proofs, drop.proofs_hash):
            what = "what was kept of the days was changed afterwards"
        if what:
            return from_ms(drop.at_ms).date(), f"drop {drop.number} of raw readings: {what}"
        previous = drop.hash
    return None


def _link(drop: Drop, place: int, previous: str) -> str:
    if drop.number != place:
        return f"number {place} was expected: one is missing"
    if drop.previous_hash != previous:
        return "it does not follow the hash of the one before it"
    return "" if hash_of_drop(drop) == drop.hash else "its content does not give its hash"


def said_of_drops(
    engine: Engine, registry: Registry, enterprise: Enterprise, standing: Sequence[Entry]
) -> tuple[int, str]:
    """How many of these entries stand on dropped readings, and a sentence that says so; 0 and "" if none."""
    drops = DropsRepository(engine).drops(enterprise.id)
    if not drops:
        return 0, ""
    zone = registry.park_of(enterprise.id).timezone
    metered = {source.id for source in enterprise.sources if source.feeds}
    horizon_ms = drops[-1].before_ms
    count = sum(
        entry.draft.source in metered and day_start_ms(entry.draft.day, zone) < horizon_ms for entry in standing
    )
    if not count:
        return 0, ""
    dropped_on = f"{from_ms(drops[-1].at_ms):%Y-%m-%d}"
    return count, (
        f"{enterprise.id}: raw readings of {count} entries were dropped under retention, the last on {dropped_on}: "
        "their digests cannot be recomputed; kept digests, hourly usage and the chain of drops check"
    )
