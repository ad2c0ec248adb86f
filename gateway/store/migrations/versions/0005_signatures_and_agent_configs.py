"""Whose signature a batch carried, and the configurations pushed to agents."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Batches that came before say nothing about their signature: nobody looked."""
    op.add_column("batches", Column("signature", String(16), nullable=False, server_default=""))
    op.add_column("batches", Column("key_id", String(43), nullable=False, server_default=""))
    op.create_table(
        "agent_configs",
        Column("enterprise", String(18), primary_key=True),
        Column("agent", String(64), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("text", Text, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("made_at_ms", BigInteger, nullable=False),
        Column("made_by", String(160), nullable=False),
        Column("outcome", String(16), nullable=False, server_default=""),
        Column("why", Text, nullable=False, server_default=""),
        Column("decided_at_ms", BigInteger),
    )
