"""Products: what one of them carries, live, as published and signed, and in the form that PACT exchanges."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from gateway.accounts.footprints import FootprintDocument, SignedFootprint
from gateway.accounts.pact import CannotExchange
from gateway.api.auth import READERS, allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import FootprintQuery, PublishedFootprintQuery, period_of
from gateway.carbon.allocation import NotAllocable
from gateway.registry.model import Enterprise, Product

blueprint = Blueprint("products", __name__, url_prefix="/api/v1/enterprises/<enterprise>/products/<product>")
TAGS = ("products",)


@blueprint.get("/footprint")
@allowed(*READERS)
@SPEC.validate(resp=answers(FootprintDocument), tags=TAGS)
def show_footprint(enterprise: str, product: str, query: FootprintQuery) -> FootprintDocument:
    """The footprint of a period per unit of the product, with what each source brings, as the ledger has it now."""
    own, made = _product_or_404(enterprise, product)
    try:
        return parts().reader.footprint(own, made, period_of(query.period), query.boundary, parts().clock())
    except NotAllocable as why:
        raise ApiProblem(409, "not-allocable", f"{why}.") from why


@blueprint.get("/footprint/published")
@allowed(*READERS)
@SPEC.validate(resp=answers(SignedFootprint), tags=TAGS)
def show_published_footprint(enterprise: str, product: str, query: PublishedFootprintQuery) -> SignedFootprint:
    """A published version with its signature (JWS, payload left out: it is `body`)."""
    own, made = _product_or_404(enterprise, product)
    period = period_of(query.period)
    found = parts().reader.published_footprint(own, made, period, query.boundary, query.version)
    if found is None:
        raise _not_published(product, period.text)
    return found


@blueprint.get("/footprint/pact")
@allowed(*READERS)
@SPEC.validate(tags=TAGS)
def show_exchanged_footprint(enterprise: str, product: str, query: FootprintQuery) -> Any:
    """The newest published version as `ProductFootprint` of the PACT Technical Specifications 3."""
    own, made = _product_or_404(enterprise, product)
    period = period_of(query.period)
    try:
        found = parts().reader.exchanged_footprint(own, made, period, query.boundary)
    except CannotExchange as why:
        raise ApiProblem(409, "cannot-exchange", f"{why}.") from why
    if found is None:
        raise _not_published(product, period.text)
    return found


def _product_or_404(enterprise: str, product: str) -> tuple[Enterprise, Product]:
    own = enterprise_or_404(enterprise)
    for made in own.products:
        if made.id == product:
            return own, made
    raise ApiProblem(404, "unknown-product", f"{own.id} has no product {product[:80]!r}.")


def _not_published(product: str, period: str) -> ApiProblem:
    why = f"No such footprint of {product} is published for {period}; `tanmai footprint --publish` does."
    return ApiProblem(404, "not-published", why)
