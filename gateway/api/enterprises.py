"""Enterprises: the registry's view of them, their account, rating, entries, findings, usage, readings and devices."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from flask import Blueprint

from gateway.access import visible_enterprises
from gateway.accounts.devices import HealthDocument
from gateway.accounts.documents import EntryDocument, FindingDocument, SignedStatement, StatementDocument
from gateway.accounts.rating_documents import RatingDocument
from gateway.accounts.registered import EnterpriseDocument, EnterpriseItem, enterprise_document, enterprise_item
from gateway.accounts.series import ReadingsDocument, UsageDocument
from gateway.accounts.versions import VersionItem
from gateway.api import paging
from gateway.api.auth import READERS, allowed, caller, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import (
    EnterprisesQuery,
    EntriesQuery,
    FindingsQuery,
    NoQuery,
    PeriodQuery,
    SeriesQuery,
    UsageQuery,
    VersionQuery,
    period_of,
    window_of,
)
from gateway.registry.model import Enterprise, Point

blueprint = Blueprint("enterprises", __name__, url_prefix="/api/v1/enterprises")
TAGS = ("enterprises",)

MAX_ROWS = 10_000  # readings or hours of one page
LONGEST_READINGS = timedelta(days=31)
LONGEST_USAGE = timedelta(days=400)


class EnterprisePage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[EnterpriseItem]
    next: str | None


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[VersionItem]
    next: None  # a period has few versions: they come at once


class EntryPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[EntryDocument]
    next: str | None


class FindingPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[FindingDocument]
    next: str | None


@blueprint.get("")
@allowed(*READERS)
@SPEC.validate(resp=answers(EnterprisePage), tags=TAGS)
def list_enterprises(query: EnterprisesQuery) -> EnterprisePage:
    """The enterprises this token may see, with the colour of a period (default: this month)."""
    limit, after = paging.limit_of(query.limit), paging.after_key(query.cursor)
    registry, now_ms = parts().registry(), parts().clock()
    chosen = [
        own
        for own in visible_enterprises(registry, caller()).values()
        if own.id > after
        and (query.park is None or own.park == query.park)
        and (query.industry is None or own.industry.startswith(query.industry))
    ]
    period = None if query.period is None else period_of(query.period)
    colours = parts().reader.colours(chosen, period, now_ms)
    if query.colour is not None:
        chosen = [own for own in chosen if colours[own.id] == query.colour]
    page = chosen[:limit]
    return EnterprisePage(
        items=[enterprise_item(own, colours[own.id]) for own in page],
        next=page[-1].id if len(chosen) > limit else None,
    )


@blueprint.get("/<enterprise>")
@allowed(*READERS)
@SPEC.validate(resp=answers(EnterpriseDocument), tags=TAGS)
def show_enterprise(enterprise: str, query: NoQuery) -> EnterpriseDocument:
    """What is registered: agents, devices with their points, sources with what feeds them, products."""
    return enterprise_document(enterprise_or_404(enterprise))


@blueprint.get("/<enterprise>/account")
@allowed(*READERS)
@SPEC.validate(resp=answers(StatementDocument), tags=TAGS)
def show_account(enterprise: str, query: VersionQuery) -> StatementDocument:
    """The statement of a period. Months, quarters and years have versions; a day is summed from the ledger now."""
    known, period = enterprise_or_404(enterprise), period_of(query.period)
    if query.version is not None and period.kind == "day":
        raise ApiProblem(400, "bad-version", "A day has no versions; leave `version` out.")
    statement = parts().reader.statement(known.id, period, parts().clock(), version=query.version)
    if statement is None:
        raise ApiProblem(404, "unknown-version", f"{period.text} has no version {query.version}.")
    return statement


@blueprint.get("/<enterprise>/account/signed")
@allowed(*READERS)
@SPEC.validate(resp=answers(SignedStatement), tags=TAGS)
def show_signed_account(enterprise: str, query: VersionQuery) -> SignedStatement:
    """A closed statement as a JWS (RFC 7515) with its text in it, to be checked with the published key."""
    known, period = enterprise_or_404(enterprise), period_of(query.period)
    signed = parts().reader.signed_statement(known.id, period, version=query.version)
    if signed is None:
        raise ApiProblem(404, "not-closed", f"Only what is closed is signed; no such version of {period.text} is.")
    return signed


@blueprint.get("/<enterprise>/account/versions")
@allowed(*READERS)
@SPEC.validate(resp=answers(VersionPage), tags=TAGS)
def list_account_versions(enterprise: str, query: PeriodQuery) -> VersionPage:
    """Every version of a month's, quarter's or year's statement, oldest first: what it stated and why the next came."""
    known, period = enterprise_or_404(enterprise), period_of(query.period)
    if period.kind == "day":
        raise ApiProblem(400, "bad-period", f"Months, quarters and years have versions; {period.text} is a day.")
    return VersionPage(items=parts().reader.versions(known.id, period), next=None)


