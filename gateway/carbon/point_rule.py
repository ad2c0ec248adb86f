"""How one point's readings become usage: the registry's knowledge in the form the usage engine needs."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.quantities import QUANTITIES, Kind
from gateway.carbon.falls import Limits
from gateway.registry.model import Enterprise, Point

RESOLUTION = 1.0  # usage units; a counter may show a step up to this late, whatever its rated power
UNLIMITED = Limits(rated_per_hour=None, resolution=RESOLUTION, moduli=())


@dataclass(frozen=True, slots=True)
class MeterChange:
    """A declared replacement as one point sees it."""

    at_ms: int
    final: float  # last value of the old meter
    initial: float  # first value of the new meter


@dataclass(frozen=True, slots=True)
class PointRule:
    """How one point's readings become usage."""

    enterprise: str
    subject: str  # "incomer-1.energy_import"
    unit: str  # usage unit
    kind: Kind
    limits: Limits = UNLIMITED
    gap_max_ms: int = 900_000  # readings farther apart than this are a gap
    changes: tuple[MeterChange, ...] = ()  # by time


def rule_of(enterprise: Enterprise, point: Point, *, is_condition: bool = False) -> PointRule | None:
    """The rule of a registered point; None where its quantity gives no usage (a voltage, a temperature).

    A gauge that a derived point needs as a condition is integrated all the same: its integral is its hourly mean.
    """
    quantity = QUANTITIES[point.quantity]
    unit = quantity.usage_unit or (f"{quantity.unit}·h" if is_condition else None)
    if unit is None:
        return None
    changes = (
        MeterChange(change.at_ms, change.final[point.id], change.initial[point.id])
        for change in enterprise.replacements
        if change.device == point.device and point.id in change.final and point.id in change.initial
    )
    return PointRule(
        enterprise=enterprise.id,
        subject=f"{point.device}.{point.id}",
        unit=unit,
        kind=quantity.kind,
        limits=Limits(point.rated_per_hour, RESOLUTION, (point.modulus,) if point.modulus else ()),
        gap_max_ms=point.gap_max_s * 1000,
        changes=tuple(sorted(changes, key=lambda change: change.at_ms)),
    )
