"""What the registry's checks must know of the rest of the product, handed in so that loading needs no files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.registry.model import Method


class KnownProfile(Protocol):
    """What the registry needs of `collectors.profile.MeterProfile`."""

    @property
    def points(self) -> tuple[str, ...]:
        """Ids of the points, each the name of its quantity."""

    def modulus_of(self, point: str) -> float | None:
        """Where the counter of a point starts again from 0, if the product says."""


class KnownActivity(Protocol):
    """What the registry needs of `gateway.carbon.activities.ActivityKind`."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units in which an amount may be given, the usual one first."""

    @property
    def records_only(self) -> bool:
        """Comes from business records, never from a meter."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Names that a registry file may refer to."""

    profiles: Mapping[str, KnownProfile]
    activities: Mapping[str, KnownActivity]
    policies: Collection[str]
    regions: Collection[str]  # that the factor files have values for
    fuel_sets: Collection[str]
    factors: Collection[str]  # ids that a source may name in place of its activity's own choice
    zone_problem: Callable[[str], str | None]  # why a time zone cannot be accounted in; None if it can
    methods: Mapping[str, Method] = field(default_factory=dict)  # by the name of their file
    # (activity, quantity, value, unit) -> why a laboratory's or supplier's number cannot be one; None if it can
    own_value_problem: Callable[[str, str, str, str], str | None] = lambda *_: None
    # (pressure, its unit, degC or None) -> why steam cannot be at these conditions; None if it can
    steam_problem: Callable[[str, str, str | None], str | None] = lambda *_: None
    limits: Mapping[str, str] = field(default_factory=dict)  # id of a limit level -> its unit, such as kgce/t
    goods: Collection[str] = ()  # rows of config/cbam
    points_limit: int = 0  # points that an enterprise may have whose quota says nothing; 0 = no limit