@blueprint.get("/<enterprise>/rating")
@allowed(*READERS)
@SPEC.validate(resp=answers(RatingDocument), tags=TAGS)
def show_rating(enterprise: str, query: VersionQuery) -> RatingDocument:
    """The rating of a month, quarter or year, with reasons and the distance to the next colour."""
    known, period = enterprise_or_404(enterprise), period_of(query.period)
    if period.kind == "day":
        raise ApiProblem(400, "bad-period", f"Months, quarters and years are rated; {period.text} is a day.")
    rating = parts().reader.rating(known.id, period, version=query.version)
    if rating is None:
        raise ApiProblem(404, "not-rated", f"{period.text} has no such rating: it has not been rolled up yet.")
    return rating


@blueprint.get("/<enterprise>/entries")
@allowed(*READERS)
@SPEC.validate(resp=answers(EntryPage), tags=TAGS)
def list_entries(enterprise: str, query: EntriesQuery) -> EntryPage:
    """Ledger entries of a period in the order of the chain, reversals included."""
    known, limit = enterprise_or_404(enterprise), paging.limit_of(query.limit)
    items = parts().reader.entries(
        known.id,
        period_of(query.period),
        source=query.source,
        after_seq=paging.after_number(query.cursor),
        limit=limit + 1,
    )
    return EntryPage(items=items[:limit], next=str(items[limit - 1].seq) if len(items) > limit else None)


@blueprint.get("/<enterprise>/findings")
@allowed(*READERS)
@SPEC.validate(resp=answers(FindingPage), tags=TAGS)
def list_findings(enterprise: str, query: FindingsQuery) -> FindingPage:
    """What is odd in the data: named, with the values that show it."""
    known, limit = enterprise_or_404(enterprise), paging.limit_of(query.limit)
    items = parts().reader.findings(
        known.id,
        None if query.period is None else period_of(query.period),
        status=query.status,
        after_id=paging.after_number(query.cursor),
        limit=limit + 1,
    )
    return FindingPage(items=items[:limit], next=str(items[limit - 1].id) if len(items) > limit else None)


@blueprint.get("/<enterprise>/usage")
@allowed(*READERS)
@SPEC.validate(resp=answers(UsageDocument), tags=TAGS)
def show_usage(enterprise: str, query: UsageQuery) -> UsageDocument:
    """What went through a point, by UTC hour or by local day, with coverage and the estimated part."""
    known = enterprise_or_404(enterprise)
    point, timezone = _point(known, query.point), parts().registry().park_of(known.id).timezone
    start_ms, end_ms = window_of(query.start, query.end, timezone, longest=LONGEST_USAGE)
    return parts().reader.usage(
        known.id,
        point,
        (max(start_ms, paging.after_number(query.cursor)), end_ms),
        step=query.step,
        limit=paging.limit_of(query.limit, default=MAX_ROWS, most=MAX_ROWS),
    )


@blueprint.get("/<enterprise>/readings")
@allowed(*READERS)
@SPEC.validate(resp=answers(ReadingsDocument), tags=TAGS)
def show_readings(enterprise: str, query: SeriesQuery) -> ReadingsDocument:
    """The stored readings of a point as they came, in its quantity's canonical unit."""
    known = enterprise_or_404(enterprise)
    point, timezone = _point(known, query.point), parts().registry().park_of(known.id).timezone
    start_ms, end_ms = window_of(query.start, query.end, timezone, longest=LONGEST_READINGS)
    return parts().reader.readings(
        known.id,
        point,
        (max(start_ms, paging.after_number(query.cursor)), end_ms),
        limit=paging.limit_of(query.limit, default=MAX_ROWS, most=MAX_ROWS),
    )


@blueprint.get("/<enterprise>/health")
@allowed("enterprise", "park", "admin")
@SPEC.validate(resp=answers(HealthDocument), tags=TAGS)
def show_health(enterprise: str, query: NoQuery) -> HealthDocument:
    """How the instruments and agents are doing: last seen, coverage, last values, what was set aside."""
    return parts().reader.device_health(enterprise_or_404(enterprise).id, parts().clock())


def _point(enterprise: Enterprise, name: str) -> Point:
    """The point that `device.point` names; a problem lists the ones there are."""
    device, _, point = name.rpartition(".")
    points = enterprise.every_point()
    found = next((own for own in points if (own.device, own.id) == (device, point)), None)
    if found is None:
        known = ", ".join(f"{own.device}.{own.id}" for own in points[:20])
        raise ApiProblem(404, "unknown-point", f"There is no point {name[:80]!r}. Known are: {known or 'none'}.")
    return found
