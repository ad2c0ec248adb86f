"""From a device of the registry file to its points: what the profile knows, what the file adds, what does not fit."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.quantities import QUANTITIES
from collectors.spelling import meant
from gateway.registry.file_shape import DeviceShape, PointShape
from gateway.registry.knowledge import KnownProfile
from gateway.registry.model import Point


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something wrong, with the keys below the device where it stands."""

    keys: tuple[str | int, ...]
    message: str


def points_of(device: DeviceShape, profile: KnownProfile | None) -> tuple[list[Point], list[Misfit]]:
    """The points that can be made, and what is wrong with the others. Both may be non-empty."""
    if device.points is None:
        wanted = [PointShape(point) for point in profile.points] if profile else []
    else:
        wanted = [PointShape(entry) if isinstance(entry, str) else entry for entry in device.points]
    if not wanted:
        needs = "name a profile, or list the points: [{id: volume, quantity: gas_volume}]"
        return [], [] if device.profile and device.points is None else [Misfit((), f"has no points: {needs}")]
    points: list[Point] = []
    misfits: list[Misfit] = []
    for index, shape in enumerate(wanted):
        keys: tuple[str | int, ...] = () if device.points is None else ("points", index)
        found = _misfits(shape, profile, keys)
        misfits += found
        if not found:
            points.append(_point(device, shape, profile))
    return points, misfits


def _misfits(shape: PointShape, profile: KnownProfile | None, keys: tuple[str | int, ...]) -> list[Misfit]:
    name = shape.quantity or shape.id
    quantity = QUANTITIES.get(name)
    if profile is not None and shape.id not in profile.points:
        likely = meant(shape.id, profile.points)
        return [Misfit(keys, f"the profile has no point {shape.id}{likely}; it has {', '.join(profile.points)}")]
    if profile is not None and name != shape.id:
        return [Misfit((*keys, "quantity"), f"the profile says that {shape.id} is {shape.id}, not {name}")]
    if quantity is None:
        return [
            Misfit((*keys, "quantity"), f"unknown quantity {name}{meant(name, QUANTITIES)}; docs/glossary.md has all")
        ]
    bounds = {
        "modulus": ("only counters start again from 0", shape.modulus is None or quantity.kind == "counter"),
        "rated_per_hour": ("must be above 0", shape.rated_per_hour is None or shape.rated_per_hour > 0),
        "gap_max_s": ("must be above 0", shape.gap_max_s > 0),
    }
    misfits = [Misfit((*keys, key), message) for key, (message, holds) in bounds.items() if not holds]
    if shape.modulus is not None and shape.modulus <= 0:
        misfits.append(Misfit((*keys, "modulus"), "must be above 0"))
    return misfits


def _point(device: DeviceShape, shape: PointShape, profile: KnownProfile | None) -> Point:
    name = shape.quantity or shape.id
    rated = shape.rated_per_hour
    if rated is None and device.rated_power_kw is not None and QUANTITIES[name].usage_unit == "kWh":
        rated = device.rated_power_kw  # × 1 h
    modulus = shape.modulus
    if modulus is None and profile is not None:
        modulus = profile.modulus_of(shape.id)
    return Point(
        point_id=0,
        device=device.id,
        id=shape.id,
        quantity=name,
        modulus=modulus,
        rated_per_hour=rated,
        gap_max_s=shape.gap_max_s,
    )
