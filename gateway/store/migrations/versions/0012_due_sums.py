"""Which quarters and years are to be summed anew from their months: at first those of all months that are there."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

QUARTER = "substr(period, 1, 4) || '-Q' || ((CAST(substr(period, 6, 2) AS INTEGER) + 2) / 3)"
YEAR = "substr(period, 1, 4)"


def upgrade() -> None:
    op.create_table(
        "due_sums",
        Column("enterprise", String(18), primary_key=True),
        Column("period", String(10), primary_key=True),
    )
    # UNION, not two inserts: it drops what is double.
    op.execute(
        "INSERT INTO due_sums (enterprise, period) "
        f"SELECT enterprise, {QUARTER} FROM statements UNION SELECT enterprise, {YEAR} FROM statements"
    )
