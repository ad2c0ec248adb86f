"""What operators adjusted by hand, for whoever reads the account: who asked, who approved, and why."""

from __future__ import annotations

import msgspec
from flask import Blueprint

from gateway.accounts.adjusting import AdjustmentDocument, listed
from gateway.api.auth import READERS, allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.paging import after_number, limit_of
from gateway.api.queries import PageQuery

blueprint = Blueprint("adjustments", __name__, url_prefix="/api/v1/enterprises")
TAGS = ("accounts",)


class AdjustmentPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[AdjustmentDocument]
    next: str | None = None


@blueprint.get("/<enterprise>/adjustments")
@allowed(*READERS)
@SPEC.validate(resp=answers(AdjustmentPage), tags=TAGS)
def list_adjustments(enterprise: str, query: PageQuery) -> AdjustmentPage:
    """Adjustments by number, those that wait and those that were withdrawn too."""
    limit = limit_of(query.limit)
    known = enterprise_or_404(enterprise)
    found = listed(parts().engine, known.id, after=after_number(query.cursor), limit=limit + 1)
    more = len(found) > limit
    return AdjustmentPage(items=found[:limit], next=str(found[limit - 1].number) if more else None)
