"""Shares of a plant's account that its products take: by mass, by value, or as stated.

What stays true: parts are whole and add up to the whole exactly (largest remainder), whatever the weights; taking parts
of a sum of entries loses no gram. A product without what the rule needs is a question, never a guess.

Source: ISO 14067:2018, 6.4.6 and GB/T 24067-2024 name the order: avoid allocation by attributing a source to its
product, else by a physical relation such as mass, else by economic value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from gateway.carbon.units import UnknownUnit, read_unit
from gateway.registry.model import Product, Source

MICRO = 1_000_000


class NotAllocable(Exception):
    """A product's share cannot be told; the message says what is missing."""


def parts_of(amount: int, weights: Sequence[Fraction]) -> list[int]:
    """Whole parts of a whole amount in proportion to weights, of which one at least is above zero; they sum to it.

    What rounding down leaves goes to the largest remainders, the first of equal ones first.
    """
    total = sum(weights, Fraction(0))
    exact = [abs(amount) * weight / total for weight in weights]
    parts = [int(share) for share in exact]
    left = abs(amount) - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in by_remainder[:left]:
        parts[index] += 1
    return parts if amount >= 0 else [-part for part in parts]


def kilograms_per_unit(product: Product) -> Fraction | None:
    """A product's mass per unit: what its unit says, or what it is registered with."""
    if product.mass_kg is not None:
        return Fraction(product.mass_kg)
    try:
        unit = read_unit(product.unit)
    except UnknownUnit:  # a product may be counted in anything
        return None
    return unit.scale / 1000 if unit.dimensions == {"mass": 1} else None


def weights_of(
    rule: str, products: Sequence[Product], made_u: Mapping[str, int], source: Source | None
) -> dict[str, Fraction]:
    """Product -> weight of one source's emission; raises NotAllocable.

    `made_u` is output in millionths of each product's unit. A source that names products is theirs alone.
    """
    named: Collection[str] = source.products if source is not None else ()
    own = [product for product in products if not named or product.id in named]
    if len(own) == 1:
        return {own[0].id: Fraction(1)}
    weigh = {"mass": _mass, "value": _value, "shares": _stated}[rule]
    weights = {product.id: weigh(product, Fraction(made_u.get(product.id, 0), MICRO)) for product in own}
    if sum(weights.values()) <= 0:
        names = ", ".join(product.id for product in own)
        raise NotAllocable(f"no output of {names} was reported: send activity records")
    return weights


def _mass(product: Product, made: Fraction) -> Fraction:
    mass_kg = kilograms_per_unit(product)
    if mass_kg is None:
        raise NotAllocable(f"product {product.id} has no mass: register its mass_kg per {product.unit}")
    return made * mass_kg


def _value(product: Product, made: Fraction) -> Fraction:
    if product.value_cny is None:
        raise NotAllocable(f"product {product.id} has no value: register its value_cny per {product.unit}")
    return made * Fraction(product.value_cny)


def _stated(product: Product, made: Fraction) -> Fraction:
    if product.share is None:
        raise NotAllocable(f"product {product.id} has no share: register one for every product")
    return Fraction(product.share)
