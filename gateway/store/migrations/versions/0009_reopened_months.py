"""Who reopened which closed month, when and why; rows are never changed or deleted (see 0002)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = ("enterprise", "period", "version")


def upgrade() -> None:
    """Create the table and, in the engine's own language, the triggers that refuse UPDATE and DELETE."""
    op.create_table(
        "reopenings",
        Column("enterprise", String(18), primary_key=True),
        Column("period", String(10), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("by", String(200), nullable=False),
        Column("why", Text, nullable=False),
    )
    for statement in _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'reopenings only grows'); END"
    same = " AND ".join(f"{column} = NEW.{column}" for column in KEY)
    return [
        f"CREATE TRIGGER reopenings_no_update BEFORE UPDATE ON reopenings {refuse}",
        f"CREATE TRIGGER reopenings_no_delete BEFORE DELETE ON reopenings {refuse}",
        (
            "CREATE TRIGGER reopenings_no_replace BEFORE INSERT ON reopenings "
            f"WHEN EXISTS (SELECT 1 FROM reopenings WHERE {same}) {refuse}"
        ),
    ]


def _postgresql() -> list[str]:
    """The function is that of 0002."""
    event = "BEFORE UPDATE OR DELETE OR TRUNCATE ON reopenings"
    return [f"CREATE TRIGGER reopenings_only_grows {event} FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"]
