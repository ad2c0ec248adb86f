"""The one form of a rating that leaves the gateway: what a colour is, why, and what would change it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.accounts.documents import kilo
from gateway.carbon.model import Rating

Colour = Literal["green", "yellow", "orange", "red", "grey"]
COLOURS: tuple[Colour, ...] = ("red", "orange", "yellow", "green", "grey")  # the board's order: worst first


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    zh: tuple[str, ...]
    en: tuple[str, ...]


class MetricDocument(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    value: float | None
    unit: str
    benchmark: float | None
    ratio: float | None
    colour: str
    source: str


class NextColour(msgspec.Struct, frozen=True, kw_only=True):
    """What would reach the next better colour at the same output."""

    colour: str
    cut_kg: float | None
    cut_kgce: float | None
    cut_kwh: float | None = None
    cut_percent: float | None = None  # of the amount that must fall most


class InfluenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What one source brings to a metric that decides."""

    source: str
    metric: str
    share_percent: float
    alone_cut_percent: float | None  # how much of this source alone must go for the next colour; null: it is not enough


class TrendDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A metric beside the same one of an earlier month, at the same benchmark unit."""

    metric: str
    since: str  # the earlier month
    change_percent: float
    colour: str  # it had then


class RatingDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    period: str
    version: int
    colour: Colour
    policy: str
    official: bool
    metrics: tuple[MetricDocument, ...]
    reasons: Reasons
    to_next: NextColour | None
    influences: tuple[InfluenceDocument, ...] = ()
    trend: tuple[TrendDocument, ...] = ()  # filled where one enterprise's rating is asked for; empty in lists


def rating_document(rating: Rating, version: int) -> RatingDocument:
    """The rating as it is served and stored."""
    to_next = None
    if rating.to_next_colour is not None:
        to_next = NextColour(
            colour=rating.to_next_colour,
            cut_kg=_kilo_or_none(rating.to_next_cut_g),
            cut_kgce=_kilo_or_none(rating.to_next_cut_gce),
            cut_kwh=_kilo_or_none(rating.to_next_cut_wh),
            cut_percent=_percent_or_none(rating.to_next_cut_share),
        )
    return RatingDocument(
        enterprise=rating.enterprise,
        period=rating.period,
        version=version,
        colour=rating.colour,
        policy=rating.policy,
        official=rating.official,
        metrics=tuple(
            MetricDocument(
                metric=metric.metric,
                value=metric.value,
                unit=metric.unit,
                benchmark=metric.benchmark,
                ratio=metric.ratio,
                colour=metric.colour,
                source=metric.source,
            )
            for metric in rating.metrics
        ),
        reasons=Reasons(zh=rating.reasons_zh, en=rating.reasons_en),
        to_next=to_next,
        influences=tuple(
            InfluenceDocument(
                source=one.source,
                metric=one.metric,
                share_percent=round(100 * one.share, 2),
                alone_cut_percent=_percent_or_none(one.alone_cut_share),
            )
            for one in rating.influences
        ),
    )


def with_trend(rating: RatingDocument, earlier: Iterable[RatingDocument]) -> RatingDocument:
    """A rating beside earlier ones: only the same metric in the same unit can be compared."""
    before = list(earlier)
    trend = tuple(
        TrendDocument(
            metric=metric.metric,
            since=other.period,
            change_percent=round(100 * (metric.value / was.value - 1), 2),
            colour=was.colour,
        )
        for metric in rating.metrics
        for other in before
        for was in other.metrics
        if was.metric == metric.metric and was.unit == metric.unit and was.value and metric.value is not None
    )
    return msgspec.structs.replace(rating, trend=trend)


def rating_from(body: str) -> RatingDocument:
    """A stored rating; raises msgspec.ValidationError if the table holds something else."""
    return msgspec.json.decode(body, type=RatingDocument)


def _percent_or_none(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _kilo_or_none(amount: int | None) -> float | None:
    return None if amount is None else kilo(amount)
