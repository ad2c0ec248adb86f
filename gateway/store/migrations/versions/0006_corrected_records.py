"""Records that correct others, and the files that back them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Records that came before correct nothing and name no file."""
    op.add_column("activity_records", Column("supersedes", String(80), nullable=False, server_default=""))
    op.add_column("activity_records", Column("evidence", String(64), nullable=False, server_default=""))
    op.create_index("ix_activity_records_enterprise_supersedes", "activity_records", ["enterprise", "supersedes"])
    op.create_table(
        "evidence_files",
        Column("enterprise", String(18), primary_key=True),
        Column("sha256", String(64), primary_key=True),
        Column("name", String(120), nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("received_at_ms", BigInteger, nullable=False),
    )
