"""Receivers of the change feed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "webhooks",
        Column("id", String(16), primary_key=True),
        Column("platform", String(64), nullable=False),
        Column("url", Text, nullable=False),
        Column("secret", String(64), nullable=False),
        Column("created_at_ms", BigInteger, nullable=False),
        Column("after_seq", BigInteger, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("failing_since_ms", BigInteger),
        Column("next_at_ms", BigInteger, nullable=False),
        Column("parked_at_ms", BigInteger),
        Column("last_error", Text, nullable=False),
    )
