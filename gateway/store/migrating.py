"""The schema brought to its newest revision. The only file outside `migrations` that knows Alembic.

It is imported where a revision is missing and nowhere else: Alembic takes 12 MB and 0.2 s, which a gateway that starts
again, or a worker beside it, has no use for. What stays true: all revisions that are missing are one transaction, the
caller's.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from collectors.errors import ConfigurationError
from gateway.store.revisions import MIGRATIONS


def upgrade(connection: Connection) -> None:
    """Run what is missing; raises ConfigurationError if the database is of a newer program than this."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigurationError(
            f"the database cannot be brought up to date ({error}): it was made by a newer Tanmai; install that version"
        ) from error
