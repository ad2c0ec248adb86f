"""Which raw readings were dropped, and what is kept of them. The database refuses to change or delete what stands here.

Limit: a day of a point is one row of about 150 bytes, for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields

from sqlalchemy import func, select

from gateway.carbon.day_proof import DayProof, Drop
from gateway.store.database import Bind, reading, writing
from gateway.store.upkeep_schema import day_proofs, raw_drops

POINTS_PER_QUERY = 500

_PROOF = [day_proofs.c[field.name] for field in fields(DayProof)]


class DropsRepository:
    """Drops and day proofs in and out of their tables."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, drop: Drop, proofs: Sequence[DayProof]) -> None:
        """Keep a drop with its proofs, all of it or nothing; StoreRefused if another one has its number."""
        rows = [{**asdict(proof), "enterprise": drop.enterprise, "number": drop.number} for proof in proofs]
        with writing(self._bind) as connection:
            connection.execute(raw_drops.insert(), asdict(drop))
            if rows:
                connection.execute(day_proofs.insert(), rows)

    def horizons(self) -> dict[str, int]:
        """Enterprise -> the instant before which its raw readings were dropped; one that has all is missing."""
        query = select(raw_drops.c.enterprise, func.max(raw_drops.c.before_ms)).group_by(raw_drops.c.enterprise)
        with reading(self._bind) as connection:
            return {enterprise: int(before_ms) for enterprise, before_ms in connection.execute(query)}

    def drops(self, enterprise: str) -> list[Drop]:
        """All of an enterprise, by number."""
        query = select(raw_drops).where(raw_drops.c.enterprise == enterprise).order_by(raw_drops.c.number)
        with reading(self._bind) as connection:
            return [Drop(**row._mapping) for row in connection.execute(query)]

    def proofs(self, enterprise: str, number: int) -> list[DayProof]:
        """What was kept by one drop."""
        query = select(*_PROOF).where(day_proofs.c.enterprise == enterprise, day_proofs.c.number == number)
        with reading(self._bind) as connection:
            return [DayProof(**row._mapping) for row in connection.execute(query)]

    def proof_of_day(self, point_id: int, start_ms: int) -> tuple[DayProof, int] | None:
        """What was kept of a point's local day, and the number of the drop; None if its readings were not dropped."""
        query = select(*_PROOF, day_proofs.c.number).where(
            day_proofs.c.point_id == point_id, day_proofs.c.start_ms == start_ms
        )
        with reading(self._bind) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (DayProof(*row[:-1]), row[-1])

    def extents(self, point_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Point -> start of the first and end of the last day with readings that were dropped; none = it is missing."""
        found: dict[int, tuple[int, int]] = {}
        with reading(self._bind) as connection:
            if connection.scalar(select(func.max(raw_drops.c.before_ms))) is None:
                return found
            span = select(day_proofs.c.point_id, func.min(day_proofs.c.start_ms), func.max(day_proofs.c.end_ms))
            for some in _slices(point_ids):
                query = span.where(day_proofs.c.point_id.in_(some), day_proofs.c.readings > 0)
                rows = connection.execute(query.group_by(day_proofs.c.point_id))
                found |= {point_id: (int(start_ms), int(end_ms)) for point_id, start_ms, end_ms in rows}
        return found

    def digests(self, point_ids: Sequence[int], start_ms: int, end_ms: int) -> Mapping[int, Mapping[int, str]]:
        """Point -> start of a day between these instants -> the digest that was kept of it."""
        found: dict[int, dict[int, str]] = {}
        with reading(self._bind) as connection:
            if start_ms >= (connection.scalar(select(func.max(raw_drops.c.before_ms))) or start_ms):
                return found
            for some in _slices(point_ids):
                query = select(day_proofs.c.point_id, day_proofs.c.start_ms, day_proofs.c.digest).where(
                    day_proofs.c.point_id.in_(some), day_proofs.c.start_ms >= start_ms, day_proofs.c.start_ms < end_ms
                )
                for point_id, day_ms, digest in connection.execute(query):
                    found.setdefault(point_id, {})[day_ms] = digest
        return found


def _slices(point_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(point_ids), POINTS_PER_QUERY):
        yield point_ids[first : first + POINTS_PER_QUERY]
