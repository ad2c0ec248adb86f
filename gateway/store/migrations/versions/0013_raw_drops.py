"""What is kept of raw readings that were dropped under retention; rows are never changed or deleted (see 0002)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# table -> the columns of its key
GUARDED = {"raw_drops": ("enterprise", "number"), "day_proofs": ("point_id", "start_ms")}


def upgrade() -> None:
    """Create the tables and, in the engine's own language, the triggers that refuse UPDATE and DELETE."""
    op.create_table(
        "raw_drops",
        Column("enterprise", String(18), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("before_ms", BigInteger, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("proofs", Integer, nullable=False),
        Column("proofs_hash", String(64), nullable=False),
        Column("previous_hash", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
    )
    op.create_table(
        "day_proofs",
        Column("point_id", Integer, primary_key=True, autoincrement=False),
        Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
        Column("end_ms", BigInteger, nullable=False),
        Column("readings", Integer, nullable=False),
        Column("first_ms", BigInteger),
        Column("last_ms", BigInteger),
        Column("lowest", Float),
        Column("highest", Float),
        Column("digest", String(64), nullable=False),
        Column("enterprise", String(18), nullable=False),
        Column("number", Integer, nullable=False),
    )
    op.create_index("ix_day_proofs_enterprise_number", "day_proofs", ["enterprise", "number"])
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
