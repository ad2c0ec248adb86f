"""The seeded park, shared with the API's tests."""

from __future__ import annotations

from tests.gateway.seeded_park import bare_park, seeded_park

__all__ = ["bare_park", "seeded_park"]
