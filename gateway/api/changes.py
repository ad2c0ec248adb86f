"""The change feed: every new version of a statement or rating, in order. A reader goes on from the last `seq` seen."""

from __future__ import annotations

import msgspec
from flask import Blueprint

from gateway.access import visible_enterprises
from gateway.accounts.stored import ChangeDocument
from gateway.api import paging
from gateway.api.auth import allowed, caller, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import ChangesQuery

blueprint = Blueprint("changes", __name__, url_prefix="/api/v1/changes")


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ChangeDocument]
    next: str | None  # the `after` of the next page; null = that was the newest: ask again later with your last `seq`


@blueprint.get("")
@allowed("enterprise", "park", "platform", "admin")
@SPEC.validate(resp=answers(ChangePage), tags=("changes",))
def list_changes(query: ChangesQuery) -> ChangePage:
    """Changes after a sequence number, of the enterprises this token may see."""
    if not 0 <= query.after < 2**63:
        raise ApiProblem(400, "bad-cursor", "`after` must be the `seq` of a change, or 0 for the beginning")
    principal, limit = caller(), paging.limit_of(query.limit)
    scope = None if principal.role == "admin" else set(visible_enterprises(parts().registry(), principal))
    items = parts().reader.changes(scope, query.after, limit + 1)
    return ChangePage(items=items[:limit], next=str(items[limit - 1].seq) if len(items) > limit else None)
