"""What Alembic runs: migrations over the connection that `database.open_database` hands in, in its transaction.

There is no alembic.ini: users never call Alembic, and a new revision is written by hand beside the others.
"""

from __future__ import annotations

from alembic import context

from gateway.store.upkeep_schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: our transaction is begun before the first statement
)
context.run_migrations()
