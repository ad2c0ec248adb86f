"""Derived points in the roll-up: what changes in them when the usage of their inputs changes.

An hour of a derived point is made of the same hour of its inputs. So the hours to look at are those of the inputs that
changed, and what must be read is those hours of the other inputs; `gateway.carbon.derived` computes.

What stays true: what is given belongs to the changed usage it was asked with, and the two are stored by one write.
Limits: memory is bounded by the hours of one window of the usage stage and by the inputs of the points it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from collectors.clock import HOUR_MS
from gateway.carbon.derived import derive, in_order
from gateway.carbon.derived_plan import DerivedPlan, Item
from gateway.carbon.steam import SteamTable
from gateway.registry.model import Registry
from gateway.scheduler.series import Stretch, UsageOf
from gateway.scheduler.windows import difference
from gateway.store.columns import take_usage
from gateway.store.timeseries import TimeSeriesStore, UsageColumns


@dataclass(frozen=True, slots=True)
class DerivedStage:
    """Computes derived points."""

    timeseries: TimeSeriesStore
    steam: SteamTable
    plans: dict[int, DerivedPlan] = field(default_factory=dict)  # of the registry version that was asked for last

    def plan(self, registry: Registry) -> DerivedPlan:
        """What is computed from what, in this registry."""
        found = self.plans.get(registry.version)
        if found is None:
            found = DerivedPlan.of(registry)
            self.plans.clear()
            self.plans[registry.version] = found
        return found

    def changed_by(self, registry: Registry, changed: UsageColumns) -> UsageColumns:
        """Rows of derived points that must be stored together with these rows of their inputs."""
        return self._differences(self.plan(registry), changed, frozenset(), (0, 0))

    def recomputed(self, registry: Registry, point_ids: Iterable[int], stretch: Stretch) -> UsageColumns:
        """Rows that must be stored where derived points are computed anew: their own, and those made from them."""
        return self._differences(self.plan(registry), UsageColumns.empty(), frozenset(point_ids), stretch)

    def _differences(
        self, plan: DerivedPlan, changed: UsageColumns, forced: frozenset[int], stretch: Stretch
    ) -> UsageColumns:
        made: list[UsageColumns] = []
        for level in plan.levels if len(changed) or forced else ():
            touched = set(np.unique(changed.point_id).tolist())
            anew = [item for item in level if forced.intersection(item.point_ids)]
            due = [item for item in level if item in anew or any(own in touched for _, own in item.inputs)]
            if not due:
                continue
            start_ms, end_ms = _hours(due, changed, stretch if anew else None)
            inputs = sorted({point_id for item in due for _, point_id in item.inputs})
            stored = self.timeseries.usage(inputs, start_ms, end_ms)
            fresh = derive(due, _laid_over(stored, changed, inputs, (start_ms, end_ms)), self.steam)
            points = sorted(point_id for item in due for point_id in item.point_ids)
            rows = difference(self.timeseries.usage(points, start_ms, end_ms), fresh)
            made.append(rows)
            changed = in_order([changed, rows])
        return in_order(made)

    def computed(
        self, registry: Registry, measured: UsageOf, point_ids: Sequence[int], start_ms: int, end_ms: int
    ) -> UsageColumns:
        """Usage of any points, derived ones made anew out of what `measured` says of their inputs."""
        plan = self.plan(registry)
        wanted = set(point_ids) | plan.inputs(point_ids)
        usage = measured(sorted(wanted - plan.of_point.keys()), start_ms, end_ms)
        for level in plan.levels:
            due = [item for item in level if wanted.intersection(item.point_ids)]
            if due:
                usage = in_order([usage, derive(due, usage, self.steam)])
        return take_usage(usage, np.isin(usage.point_id, np.array(list(point_ids), np.int32)))


def _hours(items: Sequence[Item], changed: UsageColumns, also: Stretch | None) -> Stretch:
    """From the first hour of the items' inputs that changed to the end of the last one."""
    inputs = np.array(sorted({point_id for item in items for _, point_id in item.inputs}), np.int32)
    hour_ms = changed.hour_ms[np.isin(changed.point_id, inputs)]
    bounds = [] if also is None else [also]
    if hour_ms.size:
        bounds.append((int(hour_ms.min()), int(hour_ms.max()) + HOUR_MS))
    return min(start_ms for start_ms, _ in bounds), max(end_ms for _, end_ms in bounds)


def _laid_over(stored: UsageColumns, changed: UsageColumns, point_ids: Sequence[int], stretch: Stretch) -> UsageColumns:
    """What the inputs' usage is once the changed rows stand, sorted by (point, hour)."""
    start_ms, end_ms = stretch
    mine = np.isin(changed.point_id, np.array(point_ids, np.int32))
    mine &= (changed.hour_ms >= start_ms) & (changed.hour_ms < end_ms)
    both = in_order([stored, take_usage(changed, mine)])  # stable: of two rows for one hour the changed one is last
    last = np.ones(len(both), dtype=bool)
    last[:-1] = (np.diff(both.point_id) != 0) | (np.diff(both.hour_ms) != 0)
    return take_usage(both, last)
