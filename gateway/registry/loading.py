"""A registry file -> parks and enterprises, or every problem in it at once, each with line and key.

What stays true: a file with any problem gives nothing. A park or enterprise that the file names replaces the stored
one whole; those it does not name stay. To remove one, name it with `retired: true`; its readings, entries and
statements are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TypeVar

from collectors.clock import to_ms
from collectors.errors import ConfigurationError, Problem
from collectors.strict_yaml import build, parse
from gateway.registry.checks import ENTERPRISE_CHECKS, PARK_CHECKS, Check, World, repeated
from gateway.registry.derived import balance_of, derived_of, names_of
from gateway.registry.feeds import feed_of
from gateway.registry.file_shape import (
    AgentShape,
    AnalysisShape,
    DeviceShape,
    EnterpriseShape,
    FileShape,
    FootprintShape,
    MethodShape,
    ParkShape,
    ProductShape,
    ReplacementShape,
    RetiredShape,
    SourceShape,
)
from gateway.registry.knowledge import Knowledge
from gateway.registry.model import (
    Agent,
    AgentKey,
    DatedValue,
    Device,
    Enterprise,
    Evidence,
    Method,
    Park,
    Product,
    Registry,
    Replacement,
    Source,
)
from gateway.registry.place import Place
from gateway.registry.points import points_of

T = TypeVar("T")

NOTHING = Registry(version=0, parks={}, enterprises={})


@dataclass(frozen=True, slots=True)
class RegistryFile:
    """What a file says. Points have no numbers yet."""

    parks: tuple[Park, ...] = ()
    enterprises: tuple[Enterprise, ...] = ()
    retired_parks: frozenset[str] = frozenset()
    retired_enterprises: frozenset[str] = frozenset()


def read_registry(text: str, file: str, knowledge: Knowledge, stored: Registry = NOTHING) -> RegistryFile:
    """Read a file that may refer to parks of the stored registry; raises ConfigurationError with every problem."""
    root = Place(parse(text, file))
    problems: list[Problem] = []
    build(root.document, FileShape, problems)
    parks, gone_parks = _apart(root.items("parks"))
    enterprises, gone = _apart(root.items("enterprises"))
    for key in ("parks", "enterprises"):
        problems += repeated(root.items(key))
    retired_parks, retired = _ids(gone_parks, problems), _ids(gone, problems)
    named = {park.text("id") for park in parks}
    world = World(knowledge, frozenset(own for own in named | stored.parks.keys() if own) - retired_parks)
    park_shapes = _read(parks, ParkShape, PARK_CHECKS, world, problems)
    enterprise_shapes = _read(enterprises, EnterpriseShape, ENTERPRISE_CHECKS, world, problems)
    if problems:
        raise ConfigurationError(sorted(problems, key=lambda problem: problem.line))
    return RegistryFile(
        tuple(_park(shape) for shape in park_shapes),
        tuple(_enterprise(shape, knowledge) for shape in enterprise_shapes),
        retired_parks,
        retired,
    )


def _apart(places: list[Place]) -> tuple[list[Place], list[Place]]:
    """Those that stay, and those marked as retired."""
    stays: list[Place] = []
    gone: list[Place] = []
    for place in places:
        (gone if place.at("retired").value(bool) else stays).append(place)
    return stays, gone


def _ids(gone: list[Place], problems: list[Problem]) -> frozenset[str]:
    shapes = [build(place.document, RetiredShape, problems, place.path) for place in gone]
    return frozenset(shape.id for shape in shapes if shape is not None)


def _read(
    places: list[Place], shape: type[T], checks: Iterable[Check], world: World, problems: list[Problem]
) -> list[T]:
    """Items that are well-formed. Every problem of form and of the checks is added."""
    shapes = []
    for place in places:
        item = build(place.document, shape, problems, place.path)
        if item is not None:
            shapes.append(item)
        for check in checks:
            problems += check(place, world)
    return shapes


def _park(shape: ParkShape) -> Park:
    return Park(shape.id, shape.name, shape.region, shape.timezone, shape.area_km2)


def _product(shape: ProductShape) -> Product:
    return Product(
        id=shape.id,
        unit=shape.unit,
        name=shape.name,
        limits=shape.limits,
        traits={trait: _text(value) for trait, value in sorted(shape.traits.items())},
        mass_kg=None if shape.mass_kg is None else _text(shape.mass_kg),
        value_cny=None if shape.value_cny is None else _text(shape.value_cny),
        share=None if shape.share is None else _text(shape.share),
        cbam_good=shape.cbam_good,
        fossil_carbon_kg=None if shape.fossil_carbon_kg is None else _text(shape.fossil_carbon_kg),
    )


def _text(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _enterprise(shape: EnterpriseShape, knowledge: Knowledge) -> Enterprise:
    devices = tuple(_device(device, knowledge) for device in shape.devices)
    return Enterprise(
        id=shape.id,
        name=shape.name,
        park=shape.park,
        industry=shape.industry,
        method=_method(shape.method, knowledge),
        rating_policy=shape.rating_policy,
        consents=shape.consents,
        agents=tuple(_agent(agent) for agent in shape.agents),
        require_signed_batches=shape.require_signed_batches,
        devices=devices,
        sources=tuple(_source(source, knowledge) for source in shape.sources),
        products=tuple(_product(product) for product in shape.products),
        replacements=tuple(_replacement(replacement) for replacement in shape.replacements),
        derived=derived_of(shape.derived, names_of(point for device in devices for point in device.points)),
        balances=tuple(balance_of(balance) for balance in shape.balances),
        allocation=shape.allocation,
        quota=shape.quota,
        reconcile_within=f"{shape.reconcile_within.normalize():f}",
    )


def _agent(shape: AgentShape) -> Agent:
    keys = []
    for one in shape.public_keys:
        if isinstance(one, str):
            keys.append(AgentKey(one))
        else:
            keys.append(AgentKey(one.key, None if one.valid_until is None else to_ms(one.valid_until)))
    return Agent(shape.id, tuple(keys))


def _method(shape: str | MethodShape, knowledge: Knowledge) -> Method:
    if isinstance(shape, str):
        return knowledge.methods[shape]
    return Method(**{key.name: getattr(shape, key.name) for key in fields(shape)})


def _device(shape: DeviceShape, knowledge: Knowledge) -> Device:
    points, _ = points_of(shape, knowledge.profiles[shape.profile] if shape.profile else None)
    return Device(shape.id, tuple(points), shape.profile, shape.rated_power_kw, shape.name)


def _source(shape: SourceShape, knowledge: Knowledge) -> Source:
    usual = knowledge.activities[shape.activity].units[0] if shape.records else None
    return Source(
        id=shape.id,
        activity=shape.activity,
        scope=shape.scope,
        stage=shape.stage,
        feeds=tuple(feed_of(feed) for feed in shape.feeds),
        records=shape.records,
        unit=shape.unit or usual,
        category=shape.category,
        evidence=tuple(
            Evidence(paper.kind, paper.id, paper.valid_from.isoformat(), paper.valid_to.isoformat())
            for paper in shape.evidence
        ),
        factor=shape.factor,
        name=shape.name,
        own_values=(
            *(_own_value(one.quantity, one) for one in shape.analyses),
            *(_own_value("footprint", one) for one in shape.footprints),
        ),
        products=shape.products,
    )


def _own_value(quantity: str, shape: AnalysisShape | FootprintShape) -> DatedValue:
    days = shape.valid_from.isoformat(), shape.valid_to.isoformat()
    return DatedValue(quantity, f"{shape.value:f}", shape.unit, *days, shape.document)


def _replacement(shape: ReplacementShape) -> Replacement:
    return Replacement(shape.device, to_ms(shape.at), shape.final, shape.initial)
