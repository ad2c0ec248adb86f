"""The checks of a registry file beyond the form of its values: one function per rule, all in the CHECKS tables.

Each check looks at a place and yields problems. A value that is missing or malformed is none of its business: that
is reported once, by its form. To add a rule, write a function and add it to its table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from collectors.errors import Problem
from collectors.quantities import QUANTITIES
from collectors.seals import PublicKey
from collectors.spelling import meant
from gateway.registry.account_checks import (
    energy_only_is_measured_elsewhere,
    method_exists,
    own_values_are_plausible,
    own_values_do_not_overlap,
    steam_is_at_conditions_of_the_tables,
)
from gateway.registry.credit_code import problem_of
from gateway.registry.derived_checks import balance_problems, derived_points, derived_problems
from gateway.registry.feeds import feed_of
from gateway.registry.file_shape import DeviceShape, FeedShape, ReplacementShape, SourceShape
from gateway.registry.knowledge import Knowledge
from gateway.registry.model import DERIVED, Point
from gateway.registry.place import Place
from gateway.registry.points import points_of
from gateway.registry.product_checks import limits_fit_products, products_can_share
from gateway.registry.quota_checks import quota_problems

# Ids become parts of MQTT topics and of names such as device.point: no "/", "+", "#", "." or space, no leading "-".
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_PLAIN = "an id is up to 64 letters, digits, - and _, and begins with none of those signs"
_INDUSTRY = re.compile(r"[A-T][0-9]{2,4}\Z")  # GB/T 4754-2017: section letter, then division, group or class
MAX_UNIT = 16  # characters, as in the tables of the store

Problems = Iterator[Problem]


@dataclass(frozen=True, slots=True)
class World:
    """What a file may refer to beside itself."""

    knowledge: Knowledge
    parks: frozenset[str]  # of this file and of the stored registry


# --- of a park ------------------------------------------------------------------------------------------------------


def timezone_can_be_accounted_in(park: Place, world: World) -> Problems:
    timezone = park.text("timezone")
    problem = None if timezone is None else world.knowledge.zone_problem(timezone)
    if problem is not None:
        yield park.at("timezone").problem(problem)


def region_has_factors(park: Place, world: World) -> Problems:
    region = park.text("region")
    if region is not None and region not in world.knowledge.regions:
        known = ", ".join(sorted(world.knowledge.regions))
        yield park.at("region").problem(
            f"no factor file has region {region}{meant(region, world.knowledge.regions)}; known are {known}"
        )


def area_is_positive(park: Place, world: World) -> Problems:
    area_km2 = park.at("area_km2").value(float)
    if area_km2 is not None and area_km2 <= 0:
        yield park.at("area_km2").problem("must be above 0")


def park_id_is_plain(park: Place, world: World) -> Problems:
    yield from _plain_id(park)


# --- of an enterprise -----------------------------------------------------------------------------------------------


def credit_code_is_right(enterprise: Place, world: World) -> Problems:
    code = enterprise.text("id")
    wrong = problem_of(code) if code is not None else None
    if wrong:
        yield enterprise.at("id").problem(wrong)


def industry_is_a_code(enterprise: Place, world: World) -> Problems:
    industry = enterprise.text("industry")
    if industry is not None and not _INDUSTRY.match(industry):
        yield enterprise.at("industry").problem(f"{industry} is no code of GB/T 4754-2017, such as C3071")


def park_exists(enterprise: Place, world: World) -> Problems:
    park = enterprise.text("park")
    if park is not None and park not in world.parks:
        yield enterprise.at("park").problem(f"unknown park {park}; add it under parks")


def policy_exists(enterprise: Place, world: World) -> Problems:
    policy = enterprise.text("rating_policy")
    if policy is not None and policy not in world.knowledge.policies:
        known = ", ".join(sorted(world.knowledge.policies)) or "none"
        likely = meant(policy, world.knowledge.policies)
        yield enterprise.at("rating_policy").problem(f"unknown rating policy {policy}{likely}; known are {known}")


def own_factors_exist(enterprise: Place, world: World) -> Problems:
    for place in enterprise.items("sources"):
        factor = place.text("factor")
        if factor is not None and factor not in world.knowledge.factors:
            yield place.at("factor").problem(f"unknown factor {factor}; `tanmai factors list` shows the known ones")


def ids_are_plain_and_single(enterprise: Place, world: World) -> Problems:
    for key in ("agents", "devices", "sources", "products", "derived", "balances"):
        places = enterprise.items(key)
        for place in places:
            yield from _plain_id(place)
        yield from repeated(places)
    for device in enterprise.items("devices"):
        if device.text("id") == DERIVED:
            yield device.at("id").problem(f"{DERIVED} is what derived points are named by: give the device another id")
    for device in enterprise.items("devices"):
        points = [point for point in device.items("points") if point.text("id") is not None]
        for point in points:
            yield from _plain_id(point)
        yield from repeated(points)


def agent_keys_are_keys_of_one_agent(enterprise: Place, world: World) -> Problems:
    """Each is a key, and no two agents share one: a signature must name its agent."""
    owners: dict[str, str] = {}
    for agent in enterprise.items("agents"):
        own = agent.text("id") or ""
        for place in agent.items("public_keys"):
            text = place.value(str) or place.text("key")
            if text is None:
                continue
            try:
                PublicKey.parse(text)
            except ValueError as error:
                yield place.problem(str(error))
                continue
            if text in owners:
                yield place.problem(f"stands under agent {owners[text]} already: each agent has a key of its own")
            owners.setdefault(text, own)


def signatures_can_be_required(enterprise: Place, world: World) -> Problems:
    if not enterprise.at("require_signed_batches").value(bool):
        return
    for agent in enterprise.items("agents"):
        if not agent.items("public_keys"):
            yield agent.problem("has no public_keys, and require_signed_batches would set aside all that it sends")


def devices_have_points(enterprise: Place, world: World) -> Problems:
    for place in enterprise.items("devices"):
        profile = place.text("profile")
        if profile is not None and profile not in world.knowledge.profiles:
            known = ", ".join(sorted(world.knowledge.profiles)) or "none"
            likely = meant(profile, world.knowledge.profiles)
            yield place.at("profile").problem(f"unknown profile {profile}{likely}; known are {known}")
        device = place.value(DeviceShape)
        if device is None:
            continue
        if device.rated_power_kw is not None and device.rated_power_kw <= 0:
            yield place.at("rated_power_kw").problem("must be above 0")
        if profile is None or profile in world.knowledge.profiles:
            for misfit in points_of(device, world.knowledge.profiles.get(profile or ""))[1]:
                yield place.at(*misfit.keys).problem(misfit.message)


def sources_are_fed(enterprise: Place, world: World) -> Problems:
    points = _points(enterprise, world)
    for place in enterprise.items("sources"):
        activity = place.text("activity")
        if activity is not None and activity not in world.knowledge.activities:
            likely = meant(activity, world.knowledge.activities)
            yield place.at("activity").problem(f"unknown activity {activity}{likely}; {_of_its_kind(activity, world)}")
        source = place.value(SourceShape)
        if source is None:
            continue
        if source.records == bool(source.feeds):
            yield place.problem("is fed by points (from: [device.point]) or by records (records: true), by one of them")
        units: dict[int, str] = {}
        for index, written in enumerate(source.feeds):
            unit, wrong = _unit_of(written, points)
            if wrong:
                yield place.at("from", index).problem(wrong)
            elif unit is not None:
                units[index] = unit
        yield from _feeds_are_single(place, source)
        yield from _units_fit(place, source, units, world)


def derived_points_work_out(enterprise: Place, world: World) -> Problems:
    for place in enterprise.items("derived"):
        for key in ("shares", "by"):
            for part in place.at(key).value(dict[str, Any]) or {}:
                if not _ID.match(part):
                    yield place.at(key, part).problem(f"{part!r}: {_PLAIN}")
    yield from derived_problems(enterprise, _measured(enterprise, world))


def balances_work_out(enterprise: Place, world: World) -> Problems:
    yield from balance_problems(enterprise, _measured(enterprise, world))
    within = enterprise.at("reconcile_within").value(Decimal)
    if within is not None and not 0 <= within < 1:
        yield enterprise.at("reconcile_within").problem("is a share of what was metered: 0 to below 1, such as 0.02")


def evidence_covers_days(enterprise: Place, world: World) -> Problems:
    for place in enterprise.items("sources"):
        source = place.value(SourceShape)
        for index, evidence in enumerate(source.evidence if source else ()):
            if evidence.valid_from >= evidence.valid_to:
                yield place.at("evidence", index, "valid_to").problem("must be after valid_from; it is exclusive")


def units_are_short(enterprise: Place, world: World) -> Problems:
    for place in enterprise.items("products"):
        unit = place.text("unit")
        if unit is not None and not 1 <= len(unit) <= MAX_UNIT:
            yield place.at("unit").problem(f"must have 1 to {MAX_UNIT} characters")


def _of_its_kind(activity: str, world: World) -> str:
    """The known activities whose name begins alike, or how names begin."""
    stem = activity.partition(".")[0]
    alike = [name for name in world.knowledge.activities if name.partition(".")[0] == stem]
    stems = sorted({name.partition(".")[0] for name in world.knowledge.activities})
    return f"of its kind are known {', '.join(sorted(alike))}" if alike else f"names begin with {', '.join(stems)}"


def replacements_are_exact(enterprise: Place, world: World) -> Problems:
    points = _measured(enterprise, world)
    for place in enterprise.items("replacements"):
        replacement = place.value(ReplacementShape)
        if replacement is None:
            continue
        if replacement.device not in points:
            yield place.at("device").problem(f"unknown device {replacement.device}{meant(replacement.device, points)}")
        if not replacement.final or replacement.final.keys() != replacement.initial.keys():
            yield place.problem(
                "final and initial must give the same points: the old meter's last and the new one's first"
            )
        own = points.get(replacement.device)
        for key, values in (("final", replacement.final), ("initial", replacement.initial)):
            for point in values if own is not None else ():
                yield from _counter(place.at(key, point), point, own or {})


def quota_can_be_kept(enterprise: Place, world: World) -> Problems:
    points = sum(len(own) for own in _measured(enterprise, world).values() if own is not None)
    yield from quota_problems(enterprise, points, world.knowledge.points_limit)


# --- tables ---------------------------------------------------------------------------------------------------------

Check = Callable[[Place, World], Problems]

PARK_CHECKS: tuple[Check, ...] = (
    park_id_is_plain,
    timezone_can_be_accounted_in,
    region_has_factors,
    area_is_positive,
)
ENTERPRISE_CHECKS: tuple[Check, ...] = (
    credit_code_is_right,
    industry_is_a_code,
    park_exists,
    policy_exists,
    method_exists,
    own_values_are_plausible,
    own_values_do_not_overlap,
    steam_is_at_conditions_of_the_tables,
    energy_only_is_measured_elsewhere,
    own_factors_exist,
    ids_are_plain_and_single,
    agent_keys_are_keys_of_one_agent,
    signatures_can_be_required,
    devices_have_points,
    derived_points_work_out,
    balances_work_out,
    limits_fit_products,
    products_can_share,
    sources_are_fed,
    evidence_covers_days,
    units_are_short,
    replacements_are_exact,
    quota_can_be_kept,
)


# --- pieces ---------------------------------------------------------------------------------------------------------


def repeated(places: list[Place]) -> Problems:
    """A problem for each id that stood before in the same list."""
    seen: set[str] = set()
    for place in places:
        own = place.text("id")
        if own in seen:
            yield place.at("id").problem(f"{own} stands here twice")
        elif own is not None:
            seen.add(own)


def _plain_id(place: Place) -> Problems:
    own = place.text("id")
    if own is not None and not _ID.match(own):
        yield place.at("id").problem(f"{own!r}: {_PLAIN}")


def _points(enterprise: Place, world: World) -> dict[str, Mapping[str, Point] | None]:
    """Measured points by device, and the derived ones as if `derived` were one."""
    measured = _measured(enterprise, world)
    return {**measured, DERIVED: derived_points(enterprise, measured)}


def _measured(enterprise: Place, world: World) -> dict[str, Mapping[str, Point] | None]:
    """device -> its points by id; None where the device is broken, so that nothing is said about its points."""
    found: dict[str, Mapping[str, Point] | None] = {}
    for place in enterprise.items("devices"):
        own = place.text("id")
        if own is None:
            continue
        device = place.value(DeviceShape)
        profile = world.knowledge.profiles.get(device.profile) if device and device.profile else None
        found[own] = None
        if device is not None and (device.profile is None or profile is not None):
            points, misfits = points_of(device, profile)
            found[own] = None if misfits else {point.id: point for point in points}
    return found


def _unit_of(written: str | FeedShape, points: Mapping[str, Mapping[str, Point] | None]) -> tuple[str | None, str]:
    """The unit in which a feed's usage comes, if that is known, and what is wrong with the feed, or ""."""
    try:
        feed = feed_of(written)
    except ValueError as error:
        return None, str(error)
    if feed.device not in points:
        return None, f"unknown device {feed.device}{meant(feed.device, points)}"
    own = points[feed.device]
    if own is None:
        return None, ""
    if feed.point not in own:
        return None, f"{feed.device} has no point {feed.point}{meant(feed.point, own)}; it has {', '.join(own)}"
    quantity = QUANTITIES[own[feed.point].quantity]
    if quantity.usage_unit is None:
        return None, f"{quantity.name} ({quantity.unit}) cannot be summed over time, so it can feed nothing"
    return quantity.usage_unit, ""


