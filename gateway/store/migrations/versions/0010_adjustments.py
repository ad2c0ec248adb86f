"""What operators adjust by hand, and who decided what about it; rows are never changed or deleted (see 0002)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# table -> the columns of its key
GUARDED = {"adjustments": ("enterprise", "number"), "adjustment_decisions": ("enterprise", "number", "decision")}


def upgrade() -> None:
    """Create the tables and, in the engine's own language, the triggers that refuse UPDATE and DELETE."""
    op.create_table(
        "adjustments",
        Column("enterprise", String(18), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
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
        Column("evidence", String(64), nullable=False),
        Column("needs_approval", Boolean, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "adjustment_decisions",
        Column("enterprise", String(18), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("decision", String(12), primary_key=True),
        Column("at_ms", BigInteger, nullable=False),
        Column("by", String(200), nullable=False),
        Column("why", Text, nullable=False),
    )
    op.create_index("ix_adjustments_enterprise_day", "adjustments", ["enterprise", "day"])
    for statement in _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite():
        op.execute(statement)


def _sqlite() -> list[str]:
    statements = []
    for table, key in GUARDED.items():
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        statements += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
            (
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {refuse}"
            ),
        ]
    return statements


def _postgresql() -> list[str]:
    """The function is that of 0002."""
    return [
        f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
        for table in GUARDED
    ]
