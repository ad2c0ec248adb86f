"""Checks of what an enterprise's account rests on: its method, own values, and fuels counted for energy only.

They stand in the table of `gateway.registry.checks`, beside those of the other keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.errors import Problem
from gateway.registry.file_shape import AnalysisShape, FootprintShape
from gateway.registry.place import Place

if TYPE_CHECKING:
    from gateway.registry.checks import World

MEASURED = "co2.measured"
ENERGY_ONLY = "energy_only."
FOOTPRINT = "footprint"
PRESSURE, TEMPERATURE = "steam_pressure", "steam_temperature"
MAX_DOCUMENT = 120  # characters; it goes into every entry made with the value


def method_exists(enterprise: Place, world: World) -> Iterator[Problem]:
    """A method is a file's name, or written out."""
    named = enterprise.text("method")
    if named is not None and named not in world.knowledge.methods:
        known = ", ".join(sorted(world.knowledge.methods)) or "none"
        yield enterprise.at("method").problem(f"unknown method {named}; known are {known}")
    fuel_set = enterprise.at("method").text("fuel_set")
    if fuel_set is not None and fuel_set not in world.knowledge.fuel_sets:
        known = ", ".join(sorted(world.knowledge.fuel_sets))
        yield enterprise.at("method", "fuel_set").problem(f"unknown fuel set {fuel_set}; known are {known}")


OwnValueShape = AnalysisShape | FootprintShape


def own_values_are_plausible(enterprise: Place, world: World) -> Iterator[Problem]:
    """Analyses and footprints have days, a document, and a size and unit that their quantity can have."""
    for source in enterprise.items("sources"):
        activity = source.text("activity") or ""
        for place, quantity, own in _own_values(source):
            if own.valid_from >= own.valid_to:
                yield place.at("valid_to").problem("must be after valid_from; it is exclusive")
            if not 1 <= len(own.document.strip()) <= MAX_DOCUMENT:
                yield place.at("document").problem(
                    f"must name the report or statement, in up to {MAX_DOCUMENT} characters"
                )
            problem = world.knowledge.own_value_problem(activity, quantity, f"{own.value:f}", own.unit)
            if problem is not None:
                yield place.problem(problem)


def own_values_do_not_overlap(enterprise: Place, world: World) -> Iterator[Problem]:
    """Two numbers of one quantity for one day would leave open which is right."""
    for source in enterprise.items("sources"):
        seen: list[tuple[str, OwnValueShape]] = []
        for place, quantity, own in _own_values(source):
            for other, value in seen:
                if other == quantity and _share_days(own, value):
                    yield place.problem(
                        f"overlaps another {quantity} of this source ({value.document}): make their days disjoint"
                    )
            seen.append((quantity, own))


def steam_is_at_conditions_of_the_tables(enterprise: Place, world: World) -> Iterator[Problem]:
    """A pressure alone is saturated steam; a temperature needs the pressure of its days."""
    for source in enterprise.items("sources"):
        activity = source.text("activity") or ""
        given: dict[str, list[tuple[Place, OwnValueShape]]] = {PRESSURE: [], TEMPERATURE: []}
        for place, quantity, own in _own_values(source):
            wrong = world.knowledge.own_value_problem(activity, quantity, f"{own.value:f}", own.unit)
            if quantity in given and wrong is None:
                given[quantity].append((place, own))
        for place, hot in given[TEMPERATURE]:
            if not any(_share_days(hot, own) for _, own in given[PRESSURE]):
                yield place.problem(f"{TEMPERATURE} says nothing without a {PRESSURE} of the same days: add it")
        for place, own in given[PRESSURE]:
            hot_days = [f"{hot.value:f}" for _, hot in given[TEMPERATURE] if _share_days(hot, own)]
            conditions: list[str | None] = [*hot_days] or [None]
            for temperature in conditions:
                problem = world.knowledge.steam_problem(f"{own.value:f}", own.unit, temperature)
                if problem is not None:
                    yield place.problem(problem)


def _share_days(one: OwnValueShape, other: OwnValueShape) -> bool:
    return one.valid_from < other.valid_to and other.valid_from < one.valid_to


def _own_values(source: Place) -> Iterator[tuple[Place, str, OwnValueShape]]:
    """Every well-formed value of a source with its place and quantity."""
    for place in source.items("analyses"):
        analysis = place.value(AnalysisShape)
        if analysis is not None:
            yield place, analysis.quantity, analysis
    for place in source.items("footprints"):
        footprint = place.value(FootprintShape)
        if footprint is not None:
            yield place, FOOTPRINT, footprint


def energy_only_is_measured_elsewhere(enterprise: Place, world: World) -> Iterator[Problem]:
    """Fuel without an emission of its own needs a stack that measures it, or its CO2 would be nowhere."""
    sources = enterprise.items("sources")
    if any(source.text("activity") == MEASURED for source in sources):
        return
    for source in sources:
        activity = source.text("activity") or ""
        if activity.startswith(ENERGY_ONLY):
            yield source.at("activity").problem(
                f"{activity} counts no emission, and no source of this enterprise is {MEASURED}: "
                f"write fuel.{activity.removeprefix(ENERGY_ONLY)}, or register the stack's measurement"
            )
