"""Every account that a platform may see, for a month, quarter or year: pages of JSON, or all of them as NDJSON or CSV.

Without `limit`, NDJSON and CSV give everything in one stream, read in pages of STREAM_PAGE so that memory stays
bounded; with it they give one page, and the Link header says where the next begins (RFC 8288).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import cast
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, request, stream_with_context
from flask.typing import ResponseReturnValue

from gateway.access import visible_enterprises
from gateway.accounts.documents import Bilingual, StatementDocument
from gateway.accounts.periods import Period
from gateway.accounts.rating_documents import RatingDocument
from gateway.accounts.registered import bilingual
from gateway.api import paging
from gateway.api.auth import allowed, caller, parts
from gateway.api.openapi import SPEC, answers, checked_query
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.api.queries import AccountsQuery, period_of
from gateway.registry.model import STAGES, Enterprise

blueprint = Blueprint("accounts", __name__, url_prefix="/api/v1/accounts")

STREAM_PAGE = 500


class AccountItem(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Here statement and rating may be a msgspec.Raw: the stored text of just that type."""

    enterprise: str
    name: Bilingual
    industry: str
    park: str
    statement: StatementDocument | None  # null = nothing booked for the period yet
    rating: RatingDocument | None


class AccountPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[AccountItem]
    next: str | None


def _in_other_formats(view: Callable[[], ResponseReturnValue]) -> Callable[[], ResponseReturnValue]:
    """JSON goes on to the view; NDJSON and CSV are streamed from here, past the checker that would hold them whole."""

    @wraps(view)
    def negotiated() -> ResponseReturnValue:
        kind = _negotiated()
        return view() if kind not in FORMATS else _streamed(kind)

    return negotiated


@blueprint.get("")
@allowed("platform", "park", "admin")
@_in_other_formats
@SPEC.validate(resp=answers(AccountPage, HTTP_406=ProblemDocument), tags=("accounts",))
def list_accounts(query: AccountsQuery) -> AccountPage:
    """Statement and rating of every enterprise this token may see, newest versions; JSON, NDJSON or CSV by Accept."""
    period, limit = _period(query), paging.limit_of(query.limit)
    enterprises = _from(query)
    page = enterprises[:limit]
    return AccountPage(items=_items(page, period), next=page[-1].id if len(enterprises) > limit else None)


def _streamed(kind: str) -> Response:
    query = checked_query(AccountsQuery)
    period, limit = _period(query), paging.limit_of(query.limit)
    enterprises = _from(query)
    wanted = enterprises if query.limit is None else enterprises[:limit]
    body = stream_with_context(FORMATS[kind](_read(wanted, period)))
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    if len(wanted) < len(enterprises):
        link = urlencode({"period": period.text, "limit": limit, "cursor": wanted[-1].id})
        response.headers["Link"] = f'<{request.path}?{link}>; rel="next"'
    return response


def _period(query: AccountsQuery) -> Period:
    period = period_of(query.period)
    if period.kind == "day":
        raise ApiProblem(400, "bad-period", f"Accounts are pulled by month, quarter or year; {period.text} is a day.")
    return period


def _from(query: AccountsQuery) -> list[Enterprise]:
    """The enterprises from the cursor on."""
    after = paging.after_key(query.cursor)
    return [own for own in visible_enterprises(parts().registry(), caller()).values() if own.id > after]


def _negotiated() -> str:
    offered = ["application/json", *FORMATS]
    kind = request.accept_mimetypes.best_match(offered) if request.accept_mimetypes else offered[0]
    if kind is None:
        raise ApiProblem(
            406, "not-acceptable", f"Accounts come as {', '.join(offered)}; ask for one of them in Accept."
        )
    return kind


def _read(enterprises: Sequence[Enterprise], period: Period) -> Iterator[AccountItem]:
    for first in range(0, len(enterprises), STREAM_PAGE):
        yield from _items(enterprises[first : first + STREAM_PAGE], period)


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


_ENCODER = msgspec.json.Encoder()
_decode_item = msgspec.json.Decoder(AccountItem).decode


def _ndjson(items: Iterator[AccountItem]) -> Iterator[bytes]:
    for item in items:
        yield _ENCODER.encode(item) + b"\n"


_SCOPES = ("1", "2", "3")
_COLUMNS = (
    "enterprise", "name_zh", "name_en", "industry", "park", "period", "version", "status",
    "compliance_kg", "lifecycle_kg", "energy_kgce",
    *(f"scope_{scope}_kg" for scope in _SCOPES), *(f"stage_{stage}_kg" for stage in STAGES),
    "coverage", "estimated_share", "provisional_share", "findings_open", "hash", "signature",
    "colour", "policy", "rating_version",
)  # fmt: skip


def _csv(items: Iterator[AccountItem]) -> Iterator[str]:
    """One row an enterprise; an account that is not booked yet has empty cells, not zeros."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, restval="", lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    for item in items:
        writer.writerow(_row(_decode_item(_ENCODER.encode(item))))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _row(item: AccountItem) -> dict[str, object]:
    row: dict[str, object] = {
        "enterprise": item.enterprise,
        "name_zh": _text(item.name.zh),
        "name_en": _text(item.name.en),
        "industry": item.industry,
        "park": item.park,
    }
    if item.statement is not None:
        own = item.statement
        names = ("period", "version", "status", "compliance_kg", "lifecycle_kg", "energy_kgce", "coverage")
        shares = ("estimated_share", "provisional_share", "findings_open", "hash", "signature")
        row |= {name: getattr(own, name) for name in (*names, *shares)}
        row |= {f"scope_{scope}_kg": own.by_scope.get(scope, 0.0) for scope in _SCOPES}
        row |= {f"stage_{stage}_kg": own.by_stage.get(stage, 0.0) for stage in STAGES}
    if item.rating is not None:
        row |= {"colour": item.rating.colour, "policy": item.rating.policy, "rating_version": item.rating.version}
    return row


def _text(name: str) -> str:
    """A name that a spreadsheet cannot take for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


FORMATS: dict[str, Callable[[Iterator[AccountItem]], Iterator[bytes] | Iterator[str]]] = {
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}
