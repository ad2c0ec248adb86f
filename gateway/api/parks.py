"""Parks: sums, intensity, ranking, load. For the park itself and admins."""

from __future__ import annotations

import msgspec
from flask import Blueprint

from gateway.accounts.documents import Bilingual
from gateway.accounts.load import LoadDocument
from gateway.accounts.parks import IntensityDocument, ParkDocument, RankingItem
from gateway.api.auth import allowed, caller, park_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.queries import NoQuery, OptionalPeriodQuery, PeriodQuery, period_of, period_or_month

blueprint = Blueprint("parks", __name__, url_prefix="/api/v1/parks")
TAGS = ("parks",)
ROLES = ("park", "admin")


class ParkItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual
    region: str
    timezone: str
    area_km2: float | None
    enterprises: int


class ParkPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ParkItem]
    next: str | None = None


class RankingPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RankingItem]
    next: str | None = None


@blueprint.get("")
@allowed(*ROLES)
@SPEC.validate(resp=answers(ParkPage), tags=TAGS)
def list_parks(query: NoQuery) -> ParkPage:
    """The parks this token may see."""
    principal, registry = caller(), parts().registry()
    return ParkPage(
        items=[
            ParkItem(
                id=park.id,
                name=Bilingual(zh=park.name.zh, en=park.name.en),
                region=park.region,
                timezone=park.timezone,
                area_km2=park.area_km2,
                enterprises=sum(own.park == park.id for own in registry.enterprises.values()),
            )
            for park in sorted(registry.parks.values(), key=lambda park: park.id)
            if principal.role == "admin" or principal.subject == park.id
        ]
    )


@blueprint.get("/<park>")
@allowed(*ROLES)
@SPEC.validate(resp=answers(ParkDocument), tags=TAGS)
def show_park(park: str, query: OptionalPeriodQuery) -> ParkDocument:
    """A park's totals for a period (default: this month), its energy mix, completeness and colours."""
    known, now_ms = park_or_404(park), parts().clock()
    period = period_or_month(query.period, now_ms, known.timezone)
    return parts().reader.park_overview(known.id, period, now_ms)


@blueprint.get("/<park>/intensity")
@allowed(*ROLES)
@SPEC.validate(resp=answers(IntensityDocument), tags=TAGS)
def show_intensity(park: str, query: PeriodQuery) -> IntensityDocument:
    """Emission and energy per output value, added value and area."""
    return parts().reader.intensity(park_or_404(park).id, period_of(query.period), parts().clock())


@blueprint.get("/<park>/ranking")
@allowed(*ROLES)
@SPEC.validate(resp=answers(RankingPage), tags=TAGS)
def show_ranking(park: str, query: PeriodQuery) -> RankingPage:
    """The park's enterprises, worst first; unrated ones last, with the reason."""
    return RankingPage(items=parts().reader.ranking(park_or_404(park).id, period_of(query.period), parts().clock()))


@blueprint.get("/<park>/load")
@allowed(*ROLES)
@SPEC.validate(resp=answers(LoadDocument), tags=TAGS)
def show_load(park: str, query: NoQuery) -> LoadDocument:
    """Electric power of the last 24 hours per enterprise, by quarters of an hour."""
    return parts().reader.load(park_or_404(park).id, parts().clock())
