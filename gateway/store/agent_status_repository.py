"""The newest word of each agent about itself. One row per agent; nothing grows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from gateway.store.database import Bind, reading, upsert, writing
from gateway.store.ingest_rows import StatusRow
from gateway.store.schema import agent_status as table


class AgentStatusRepository:
    """Agents' status documents."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def put(self, rows: Sequence[StatusRow]) -> None:
        """Replace what was known of these agents; of two rows for one agent the later stands."""
        newest = {(row.enterprise, row.agent): row for row in rows}
        values = [
            {
                "enterprise": row.enterprise,
                "agent": row.agent,
                "received_at_ms": row.received_at_ms,
                "online": row.online,
                "document": row.document,
            }
            for row in newest.values()
        ]
        with writing(self._bind) as connection:
            upsert(connection, table, values)

    def of(self, enterprise: str) -> list[StatusRow]:
        """All agents of an enterprise that ever spoke, by name."""
        query = select(table).where(table.c.enterprise == enterprise).order_by(table.c.agent)
        with reading(self._bind) as connection:
            return [
                StatusRow(row.enterprise, row.agent, row.received_at_ms, row.online, row.document)
                for row in connection.execute(query)
            ]
