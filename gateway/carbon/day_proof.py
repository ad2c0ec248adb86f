"""What is kept of a point's day when its raw readings are dropped, and the chain that ties all of it together.

What stays true: `digest` is the one that went into the entries of that day, so whoever keeps the readings elsewhere can
prove that they are those that were booked. Each drop's hash covers its proofs and the drop before it, so that none can
be changed or left out unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

from gateway.carbon.evidence import canonical_json, digest_of_readings
from gateway.store.timeseries import ReadingColumns

NO_HASH = "0" * 64  # what an enterprise's first drop follows


@dataclass(frozen=True, slots=True)
class DayProof:
    """One point's local day."""

    point_id: int
    start_ms: int
    end_ms: int
    readings: int  # of the day itself
    first_ms: int | None  # of those readings; None if there were none, as the next three
    last_ms: int | None
    lowest: float | None
    highest: float | None
    digest: str  # over the day's readings and one neighbour on each side, as entries have it


@dataclass(frozen=True, slots=True)
class Drop:
    """Raw readings of an enterprise before an instant were dropped."""

    enterprise: str
    number: int  # 1, 2, 3 … of this enterprise
    before_ms: int
    at_ms: int  # when
    proofs: int  # how many day proofs were kept
    proofs_hash: str
    previous_hash: str
    hash: str


def proof_of(point_id: int, start_ms: int, end_ms: int, around: ReadingColumns) -> DayProof:
    """The proof of a day out of its readings and their neighbours, by time."""
    inside = (around.at_ms >= start_ms) & (around.at_ms < end_ms)
    at_ms, value = around.at_ms[inside], around.value[inside]
    digest = digest_of_readings(around)
    if not at_ms.size:
        return DayProof(point_id, start_ms, end_ms, 0, None, None, None, None, digest)
    bounds = int(at_ms[0]), int(at_ms[-1]), float(value.min()), float(value.max())
    return DayProof(point_id, start_ms, end_ms, int(at_ms.size), *bounds, digest)


def hash_of_proofs(proofs: Iterable[DayProof]) -> str:
    """Over all of them, by point and day."""
    digest = hashlib.sha256()
    for proof in sorted(proofs, key=lambda one: (one.point_id, one.start_ms)):
        digest.update(canonical_json(astuple(proof)).encode() + b"\n")
    return digest.hexdigest()


def drop_after(newest: Drop | None, enterprise: str, before_ms: int, at_ms: int, proofs: list[DayProof]) -> Drop:
    """The drop that follows an enterprise's newest one."""
    number, previous = (newest.number + 1, newest.hash) if newest else (1, NO_HASH)
    drop = Drop(enterprise, number, before_ms, at_ms, len(proofs), hash_of_proofs(proofs), previous, "")
    return replace(drop, hash=hash_of_drop(drop))


def hash_of_drop(drop: Drop) -> str:
    """Over everything in it but its own hash."""
    return hashlib.sha256(canonical_json(astuple(replace(drop, hash=""))).encode()).hexdigest()
