"""The shipped scenario and a plant that begins on a fixed date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from collectors.clock import to_ms
from collectors.profile import shipped_config_dir
from gateway.demo.plant import DAY_MS, Plant, monday_ms
from gateway.demo.scenario import Scenario, load_scenario


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return load_scenario(shipped_config_dir())


@pytest.fixture(scope="session")
def noon_ms() -> int:
    """Thursday 2026-10-15, 12:00 local time."""
    return to_ms(datetime(2026, 10, 15, 4, tzinfo=UTC))


@pytest.fixture(scope="session")
def plant(scenario: Scenario, noon_ms: int) -> Plant:
    """Sixty days old at noon."""
    return Plant(scenario, monday_ms(noon_ms - 60 * DAY_MS))
