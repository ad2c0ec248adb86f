"""The dirty-hour log in the relational database, for time-series engines that cannot commit it with the readings.

What stays true:
- A note outlives every claim made before it. `touched` comes from one counter that never steps back, and whoever takes
  a number holds the counter's row until the notes are committed. So numbers become visible in their own order, with
  several gateways on PostgreSQL too, and "touched <= token" means "the claimer saw it".
- Everybody takes the counter first, so writers and clearers cannot lock each other out.
- Usage that a job wrote elsewhere when it had lost its lease or claim is noted as dirty again, by that job itself.

Limit: the notes of all gateways pass that one row, one short transaction per append.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Text, bindparam, cast, delete, func, select

from collectors.reading import Int64s
from gateway.store.columns import touched_hours
from gateway.store.database import guarded, insert, is_guarded, reading, upsert, writing
from gateway.store.lease_repository import LeaseLost
from gateway.store.schema import dirty_hours, points, settings_kept
from gateway.store.timeseries import DirtyHours, Int32s

# The counter's key in `settings_kept`. It cannot be max(touched) of the table: that falls when notes are cleared, and a
# number given out twice would let an old claim clear a new note.
COUNTER = "dirty_hours.touched"


class DirtyLog:
    """Notes of touched hours. Raises StoreUnavailable if the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, point_id: Int32s, hour_ms: Int64s) -> None:
        """Note distinct (point, hour) as touched now; durable on return."""
        if not hour_ms.size:
            return
        with writing(self._engine) as connection:
            touched = _next_number(connection)
            rows = [
                {"point_id": point, "hour_ms": hour, "touched": touched}
                for point, hour in zip(point_id.tolist(), hour_ms.tolist(), strict=True)
            ]
            upsert(connection, dirty_hours, rows)

    def claim(self, limit: int, enterprises: Collection[str] | None = None) -> DirtyHours:
        """Up to `limit` (point, hour), oldest notes first; the token is the highest number given out so far.

        None = of all enterprises.
        """
        columns = dirty_hours.c
        notes = select(columns.point_id, columns.hour_ms).where(*_of(enterprises))
        notes = notes.order_by(columns.touched, columns.point_id, columns.hour_ms)
        with reading(self._engine) as connection:
            # The counter first: a note that slips in between is then newer than the token and outlives the clearing.
            token = connection.scalar(select(settings_kept.c.value).where(settings_kept.c.key == COUNTER))
            found = connection.execute(notes.limit(limit)).all()
        points = np.fromiter((row.point_id for row in found), np.int32, len(found))
        hours = np.fromiter((row.hour_ms for row in found), np.int64, len(found))
        return DirtyHours(points, hours, int(token or 0))

    def clear(self, claimed: DirtyHours) -> None:
        """Forget the claimed notes, except those touched again since."""
        if not len(claimed):
            return
        columns = dirty_hours.c
        statement = delete(dirty_hours).where(
            columns.point_id == bindparam("point"),
            columns.hour_ms == bindparam("hour"),
            columns.touched <= claimed.token,
        )
        pairs = zip(claimed.point_id.tolist(), claimed.hour_ms.tolist(), strict=True)
        with writing(self._engine) as connection:
            _next_number(connection)
            connection.execute(statement, [{"point": point, "hour": hour} for point, hour in pairs])

    def count(self, enterprises: Collection[str] | None = None) -> int:
        """(point, hour) waiting; None = of all enterprises."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.count()).select_from(dirty_hours).where(*_of(enterprises))) or 0

    @contextmanager
    def fenced(self, point_id: Int32s, hour_ms: Int64s) -> Iterator[None]:
        """Around a job's write of these hours' usage into an engine that knows nothing of leases and claims.

        Who has lost his is refused before it. Who lost it meanwhile (the process stood still) may have written what
        readings that came since have overtaken: the hours are noted, so that whoever has them now computes them again.
        """
        if not is_guarded():
            yield
            return
        with writing(self._engine):
            pass  # the guard is asked
        try:
            yield
        finally:
            try:
                with writing(self._engine):
                    pass
            except LeaseLost:
                with guarded(None):
                    self.note(*touched_hours(point_id, hour_ms))
                raise


@dataclass(frozen=True, slots=True)
class DirtyHoursOf:
    """The dirty hours of some enterprises, for who works on these alone."""

    log: DirtyLog
    enterprises: Collection[str]

    def claim_dirty(self, limit: int) -> DirtyHours:
        """Up to `limit` of them, oldest notes first."""
        return self.log.claim(limit, self.enterprises)

    def clear_dirty(self, claimed: DirtyHours) -> None:
        """Forget the claimed notes, except those touched again since."""
        self.log.clear(claimed)

    def dirty_count(self) -> int:
        """How many wait."""
        return self.log.count(self.enterprises)


def _of(enterprises: Collection[str] | None) -> list[ColumnElement[bool]]:
    if enterprises is None:
        return []
    own = select(points.c.point_id).where(points.c.enterprise.in_(sorted(enterprises)))
    return [dirty_hours.c.point_id.in_(own)]


def _next_number(connection: Connection) -> int:
    """One more than the last, and the right to go on: the counter's row stays locked until the transaction ends."""
    first = insert(connection, settings_kept).values(key=COUNTER, value="1")
    more = cast(cast(settings_kept.c.value, BigInteger) + 1, Text)
    statement = first.on_conflict_do_update(index_elements=["key"], set_={"value": more})
    return int(connection.execute(statement.returning(settings_kept.c.value)).scalar_one())