def _feeds_are_single(place: Place, source: SourceShape) -> Problems:
    seen: set[str] = set()
    for index, written in enumerate(source.feeds):
        name = (written if isinstance(written, str) else written.point).lstrip("-")
        if name in seen:
            yield place.at("from", index).problem(f"{name} feeds this source twice: give one share")
        seen.add(name)


def _units_fit(place: Place, source: SourceShape, units: Mapping[int, str], world: World) -> Problems:
    activity = world.knowledge.activities.get(source.activity)
    if activity is None:
        return
    if activity.records_only and source.feeds:
        yield place.at("from").problem(f"{source.activity} comes from records, never from a meter: write records: true")
    known = ", ".join(activity.units)
    if source.unit is not None and source.unit not in activity.units:
        yield place.at("unit").problem(f"{source.unit} is no unit of {source.activity}; it takes {known}")
    expected = source.unit or next(iter(units.values()), None)
    for index, unit in units.items():
        if unit not in activity.units:
            yield place.at("from", index).problem(f"measures {unit}, but {source.activity} takes {known}")
        elif unit != expected:
            yield place.at("from", index).problem(
                f"measures {unit}, but this source is in {expected}: feed it in one unit"
            )


def _counter(place: Place, point: str, own: Mapping[str, Point]) -> Problems:
    if point not in own:
        yield place.problem(f"the device has no point {point}{meant(point, own)}; it has {', '.join(own)}")
    elif QUANTITIES[own[point].quantity].kind != "counter":
        yield place.problem(f"{point} is no counter: only a counter's last and first values matter")
