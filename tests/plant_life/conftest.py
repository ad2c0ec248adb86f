"""A place for worlds that is thrown away after each test, and a real PostgreSQL for those that have one."""

from __future__ import annotations

from tests.gateway.conftest import postgresql, postgresql_server
from tests.simulation.conftest import directory

__all__ = ["directory", "postgresql", "postgresql_server"]
