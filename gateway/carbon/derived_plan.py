"""What is computed from what: every derived point of a registry with the numbers of its inputs, in computable order.

A plan is made once per registry version; how the formulas are computed is in `derived`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.registry.formulas import CONDITIONS
from gateway.registry.model import Derived, Enterprise, Input, Registry

NONE = -1  # in place of a point's number: there is none


@dataclass(frozen=True, slots=True)
class Item:
    """A derived point, or the points of a split, with the numbers of its inputs."""

    derived: Derived
    point_ids: tuple[int, ...]  # of its points
    inputs: tuple[tuple[Input, int], ...]

    def of_role(self, role: str) -> list[tuple[Input, int]]:
        return [(one, point_id) for one, point_id in self.inputs if one.role == role]

    def only(self, role: str) -> int:
        """The number of the one point that has a role, or NONE."""
        return next((point_id for _, point_id in self.of_role(role)), NONE)

    def constant(self, key: str, default: float) -> float:
        return float(self.derived.constants.get(key, default))


@dataclass(frozen=True, slots=True)
class DerivedPlan:
    """Every derived point of a registry, in the order in which they can be computed."""

    levels: tuple[tuple[Item, ...], ...]  # those of one level need only measured points and earlier levels
    of_point: Mapping[int, Item] = field(default_factory=dict)  # number of a derived point -> its item

    @classmethod
    def of(cls, registry: Registry) -> DerivedPlan:
        levels: list[list[Item]] = []
        of_point: dict[int, Item] = {}
        for enterprise in registry.enterprises.values():
            depth: dict[int, int] = {}
            for item in items_of(enterprise):
                level = max((depth.get(point_id, -1) for _, point_id in item.inputs), default=-1) + 1
                depth |= dict.fromkeys(item.point_ids, level)
                levels += [[] for _ in range(level + 1 - len(levels))]
                levels[level].append(item)
                of_point |= dict.fromkeys(item.point_ids, item)
        return cls(tuple(tuple(level) for level in levels), of_point)

    def inputs(self, point_ids: Iterable[int]) -> set[int]:
        """Every point, measured or derived, that these are computed from, directly or through others."""
        found: set[int] = set()
        waiting = list(point_ids)
        while waiting:
            item = self.of_point.get(waiting.pop())
            new = {point_id for _, point_id in item.inputs} - found if item is not None else set()
            found |= new
            waiting += new
        return found


def items_of(enterprise: Enterprise) -> list[Item]:
    """An enterprise's derived points with the numbers of what they are computed from."""
    if not enterprise.derived:
        return []
    numbers = {(point.device, point.id): point.point_id for point in enterprise.every_point()}
    return [
        Item(
            derived,
            tuple(point.point_id for point in derived.points),
            tuple((one, numbers[one.device, one.point]) for one in derived.inputs),
        )
        for derived in enterprise.derived
    ]


def condition_points(enterprise: Enterprise) -> set[tuple[str, str]]:
    """(device, point) of gauges that only matter as conditions: their hourly means are kept for the formulas."""
    return {(one.device, one.point) for own in enterprise.derived for one in own.inputs if one.role in CONDITIONS}
