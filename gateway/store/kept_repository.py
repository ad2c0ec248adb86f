"""Small facts the gateway remembers between starts, such as the fingerprint of the factor files last booked with."""

from __future__ import annotations

from collections.abc import Mapping

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

    def under(self, prefix: str) -> dict[str, str]:
        """Everything kept under keys that begin so: rest of the key -> text."""
        query = select(table).where(table.c.key.startswith(prefix, autoescape=True))
        with reading(self._bind) as connection:
            return {row.key.removeprefix(prefix): row.value for row in connection.execute(query)}

    def put_all(self, prefix: str, values: Mapping[str, str]) -> None:
        """Keep texts under prefix + key, all in one transaction."""
        rows = [{"key": prefix + key, "value": value} for key, value in values.items()]
        with writing(self._bind) as connection:
            upsert(connection, table, rows)

    def put(self, key: str, value: str) -> None:
        """Keep a text under a key in place of what was there."""
        with writing(self._bind) as connection:
            upsert(connection, table, [{"key": key, "value": value}])
