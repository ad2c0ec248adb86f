"""Which process works on which enterprise's accounts, where several share the roll-up."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollup_claims",
        Column("enterprise", String(18), primary_key=True),
        Column("holder", String(64), nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("expires_at_ms", BigInteger, nullable=False),
    )
