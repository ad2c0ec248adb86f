"""How the gateway of a world is set up, by its seed alone: its engines, and how long raw readings stay where they are.

Seed 0 has DuckDB, whose older months move into Parquet files, and seed 5 PostgreSQL; both give up raw readings. So a
short run comes past all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

RAW_KEPT_DAYS = (40, 45)  # TANMAI_RAW_RETENTION_DAYS; 40 is the shortest that the gateway takes
ARCHIVED_AFTER_DAYS = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings of one gateway."""

    duckdb: bool = False  # else readings are in a `QuickStore`, which two gateways can share
    postgresql: bool = False  # else SQLite
    raw_retention_days: int = 0  # 0 = raw readings are kept for ever
    archive_after_days: int = 0  # 0 = never

    @classmethod
    def of(cls, seed: int) -> Terms:
        """One world in ten has DuckDB, another one PostgreSQL, two in five give up raw readings."""
        duckdb = seed % 10 == 0
        return cls(
            duckdb=duckdb,
            postgresql=seed % 10 == 5,
            raw_retention_days=RAW_KEPT_DAYS[seed % 2] if seed % 5 in (0, 2) else 0,
            archive_after_days=ARCHIVED_AFTER_DAYS if duckdb else 0,
        )
