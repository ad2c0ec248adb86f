"""Small facts the gateway remembers between starts, such as the fingerprint of the factor files last booked with."""

from __future__ import annotations

from sqlalchemy import select

from gateway.store.database import Bind, reading, upsert, writing
from gateway.store.schema import settings_kept as table


class KeptRepository:
    """One text per key."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def get(self, key: str) -> str | None:
        """What was kept under a key, or None."""
        with reading(self._bind) as connection:
            return connection.execute(select(table.c.value).where(table.c.key == key)).scalar_one_or_none()

    def put(self, key: str, value: str) -> None:
        """Keep a text under a key in place of what was there."""
        with writing(self._bind) as connection:
            upsert(connection, table, [{"key": key, "value": value}])
