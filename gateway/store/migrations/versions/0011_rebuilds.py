"""Rebuilds under way: how far each has come, so that the same command goes on there after a stop."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "rebuilds",
        Column("scope", String(18), primary_key=True),
        Column("first_day", String(10), primary_key=True),
        Column("last_day", String(10), primary_key=True),
        Column("enterprise", String(18), primary_key=True),
        Column("next_day", String(10), nullable=False),
        Column("begun_at_ms", BigInteger, nullable=False),
    )
