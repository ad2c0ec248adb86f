"""More points than the quota: the file is refused, and whoever looks at the enterprise sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from collectors.errors import ConfigurationError
from gateway.points_findings import keep_standing
from tests.gateway.scheduler.plant import PLANT, REGISTRY, SECOND, Plant, open_plant, plant, relational, settings

__all__ = ["open_plant", "plant", "relational", "settings"]

T0 = 1_760_000_000_000


@pytest.fixture
def apply(plant: Plant) -> Callable[..., Any]:
    def call(old: str = "", new: str = "", *, dry_run: bool = False) -> Any:
        text = REGISTRY.replace(old, new, 1)
        return plant.house.operations.call("registry_apply", text=text, file="park.yaml", dry_run=dry_run)

    return call


def findings(plant: Plant, enterprise: str = PLANT) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, status, values) of what an operator sees in `tanmai findings list`."""
    listed = plant.house.operations.call("finding_list", enterprise=enterprise)["items"]
    return [(one["name"], one["status"], one["values"]) for one in listed if one["name"].startswith("registry.")]


TIGHT = "  agents: [{id: edge-1}]\n  quota: {points: 1}\n"
LOOSE = "  agents: [{id: edge-1}]\n"


def test_a_refused_file_is_a_finding_until_one_is_applied(plant: Plant, apply: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="have 2 points and this allows 1"):
        apply(LOOSE, TIGHT, dry_run=True)
    assert findings(plant) == []  # nobody meant it
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            apply(LOOSE, TIGHT)
    values = {"points": 2, "limit": 1}
    assert findings(plant) == [("registry.points_refused", "open", values)]
    assert findings(plant, SECOND) == []
    apply()
    assert findings(plant) == [("registry.points_refused", "resolved", values)]


def test_a_quota_lowered_under_what_stands_is_a_finding_until_it_fits(plant: Plant) -> None:
    registry, engine = plant.house.registry(), plant.house.engine
    for limit, hour in ((2, 0), (1, 1), (1, 2), (0, 3)):
        keep_standing(engine, registry, limit, T0 + hour * 3_600_000)
        assert bool(findings(plant)) == (hour > 0)
    assert findings(plant) == [("registry.points_over_quota", "resolved", {"points": 2, "limit": 1})]
    assert findings(plant, SECOND) == []


def test_the_setting_is_looked_at_when_a_file_is_applied(plant: Plant, apply: Callable[..., Any]) -> None:
    plant.house.settings = replace(plant.house.settings, enterprise_points=1)
    apply()
    assert findings(plant) == [("registry.points_over_quota", "open", {"points": 2, "limit": 1})]
