"""Entries of the second format: the frame of a calculation once, under its hash, in place of its text in every entry.

`ledger_frames` only grows, as the entries do. Columns whose members stand in a frame may be empty from now on; entries
that were booked keep theirs, and are of format 1. SQLite cannot lift NOT NULL, so there the table is written anew, row
by row as it was, in the transaction of the migration: some seconds for a million entries, and room for them twice.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# table -> the columns of its key
GUARDED = {"ledger_entries": ("enterprise", "seq"), "ledger_frames": ("hash",)}

# Members that stand in a frame: empty in an entry of format 2.
FRAMED = (
    "activity", "stage", "category", "factor", "edition", "basis", "gwp", "provisional", "calculation",
)  # fmt: skip


def upgrade() -> None:
    op.create_table("ledger_frames", Column("hash", String(64), primary_key=True), Column("body", Text, nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        _alter_postgresql()
    else:
        _write_anew_on_sqlite()


def _alter_postgresql() -> None:
    """The function is that of 0002; the triggers of `ledger_entries` stay."""
    for column in FRAMED:
        op.alter_column("ledger_entries", column, nullable=True)
    op.add_column("ledger_entries", Column("format", Integer, nullable=False, server_default="1"))
    op.add_column("ledger_entries", Column("frame", String(64)))
    op.execute(
        "CREATE TRIGGER ledger_frames_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_frames "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
    )


def _write_anew_on_sqlite() -> None:
    columns = _columns()
    names = ", ".join(column.name for column in columns if column.name not in ("format", "frame"))
    op.create_table(
        "ledger_entries_0015",
        *columns,
        PrimaryKeyConstraint("enterprise", "seq", name="pk_ledger_entries"),
        UniqueConstraint("enterprise", "reverses", name="uq_ledger_entries_enterprise_reverses"),
    )
    op.execute(f"INSERT INTO ledger_entries_0015 ({names}) SELECT {names} FROM ledger_entries ORDER BY rowid")
    op.drop_table("ledger_entries")  # its indexes and triggers go with it
    op.rename_table("ledger_entries_0015", "ledger_entries")
    op.create_index("ix_ledger_entries_enterprise_day", "ledger_entries", ["enterprise", "day"])
    op.create_index("ix_ledger_entries_enterprise_source_day", "ledger_entries", ["enterprise", "source", "day"])
    for statement in _triggers():
        op.execute(statement)


def _columns() -> tuple[Column[object], ...]:
    return (
        Column("enterprise", String(18), nullable=False),
        Column("seq", Integer, nullable=False, autoincrement=False),
        Column("source", String(64), nullable=False),
        Column("day", String(10), nullable=False),
        Column("activity", String(64)),
        Column("scope", Integer, nullable=False),
        Column("stage", String(16)),
        Column("category", Integer),
        Column("amount_u", BigInteger, nullable=False),
        Column("unit", String(16), nullable=False),
        Column("factor", String(96)),
        Column("edition", String(64)),
        Column("basis", String(24)),
        Column("gwp", String(8)),
        Column("emission_g", BigInteger, nullable=False),
        Column("energy_gce", BigInteger, nullable=False),
        Column("provisional", Boolean),
        Column("coverage_ppm", Integer, nullable=False),
        Column("estimated_ppm", Integer, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("calculation", Text),
        Column("reason", String(24), nullable=False),
        Column("reverses", Integer),
        Column("booked_at_ms", BigInteger, nullable=False),
        Column("previous_hash", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
        Column("format", Integer, nullable=False, server_default="1"),
        Column("frame", String(64)),
    )


def _triggers() -> list[str]:
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
