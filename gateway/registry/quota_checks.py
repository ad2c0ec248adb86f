"""The checks of an enterprise's quota: nothing negative, nobody unknown, and no more points than it allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collectors.errors import Problem
from gateway.registry.model import Quota
from gateway.registry.place import Place

_RATES = ("readings_per_s", "bytes_per_s")
_NEGATIVE = "must not be negative; 0 = no limit"


@dataclass(frozen=True, slots=True)
class TooManyPoints(Problem):
    """A file is refused for it; whoever refuses tells the enterprise too."""

    enterprise: str = ""
    points: int = 0
    limit: int = 0


def points_limit(quota: Quota, usual_limit: int) -> int:
    """The most points that its instruments may show; `usual_limit` is the settings', 0 = none."""
    return usual_limit if quota.points is None else quota.points


def quota_problems(enterprise: Place, points: int, usual_limit: int) -> Iterator[Problem]:
    """`points` are those that its instruments show; `usual_limit` is the settings', 0 = none."""
    place = enterprise.at("quota")
    quota = place.value(Quota) or Quota()
    for key in (*_RATES, "points"):
        if (getattr(quota, key) or 0) < 0:
            yield place.at(key).problem(_NEGATIVE)
    yield from _of_parts(enterprise, quota)
    limit = points_limit(quota, usual_limit)
    if 0 < limit < points:
        stated = quota.points is not None
        where = place.at("points") if stated else enterprise.at("devices")
        says = "this allows" if stated else "TANMAI_ENTERPRISE_POINTS allows"
        found = where.problem(f"the devices have {points} points and {says} {limit}: raise it, or name fewer points")
        own = enterprise.text("id") or ""
        yield TooManyPoints(found.message, found.file, found.line, found.key, own, points, limit)


def _of_parts(enterprise: Place, quota: Quota) -> Iterator[Problem]:
    """Those of senders and devices."""
    place = enterprise.at("quota")
    devices = {own.text("id") for own in enterprise.items("devices")}
    senders = devices | {own.text("id") for own in enterprise.items("agents")}
    for name, rates in quota.senders.items():
        if name not in senders:
            yield place.at("senders", name).problem(f"{name} is neither an agent nor a device of this enterprise")
        for key in _RATES:
            if (getattr(rates, key) or 0) < 0:
                yield place.at("senders", name, key).problem(_NEGATIVE)
    for name, rate in quota.devices.items():
        if name not in devices:
            yield place.at("devices", name).problem(f"{name} is no device of this enterprise")
        if rate.readings_per_s < 0:
            yield place.at("devices", name, "readings_per_s").problem(_NEGATIVE)
