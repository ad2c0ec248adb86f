"""What a change of knowledge costs: little where nothing changed, and one question for all points where it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from gateway.registry.model import Enterprise
from gateway.scheduler.changed_rules import RulesDone, _windows
from gateway.scheduler.pipeline import AccountsFailed
from gateway.scheduler.usage_stage import CLAIM_HOURS
from tests.gateway.scheduler.plant import PLANT, SECOND, Plant, at, steady

HOUR = 3_600_000


def counted(plant: Plant, monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """Counts the store's calls."""
    calls: Counter[str] = Counter()
    store = type(plant.house.timeseries)

    def counting(name: str) -> Callable[..., object]:
        real = getattr(store, name)

        def call(*arguments: object) -> object:
            calls[name] += 1
            return real(*arguments)

        return call

    for name in names:
        monkeypatch.setattr(store, name, counting(name))
    return calls


def test_all_points_of_a_new_registry_are_asked_for_together(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 10.0))
    calls = counted(plant, monkeypatch, "before", "after")
    pipeline = plant.house.pipeline
    done = pipeline.changed_rules.run(plant.house.registry(), at("2026-10-06 01:00"), {}, pipeline.turns)
    assert done == RulesDone(points_changed=3, sources_changed=4)
    # Extents of points and of sources, and what one window costs; point by point it would be seven and more.
    assert max(calls["before"], calls["after"]) <= 5


def test_a_run_without_a_change_asks_the_store_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 10.0))
    plant.roll_up("2026-10-06 01:00")
    calls = counted(plant, monkeypatch, "before", "after", "read", "usage")
    done = plant.roll_up("2026-10-06 01:01")
    assert done["rules"] == {"points_changed": 0, "sources_changed": 0}
    assert calls == {}


def test_one_whose_rules_cannot_be_fingerprinted_holds_up_nobody_else(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(enterprise: Enterprise) -> list[object]:
        if enterprise.id == SECOND:
            raise RuntimeError("no fingerprint")
        return []

    for name in (PLANT, SECOND):
        plant.put("incomer", "energy_import", steady("2026-10-05 00:00", 24, 0.0, 10.0), name)
    with monkeypatch.context() as patched:
        patched.setattr("gateway.scheduler.changed_rules.items_of", broken)
        with pytest.raises(AccountsFailed, match=f"{SECOND}.*no fingerprint"):
            plant.roll_up("2026-10-06 01:00")
        assert plant.standing() and not plant.standing(SECOND)
        with pytest.raises(AccountsFailed):
            plant.roll_up("2026-10-06 01:01")
    plant.roll_up("2026-10-06 01:02")
    assert plant.standing(SECOND)


def test_windows_hold_every_extent_and_no_more_than_a_chunk_of_hours() -> None:
    extents = {point: (point % 3 * HOUR, (1_000 + point % 7) * HOUR) for point in range(1, 1_000)}
    windows = list(_windows(extents))
    assert sorted(point for window in windows for point in window.point_ids) == sorted(extents)
    for window in windows:
        assert (window.end_ms - window.start_ms) // HOUR * len(window.point_ids) <= CLAIM_HOURS
        assert all(
            window.start_ms <= extents[point][0] and extents[point][1] <= window.end_ms for point in window.point_ids
        )
    assert len(windows) < 10
