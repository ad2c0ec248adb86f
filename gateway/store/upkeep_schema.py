"""The tables of long upkeep that goes on after a stop: stored lists of what is still to be done.

Alembic's migrations create them, as they do those of `gateway.store.acts_schema`, with which they share one metadata.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from gateway.store import acts_schema

metadata = acts_schema.metadata  # of all tables, those below included

# Rebuilds under way: one row per enterprise of each. They go when all of a rebuild is done.
rebuilds = Table(
    "rebuilds",
    metadata,
    Column("scope", String(18), primary_key=True),  # the enterprise it was asked for; empty = all of them
    Column("first_day", String(10), primary_key=True),
    Column("last_day", String(10), primary_key=True),  # the last one that belongs to it
    Column("enterprise", String(18), primary_key=True),
    Column("next_day", String(10), nullable=False),  # the first that is still to be done; after last_day = none
    Column("begun_at_ms", BigInteger, nullable=False),
)
