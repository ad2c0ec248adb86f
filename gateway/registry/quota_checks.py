"""The checks of an enterprise's quota: nothing negative, senders that exist, and no more points than it allows."""

from __future__ import annotations

from collections.abc import Iterator

from collectors.errors import Problem
from gateway.registry.model import Quota
from gateway.registry.place import Place

_RATES = ("readings_per_s", "bytes_per_s")
_NEGATIVE = "must not be negative; 0 = no limit"


def quota_problems(enterprise: Place, points: int, usual_limit: int) -> Iterator[Problem]:
    """`points` are those that its instruments show; `usual_limit` is the settings', 0 = none."""
    place = enterprise.at("quota")
    quota = place.value(Quota) or Quota()
    for key in (*_RATES, "points"):
        if (getattr(quota, key) or 0) < 0:
            yield place.at(key).problem(_NEGATIVE)
    senders = {own.text("id") for key in ("agents", "devices") for own in enterprise.items(key)}
    for name, rates in quota.senders.items():
        if name not in senders:
            yield place.at("senders", name).problem(f"{name} is neither an agent nor a device of this enterprise")
        for key in _RATES:
            if (getattr(rates, key) or 0) < 0:
                yield place.at("senders", name, key).problem(_NEGATIVE)
    limit = usual_limit if quota.points is None else quota.points
    if 0 < limit < points:
        stated = quota.points is not None
        where = place.at("points") if stated else enterprise.at("devices")
        says = "this allows" if stated else "TANMAI_ENTERPRISE_POINTS allows"
        yield where.problem(f"the devices have {points} points and {says} {limit}: raise it, or name fewer points")
