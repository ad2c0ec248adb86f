"""Published product footprints; rows are never changed or deleted (see 0002)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = ("enterprise", "product", "period", "boundary", "version")


def upgrade() -> None:
    """Create the table and, in the engine's own language, the triggers that refuse UPDATE and DELETE."""
    op.create_table(
        "footprints",
        Column("enterprise", String(18), primary_key=True),
        Column("product", String(64), primary_key=True),
        Column("period", String(10), primary_key=True),
        Column("boundary", String(16), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("id", String(36), nullable=False),
        Column("body", Text, nullable=False),
        Column("signature", Text, nullable=False),
        Column("published_at_ms", BigInteger, nullable=False),
    )
    for statement in _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'footprints only grows'); END"
    same = " AND ".join(f"{column} = NEW.{column}" for column in KEY)
    return [
        f"CREATE TRIGGER footprints_no_update BEFORE UPDATE ON footprints {refuse}",
        f"CREATE TRIGGER footprints_no_delete BEFORE DELETE ON footprints {refuse}",
        (
            "CREATE TRIGGER footprints_no_replace BEFORE INSERT ON footprints "
            f"WHEN EXISTS (SELECT 1 FROM footprints WHERE {same}) {refuse}"
        ),
    ]


def _postgresql() -> list[str]:
    """The function is that of 0002."""
    event = "BEFORE UPDATE OR DELETE OR TRUNCATE ON footprints"
    return [f"CREATE TRIGGER footprints_only_grows {event} FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"]
