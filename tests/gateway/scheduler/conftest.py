"""The small plant that the scheduler's tests roll up."""

from __future__ import annotations

from tests.gateway.scheduler.plant import open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]
