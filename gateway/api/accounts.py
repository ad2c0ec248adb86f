"""Every account that a platform may see, for a month, quarter or year: pages of JSON, or all as NDJSON, CSV or Parquet.

Without `limit`, the other formats give everything in one stream, read in pages of STREAM_PAGE so that memory stays
bounded; with it they give one page, and the Link header says where the next begins (RFC 8288).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import cast
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, request, stream_with_context
from flask.typing import ResponseReturnValue

from gateway.access import visible_enterprises
from gateway.accounts.documents import StatementDocument
from gateway.accounts.periods import Period
from gateway.accounts.rating_documents import RatingDocument
from gateway.accounts.registered import bilingual
from gateway.api import paging
from gateway.api.account_tables import FORMATS, PARQUET, AccountItem
from gateway.api.auth import allowed, caller, parts
from gateway.api.openapi import SPEC, answers, checked_query, describe_also
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.api.queries import AccountsQuery, period_of
from gateway.registry.model import Enterprise

blueprint = Blueprint("accounts", __name__, url_prefix="/api/v1/accounts")

STREAM_PAGE = 500


class AccountPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[AccountItem]
    next: str | None


def _in_other_formats(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    """JSON goes on to the view; the others are streamed from here, past the checker that would hold them whole."""

    @wraps(view)
    def negotiated() -> ResponseReturnValue:
        kind = _negotiated()
        return view() if kind not in FORMATS else _streamed(kind)

    describe_also(negotiated, FORMATS)
    return negotiated


@blueprint.get("")
@allowed("platform", "park", "admin")
@_in_other_formats
@SPEC.validate(resp=answers(AccountPage, HTTP_406=ProblemDocument), tags=("accounts",))
def list_accounts(query: AccountsQuery) -> AccountPage:
    """Statement and rating of every enterprise this token may see, newest versions; JSON, NDJSON, CSV or Parquet."""
    period, limit = _period(query), paging.limit_of(query.limit)
    visible, ids = _from(query)
    page = ids[:limit]
    items = _items([visible[own] for own in page], period)
    return AccountPage(items=items, next=page[-1] if len(ids) > limit else None)


def _streamed(kind: str) -> Response:
    query = checked_query(AccountsQuery)
    period, limit = _period(query), paging.limit_of(query.limit)
    visible, ids = _from(query)
    wanted = ids if query.limit is None else ids[:limit]
    body = stream_with_context(FORMATS[kind](_read(visible, wanted, period)))
    response = Response(body, content_type=kind if kind == PARQUET else f"{kind}; charset=utf-8")
    if kind == PARQUET:
        response.headers["Content-Disposition"] = f'attachment; filename="accounts-{period.text}.parquet"'
    if len(wanted) < len(ids):
        link = urlencode({"period": period.text, "limit": limit, "cursor": wanted[-1]})
        response.headers["Link"] = f'<{request.path}?{link}>; rel="next"'
    return response


def _period(query: AccountsQuery) -> Period:
    period = period_of(query.period)
    if period.kind == "day":
        raise ApiProblem(400, "bad-period", f"Accounts are pulled by month, quarter or year; {period.text} is a day.")
    return period


def _from(query: AccountsQuery) -> tuple[Mapping[str, Enterprise], list[str]]:
    """Whom the caller may see, and the ids of those from the cursor on."""
    visible = visible_enterprises(parts().registry(), caller())
    ids = list(visible)
    return visible, ids[bisect_right(ids, paging.after_key(query.cursor)) :]


def _negotiated() -> str:
    offered = ["application/json", *FORMATS]
    kind = request.accept_mimetypes.best_match(offered) if request.accept_mimetypes else offered[0]
    if kind is None:
        raise ApiProblem(
            406, "not-acceptable", f"Accounts come as {', '.join(offered)}; ask for one of them in Accept."
        )
    return kind


def _read(visible: Mapping[str, Enterprise], ids: Sequence[str], period: Period) -> Iterator[AccountItem]:
    for first in range(0, len(ids), STREAM_PAGE):
        yield from _items([visible[own] for own in ids[first : first + STREAM_PAGE]], period)


def _items(enterprises: Sequence[Enterprise], period: Period) -> list[AccountItem]:
    """Two queries for all of them, however many they are. Statements and ratings are put in as the text they are."""
    statements, ratings = parts().reader.account_texts([own.id for own in enterprises], period)
    return [
        AccountItem(
            enterprise=own.id,
            name=bilingual(own.name),
            industry=own.industry,
            park=own.park,
            statement=cast(StatementDocument | None, statements.get(own.id)),
            rating=cast(RatingDocument | None, ratings.get(own.id)),
        )
        for own in enterprises
    ]
