"""Make `ledger_entries` and `changes` append-only in the database itself: UPDATE and DELETE are refused.

This guards against mistakes and stray tools, not against the owner of the database, who can drop a trigger; against
that stands the hash chain, which `tanmai verify` walks. On SQLite an INSERT OR REPLACE deletes without firing the
DELETE trigger, so a third trigger refuses to insert over what is there.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# table -> the columns of its key
GUARDED = {"ledger_entries": ("enterprise", "seq"), "changes": ("seq",)}


def upgrade() -> None:
    """Create the triggers in the engine's own language."""
    statements = _postgresql() if op.get_bind().dialect.name == "postgresql" else _sqlite()
    for statement in statements:
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
    function = (
        "CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    triggers = [
        f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
        for table in GUARDED
    ]
    return [function, *triggers]
