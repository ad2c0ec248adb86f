"""Configurations pushed to agents: every version with who and when, and what the agent made of it.

What stays true: a version is written once and never changed; only its outcome is added, as the agent reports it.
Limits: versions of an agent grow without end, one row for each push by a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from gateway.store.database import Bind, reading, take_turns, writing
from gateway.store.schema import agent_configs as table


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One version."""

    enterprise: str
    agent: str
    version: int
    text: str  # "" = the agent goes by its own file
    sealed: bytes
    made_at_ms: int
    made_by: str
    outcome: str = ""  # applied | refused | rolled_back; "" = the agent has not said
    why: str = ""
    decided_at_ms: int | None = None


class AgentConfigsRepository:
    """Versions by enterprise, agent and number."""

    def __init__(self, bind: Bind) -> None:
        self._bind = bind

    def add(self, row: ConfigRow) -> None:
        """Keep a new version; raises StoreRefused if the number is taken."""
        values: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
        with writing(self._bind) as connection:
            take_turns(connection, table)
            connection.execute(table.insert(), values)

    def highest(self, enterprise: str, agent: str) -> int:
        """The newest version of an agent; 0 = there is none."""
        query = select(func.coalesce(func.max(table.c.version), 0)).where(_of(enterprise, agent))
        with reading(self._bind) as connection:
            return int(connection.execute(query).scalar_one())

    def of(self, enterprise: str, agent: str) -> list[ConfigRow]:
        """All versions of an agent, newest first."""
        query = select(table).where(_of(enterprise, agent)).order_by(table.c.version.desc())
        return self._rows(query)

    def undecided(self) -> list[ConfigRow]:
        """The newest version of each agent whose outcome is not known yet."""
        newest = (
            select(table.c.enterprise, table.c.agent, func.max(table.c.version).label("version"))
            .group_by(table.c.enterprise, table.c.agent)
            .subquery()
        )
        same = (
            (table.c.enterprise == newest.c.enterprise)
            & (table.c.agent == newest.c.agent)
            & (table.c.version == newest.c.version)
        )
        return self._rows(select(table).join(newest, same).where(table.c.outcome == ""))

    def decided(self, enterprise: str, agent: str, version: int, outcome: str, why: str, at_ms: int | None) -> bool:
        """Note what became of a version; whether that was news."""
        change = (
            update(table)
            .where(_of(enterprise, agent), table.c.version == version, table.c.outcome != outcome)
            .values(outcome=outcome, why=why, decided_at_ms=at_ms)
        )
        with writing(self._bind) as connection:
            return connection.execute(change).rowcount > 0

    def _rows(self, query: Any) -> list[ConfigRow]:
        with reading(self._bind) as connection:
            return [
                ConfigRow(**{**row._mapping, "sealed": bytes(row._mapping["sealed"])})
                for row in connection.execute(query)
            ]


def _of(enterprise: str, agent: str) -> Any:
    return (table.c.enterprise == enterprise) & (table.c.agent == agent)
