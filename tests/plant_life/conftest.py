"""A place for worlds that is thrown away after each test."""

from __future__ import annotations

from tests.simulation.conftest import directory

__all__ = ["directory"]
