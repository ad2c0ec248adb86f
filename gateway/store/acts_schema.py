"""The tables of what operators do to the books by hand: who, when, why. All of them only grow.

Alembic's migrations create them, as they do those of `gateway.store.schema`, with which they share one metadata.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from gateway.store import schema

metadata = schema.metadata  # of all tables, those below included

# Closed months that an operator opened again: the version that is open since, who, when and why. They only grow.
reopenings = Table(
    "reopenings",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("why", Text, nullable=False),
)

# What operators ask to be added to a source's day, and what was decided about it. Both only grow.
adjustments = Table(
    "adjustments",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 … of this enterprise
    Column("source", String(64), nullable=False),
    Column("day", String(10), nullable=False),
    Column("activity", String(64), nullable=False),
    Column("scope", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("category", Integer, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("emission_g", BigInteger, nullable=False),
    Column("energy_gce", BigInteger, nullable=False),
    Column("author", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("evidence", String(64), nullable=False),  # SHA-256 of a file in evidence_files
    Column("needs_approval", Boolean, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "enterprise", "day"),
)

adjustment_decisions = Table(
    "adjustment_decisions",
    metadata,
    Column("enterprise", String(18), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("decision", String(12), primary_key=True),  # approved | withdrawn
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("why", Text, nullable=False),
)
