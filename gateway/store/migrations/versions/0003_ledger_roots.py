"""Daily Merkle roots over the ledger and their leaves; both only grow, as the ledger itself (see 0002)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# table -> the columns of its key
GUARDED = {"ledger_roots": ("day",), "ledger_spans": ("enterprise", "last_seq")}


def upgrade() -> None:
    """Create the tables and, in the engine's own language, the triggers that refuse UPDATE and DELETE."""
    op.create_table(
        "ledger_roots",
        Column("day", String(10), primary_key=True),
        Column("body", Text, nullable=False),
        Column("signature", Text, nullable=False),
        Column("made_at_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "ledger_spans",
        Column("enterprise", String(18), primary_key=True),
        Column("last_seq", Integer, primary_key=True, autoincrement=False),
        Column("first_seq", Integer, nullable=False),
        Column("day", String(10), nullable=False),
        Column("leaf", String(64), nullable=False),
    )
    op.create_index("ix_ledger_spans_day", "ledger_spans", ["day"])
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
