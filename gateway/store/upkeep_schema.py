"""The tables of upkeep: rebuilds under way, what is kept of raw readings that were dropped, claims of a shared roll-up.

Alembic's migrations create them, as they do those of `gateway.store.acts_schema`, with which they share one metadata.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

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

# Which raw readings were dropped under retention: chained by hash per enterprise. They only grow.
raw_drops = Table(
    "raw_drops",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … of this enterprise
    Column("before_ms", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("proofs", Integer, nullable=False),
    Column("proofs_hash", String(64), nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# What is kept of each point's day whose raw readings were dropped. They only grow.
day_proofs = Table(
    "day_proofs",
    metadata,
    Column("point_id", Integer, primary_key=True, autoincrement=False),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("first_ms", BigInteger),
    Column("last_ms", BigInteger),
    Column("lowest", Float),
    Column("highest", Float),
    Column("digest", String(64), nullable=False),
    Column("enterprise", String(18), nullable=False),
    Column("number", Integer, nullable=False),  # of the drop
    Index(None, "enterprise", "number"),
)

# Where several processes share the roll-up: whose each enterprise is for the moment. A row stays once it is there.
rollup_claims = Table(
    "rollup_claims",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("holder", String(64), nullable=False),  # who took it last; for people
    Column("fence", BigInteger, nullable=False),  # grows by one with each taking
    Column("expires_at_ms", BigInteger, nullable=False),  # 0 = given back
)
