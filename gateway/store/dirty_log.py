"""The dirty-hour log in the relational database, for time-series engines that cannot commit it with the readings.

What stays true:
- A note outlives every claim made before it. `touched` comes from one counter that never steps back, and whoever takes
  a number holds the counter's row until the notes are committed. So numbers become visible in their own order, with
  several gateways on PostgreSQL too, and "touched <= token" means "the claimer saw it".
- Everybody takes the counter first, so writers and clearers cannot lock each other out.

Limit: the notes of all gateways pass that one row, one short transaction per append.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import BigInteger, Connection, Engine, Text, bindparam, cast, delete, func, select

from collectors.reading import Int64s
from gateway.store.database import insert, reading, upsert, writing
from gateway.store.schema import dirty_hours, settings_kept
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

    def claim(self, limit: int) -> DirtyHours:
        """Up to `limit` (point, hour), oldest notes first; the token is the highest number given out so far."""
        columns = dirty_hours.c
        notes = select(columns.point_id, columns.hour_ms).order_by(columns.touched, columns.point_id, columns.hour_ms)
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

    def count(self) -> int:
        """(point, hour) waiting."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.count()).select_from(dirty_hours)) or 0


def _next_number(connection: Connection) -> int:
    """One more than the last, and the right to go on: the counter's row stays locked until the transaction ends."""
    first = insert(connection, settings_kept).values(key=COUNTER, value="1")
    more = cast(cast(settings_kept.c.value, BigInteger) + 1, Text)
    statement = first.on_conflict_do_update(index_elements=["key"], set_={"value": more})
    return int(connection.execute(statement.returning(settings_kept.c.value)).scalar_one())
