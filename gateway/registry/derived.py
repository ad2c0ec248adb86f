"""Derived points in a registry file: their form, and how they are read and written.

    derived:
    - {id: own-power, sum: [incomer-1.energy_import, -tenant-1.energy_import]}
    - {id: hall, split: hall-1.energy_import, shares: {tenant-a: 0.3, tenant-b: 0.7}}

The first makes the point `derived.own-power`, the second `derived.tenant-a` and `derived.tenant-b`. `docs/registry.md`
explains the keys; what fits with what is checked in `derived_checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from gateway.registry.feeds import feed_of, written_form
from gateway.registry.file_shape import BalanceShape, DerivedShape, FeedShape
from gateway.registry.formulas import CONDITIONS, CONSTANTS, FORMULAS
from gateway.registry.model import DERIVED, Balance, Derived, Feed, Input, Point

Quantities = Mapping[str, str]  # device.point -> quantity


@dataclass(frozen=True, slots=True)
class Use:
    """A point that a shape names, with the keys below the item where it does, and its role."""

    keys: tuple[str | int, ...]
    role: str
    written: str | FeedShape


def formulas_in(shape: DerivedShape) -> list[str]:
    """The formulas that an item names: exactly one in a right file."""
    return [key for key in FORMULAS if getattr(shape, key) is not None]


def uses_of(shape: DerivedShape, formula: str) -> list[Use]:
    """Every point that an item is computed from, in order."""
    main = getattr(shape, formula)
    if isinstance(main, str):
        uses = [Use((formula,), formula, main)]
    else:
        uses = [Use((formula, index), formula, written) for index, written in enumerate(main)]
    uses += [Use(("by", part), "by", written) for part, written in (shape.by or {}).items()]
    uses += [Use((key,), key, getattr(shape, key)) for key in CONDITIONS if getattr(shape, key) is not None]
    return uses


def parts_of(shape: DerivedShape) -> list[str]:
    """Names of the points that an item makes: its own id, or the parts of a split."""
    return [shape.id] if shape.split is None else list(shape.shares or shape.by or {})


def keys_given(shape: DerivedShape) -> list[str]:
    return [
        one.name for one in fields(shape) if getattr(shape, one.name) is not None and one.name not in ("id", "name")
    ]


def derived_of(shapes: Sequence[DerivedShape], measured: Quantities) -> tuple[Derived, ...]:
    """Items that have been checked -> derived points, those that others need first."""
    quantities = dict(measured)
    made: list[Derived] = []
    waiting = list(shapes)
    while waiting:
        ready = [one for one in waiting if all(input_.name in quantities for input_ in _inputs(one))]
        if not ready:
            raise ValueError(f"derived points {', '.join(one.id for one in waiting)} go round in a circle")
        for shape in ready:
            waiting.remove(shape)
            own = _derived(shape, quantities)
            quantities |= {f"{DERIVED}.{point.id}": point.quantity for point in own.points}
            made.append(own)
    return tuple(made)


def _derived(shape: DerivedShape, quantities: Quantities) -> Derived:
    formula = formulas_in(shape)[0]
    inputs = _inputs(shape)
    quantity = FORMULAS[formula].gives or quantities[inputs[0].name]
    return Derived(
        id=shape.id,
        formula=formula,
        inputs=inputs,
        points=tuple(Point(0, DERIVED, part, quantity) for part in parts_of(shape)),
        shares=tuple(_plain(share) for share in (shape.shares or {}).values()),
        constants={key: _plain(getattr(shape, key)) for key in CONSTANTS if getattr(shape, key) is not None},
        name=shape.name,
    )


def _inputs(shape: DerivedShape) -> tuple[Input, ...]:
    inputs = []
    for use in uses_of(shape, formulas_in(shape)[0]):
        feed = feed_of(use.written)
        inputs.append(Input(use.role, feed.device, feed.point, feed.share))
    return tuple(inputs)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def written_derived(derived: Derived) -> dict[str, Any]:
    """The item of a registry file that is read as this."""
    of_role: dict[str, list[Input]] = {}
    for one in derived.inputs:
        of_role.setdefault(one.role, []).append(one)
    main = of_role[derived.formula]
    item: dict[str, Any] = {"id": derived.id}
    if derived.formula in ("sum", "first_of"):
        item[derived.formula] = [written_form(Feed(one.device, one.point, one.share)) for one in main]
    else:
        item[derived.formula] = main[0].name
    if derived.formula == "split":
        names = [point.id for point in derived.points]
        if derived.shares:
            item["shares"] = {name: Decimal(share) for name, share in zip(names, derived.shares, strict=True)}
        else:
            item["by"] = {name: one.name for name, one in zip(names, of_role["by"], strict=True)}
    item |= {key: of_role[key][0].name for key in CONDITIONS if key in of_role}
    item |= {key: Decimal(value) for key, value in derived.constants.items()}
    if derived.name is not None:
        item["name"] = {"zh": derived.name.zh, "en": derived.name.en}
    return item


# --- balances -------------------------------------------------------------------------------------------------------


def balance_of(shape: BalanceShape) -> Balance:
    return Balance(
        shape.id,
        feed_of(shape.parent),
        tuple(feed_of(child) for child in shape.children),
        _plain(shape.tolerance),
        shape.name,
    )


def written_balance(balance: Balance) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": balance.id,
        "parent": written_form(balance.parent),
        "children": [written_form(child) for child in balance.children],
        "tolerance": Decimal(balance.tolerance),
    }
    if balance.name is not None:
        item["name"] = {"zh": balance.name.zh, "en": balance.name.en}
    return item


def names_of(points: Iterable[Point]) -> dict[str, str]:
    """device.point -> quantity."""
    return {f"{point.device}.{point.id}": point.quantity for point in points}
