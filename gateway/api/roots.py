"""The signed daily roots, for whoever wants to keep them, and the public key they are checked with.

A root is a few hashes and counts and shows nothing of any account, so every caller with a token sees all of them. The
key is for everybody.
"""

from __future__ import annotations

from datetime import date

import msgspec
from flask import Blueprint, Response

from gateway.accounts.proofs import Growth, RootDocument
from gateway.api import paging
from gateway.api.auth import READERS, allowed, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import GrowthQuery, RootsQuery, day_of

blueprint = Blueprint("roots", __name__)
TAGS = ("roots",)


class RootPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RootDocument]
    next: str | None  # the `after` of the next page; null = that was the newest


@blueprint.get("/api/v1/roots")
@allowed(*READERS)
@SPEC.validate(resp=answers(RootPage), tags=TAGS)
def list_roots(query: RootsQuery) -> RootPage:
    """Signed roots of the days after one, oldest first."""
    limit = paging.limit_of(query.limit)
    items = parts().reader.roots(date.min if query.after is None else day_of(query.after), limit + 1)
    return RootPage(items=items[:limit], next=items[limit - 1].day if len(items) > limit else None)


@blueprint.get("/api/v1/roots/<day>/growth")
@allowed(*READERS)
@SPEC.validate(resp=answers(Growth), tags=TAGS)
def show_growth(day: str, query: GrowthQuery) -> Growth:
    """The hashes that show that the root of a day holds all that the root of an earlier day held (RFC 9162, 2.1.4)."""
    earlier, later = day_of(query.since), day_of(day)
    growth = parts().reader.growth(earlier, later)
    if growth is None:
        raise ApiProblem(404, "unknown-root", f"There are no roots of {earlier} and, not before it, {later}.")
    return growth


@blueprint.get("/.well-known/tanmai-signing-key.pem")
def show_key() -> Response:
    """The public key of statements and roots."""
    return Response(parts().signing_key_pem, content_type="application/x-pem-file")
