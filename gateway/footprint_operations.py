"""What can be asked about product footprints; lines of the OPERATIONS table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from collectors.clock import now_ms
from gateway.accounts.documents import body_of
from gateway.accounts.footprints import FootprintDocument, published
from gateway.accounts.pact import CannotExchange
from gateway.accounts.periods import Period, parse_period
from gateway.carbon.allocation import NotAllocable
from gateway.carbon.footprint import BOUNDARIES, Boundary
from gateway.control import OperationFailed
from gateway.registry.model import Enterprise, Product
from gateway.store.footprints_repository import FootprintsRepository, StoredFootprint

if TYPE_CHECKING:
    from gateway.wiring import House


def show(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The footprint as the ledger has it now."""
    document: dict[str, Any] = msgspec.to_builtins(_live(house, *_asked(house, arguments)))
    return document


def publish(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Freeze and sign the footprint as the next version; says so if nothing has changed since the last one."""
    enterprise, product, period, boundary = _asked(house, arguments)
    repository, now = FootprintsRepository(house.engine), now_ms()
    stored = repository.versions(enterprise.id, product.id, period.text, boundary)
    fresh = published(_live(house, enterprise, product, period, boundary), stored, now)
    if fresh is None:
        return {"version": stored[-1].version, "id": stored[-1].id, "changed": False}
    body = body_of(fresh)
    repository.add(
        StoredFootprint(
            enterprise.id,
            product.id,
            period.text,
            boundary,
            fresh.version,
            fresh.id,
            body,
            house.signer.sign("tanmai-footprint", body),
            now,
        )
    )
    return {"version": fresh.version, "id": fresh.id, "changed": True}


def exchange(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The newest published version in the form that PACT exchanges."""
    enterprise, product, period, boundary = _asked(house, arguments)
    try:
        exchanged = house.reader.exchanged_footprint(enterprise, product, period, boundary)
    except CannotExchange as why:
        raise OperationFailed(str(why)) from why
    if exchanged is None:
        raise OperationFailed(f"no footprint of {product.id} is published for {period.text}: add --publish")
    return exchanged


def _live(
    house: House, enterprise: Enterprise, product: Product, period: Period, boundary: Boundary
) -> FootprintDocument:
    try:
        return house.reader.footprint(enterprise, product, period, boundary, now_ms())
    except NotAllocable as why:
        raise OperationFailed(str(why)) from why


def _asked(house: House, arguments: Mapping[str, Any]) -> tuple[Enterprise, Product, Period, Boundary]:
    enterprise = house.registry().enterprises.get(str(arguments.get("enterprise")))
    if enterprise is None:
        raise OperationFailed(
            f"enterprise {arguments.get('enterprise')!r} is not registered; `tanmai registry show` lists those that are"
        )
    product = next((own for own in enterprise.products if own.id == arguments.get("product")), None)
    if product is None:
        known = ", ".join(own.id for own in enterprise.products) or "none: register it under `products`"
        raise OperationFailed(f"{arguments.get('product')!r} is no product of {enterprise.id}; it has {known}")
    try:
        period = parse_period(str(arguments.get("period")))
    except ValueError as error:
        raise OperationFailed(str(error)) from error
    boundary = next((own for own in BOUNDARIES if own == arguments.get("boundary", "cradle_to_gate")), None)
    if boundary is None:
        raise OperationFailed(f"boundary must be one of {', '.join(BOUNDARIES)}")
    return enterprise, product, period, boundary
