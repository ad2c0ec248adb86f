"""Published footprints, version by version. The database refuses to change or delete one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from gateway.store.database import Bind, reading, writing
from gateway.store.schema import footprints as table


@dataclass(frozen=True, slots=True)
class StoredFootprint:
    """One published version."""

    enterprise: str
    product: str
    period: str
    boundary: str
    version: int
    id: str
    body: str
    signature: str
    published_at_ms: int


class FootprintsRepository:
    """Published footprints in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def versions(self, enterprise: str, product: str, period: str, boundary: str) -> list[StoredFootprint]:
        """Every version, oldest first."""
        query = (
            select(table)
            .where(
                table.c.enterprise == enterprise,
                table.c.product == product,
                table.c.period == period,
                table.c.boundary == boundary,
            )
            .order_by(table.c.version)
        )
        with reading(self._bind) as connection:
            return [StoredFootprint(**row._mapping) for row in connection.execute(query)]

    def add(self, footprint: StoredFootprint) -> None:
        """Keep a new version; StoreRefused if there is one with this number."""
        row = {name: getattr(footprint, name) for name in StoredFootprint.__dataclass_fields__}
        with writing(self._bind) as connection:
            connection.execute(table.insert(), row)
