"""Which closed months were reopened, by whom and why. The database refuses to change or delete what stands here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from gateway.store.acts_schema import reopenings as table
from gateway.store.changes_repository import hold_feed, note_changes
from gateway.store.database import Bind, reading, writing


@dataclass(frozen=True, slots=True)
class Reopening:
    """A month that was closed is open again, as a new version."""

    enterprise: str
    period: str  # 2026-10
    version: int  # the open one; the closed one before it is its predecessor
    at_ms: int
    by: str
    why: str


class ReopeningsRepository:
    """Reopenings in and out of their table."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, reopening: Reopening) -> None:
        """Keep one and tell the feed; StoreRefused if this version was reopened before."""
        row = {name: getattr(reopening, name) for name in Reopening.__dataclass_fields__}
        version = (reopening.enterprise, reopening.period, reopening.version)
        with writing(self._bind) as connection:
            hold_feed(connection)
            connection.execute(table.insert(), row)
            note_changes(connection, "reopening", [version], reopening.at_ms)

    def of_enterprise(self, enterprise: str) -> list[Reopening]:
        """All of an enterprise, by month and version."""
        query = select(table).where(table.c.enterprise == enterprise).order_by(table.c.period, table.c.version)
        with reading(self._bind) as connection:
            return [Reopening(**row._mapping) for row in connection.execute(query)]
