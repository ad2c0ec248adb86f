"""Checks of the registry file: what standards and footprints need to know of products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.errors import Problem
from gateway.registry.file_shape import ProductShape, SourceShape
from gateway.registry.place import Place

if TYPE_CHECKING:
    from gateway.registry.checks import World

Problems = Iterator[Problem]


def limits_fit_products(enterprise: Place, world: World) -> Problems:
    limits = world.knowledge.limits
    for place in enterprise.items("products"):
        product = place.value(ProductShape)
        for index, limit in enumerate(product.limits if product else ()):
            at = place.at("limits", index)
            if limit not in limits:
                yield at.problem(f"{limit} is no limit in config/benchmarks; each row there has an id")
            elif product is not None and limits[limit].partition("/")[2] != product.unit:
                yield at.problem(f"{limit} is given in {limits[limit]}, but this product is counted in {product.unit}")


def products_can_share(enterprise: Place, world: World) -> Problems:
    """What an allocation needs of the products, and what products and sources say of each other."""
    places = [(place, product) for place in enterprise.items("products") if (product := place.value(ProductShape))]
    for place, product in places:
        for key in ("mass_kg", "value_cny", "share"):
            value = getattr(product, key)
            if value is not None and value <= 0:
                yield place.at(key).problem("must be above 0")
        if product.fossil_carbon_kg is not None and product.fossil_carbon_kg < 0:
            yield place.at("fossil_carbon_kg").problem("must be 0 or more")
        if product.cbam_good is not None and product.cbam_good not in world.knowledge.goods:
            yield place.at("cbam_good").problem(f"{product.cbam_good} is no row of config/cbam")
    known = {product.id for _, product in places}
    for place in enterprise.items("sources"):
        source = place.value(SourceShape)
        for index, product_id in enumerate(source.products if source else ()):
            if product_id not in known:
                yield place.at("products", index).problem(f"unknown product {product_id}")
    if enterprise.text("allocation") == "shares" and sum(own.share or 0 for _, own in places) != 1:
        yield enterprise.at("allocation").problem("shares: give every product a share; together they must be 1")
