"""A finding's life: who acknowledged it and why, and every decision about it, which only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns for what stands, a table for how it came about."""
    op.add_column("findings", sa.Column("acknowledged_at_ms", sa.BigInteger))
    op.add_column("findings", sa.Column("acknowledged_by", sa.String(200), nullable=False, server_default=""))
    op.add_column("findings", sa.Column("acknowledged_why", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "finding_decisions",
        sa.Column("finding_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    for statement in _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'finding_decisions only grows'); END"
    same = "finding_id = NEW.finding_id AND number = NEW.number"
    return [
        f"CREATE TRIGGER finding_decisions_no_update BEFORE UPDATE ON finding_decisions {refuse}",
        f"CREATE TRIGGER finding_decisions_no_delete BEFORE DELETE ON finding_decisions {refuse}",
        (
            "CREATE TRIGGER finding_decisions_no_replace BEFORE INSERT ON finding_decisions "
            f"WHEN EXISTS (SELECT 1 FROM finding_decisions WHERE {same}) {refuse}"
        ),
    ]


def _postgresql() -> list[str]:
    """The function is that of 0002."""
    return [
        (
            "CREATE TRIGGER finding_decisions_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON finding_decisions "
            "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
        )
    ]
