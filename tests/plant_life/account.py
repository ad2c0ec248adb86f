"""The account that must stand at the end, per source and local day, worked out from the truth and published factors.

Nothing here asks the product: no factor choice, no ledger, no statement. A day is booked if anything is known of it;
each is rounded to whole grams once, half to even, and months are sums of days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from tests.plant_life import knowledge
from tests.plant_life.calendar import ONE_DAY, day_start_ms, days, local_day
from tests.plant_life.knowledge import NATION, NATIONAL, PROVINCIAL, RESIDUAL, GridFactor, grid_g_per_kwh
from tests.plant_life.papers import Paper
from tests.plant_life.plants import Plant, Source
from tests.plant_life.truth import Hours, half_even, usage_of

PPM = 1_000_000
# config/methods -> (series by location, series by market, which is booked, does it take off what is exported)
METHODS = {
    "gbt32150-national": (NATIONAL, NATIONAL, "market", True),
    "gbt32150-provincial": (PROVINCIAL, PROVINCIAL, "market", True),
    "ghg-protocol-market": (NATIONAL, RESIDUAL, "market", False),
    "ghg-protocol-location": (NATIONAL, RESIDUAL, "location", False),
}
ELECTRICITY = ("electricity.purchased", "electricity.exported", "electricity.green")
# activity -> grams CO2e and grams of standard coal per unit
FIXED = {
    "fuel.natural_gas": (knowledge.NATURAL_GAS_G_PER_NM3, knowledge.NATURAL_GAS_GCE_PER_NM3),
    "mobile.diesel": (knowledge.DIESEL_G_PER_T, knowledge.DIESEL_GCE_PER_T),
    "material.steel_semi_finished": (knowledge.BILLETS_G_PER_T, Fraction(0)),
}


@dataclass(frozen=True, slots=True)
class Amount:
    """A source's day: low <= amount <= high in millionths, and how well it is known."""

    low: int
    high: int
    coverage_ppm: int
    estimated_ppm: int


@dataclass(frozen=True, slots=True)
class Booked:
    """What a source's day must stand with, for one amount."""

    amount_u: int
    emission_g: int
    energy_gce: int
    location_g: int
    market_g: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known when the world ends."""

    factors: list[GridFactor]
    as_of: date  # local
    open_day: date  # the first local day that has not ended


SourceDay = tuple[str, date]


def amounts_of(plant: Plant, papers: list[Paper], frame: Frame) -> dict[SourceDay, Amount]:
    """Every (source, ended day) of which anything is known."""
    usage = usage_of(plant)
    found: dict[SourceDay, Amount] = {}
    for source in plant.sources:
        pairs = _of_points(plant, source, usage) if source.feeds else _of_papers(source, papers)
        found |= {(source.id, day): amount for day, amount in pairs if day < frame.open_day}
    return found


def booked(plant: Plant, source: Source, day: date, amount_u: int, frame: Frame) -> Booked:
    """What an amount of a day is booked with."""
    sign = -1 if source.activity == "electricity.exported" else 1
    amount = Fraction(amount_u, PPM) * sign
    if source.activity in FIXED:
        grams, coal = (half_even(amount * factor) for factor in FIXED[source.activity])
        return Booked(amount_u, grams, coal, grams, grams)
    by_location, by_market, which, _ = METHODS[plant.method]
    location = _grid(plant, by_location, day, frame)
    green = source.activity == "electricity.green" and _proven(plant, source, day)
    market = Fraction(0) if green else _grid(plant, by_market, day, frame)
    location_g, market_g = half_even(amount * location), half_even(amount * market)
    emission_g = location_g if which == "location" else market_g
    return Booked(amount_u, emission_g, half_even(amount * knowledge.ELECTRICITY_GCE_PER_KWH), location_g, market_g)


def _grid(plant: Plant, series: str, day: date, frame: Frame) -> Fraction:
    region = plant.region if series == PROVINCIAL else NATION
    return grid_g_per_kwh(series, region, day.year, frame.factors, frame.as_of)


def _proven(plant: Plant, source: Source, day: date) -> bool:
    return any(first <= day < end for first, end in plant.papers.get(source.id, []))


def _of_points(plant: Plant, source: Source, usage: dict[tuple[str, str], Hours]) -> Iterator[tuple[date, Amount]]:
    by_feed = [(feed.share, _by_day(usage[feed.point], plant.zone)) for feed in source.feeds]
    for day in sorted({day for _, own in by_feed for day, total in own.items() if total.known}):
        totals = [(share, own.get(day, _Day())) for share, own in by_feed]
        ranges = [sorted((half_even(share * one.low), half_even(share * one.high))) for share, one in totals]
        gross = sum(abs(share * one.low) for share, one in totals)
        estimated = sum(abs(share * one.estimated) for share, one in totals)
        length_ms = day_start_ms(day + ONE_DAY, plant.zone) - day_start_ms(day, plant.zone)
        covered_ms = min(one.covered_ms for _, one in totals)
        yield (
            day,
            Amount(
                sum(low for low, _ in ranges),
                sum(high for _, high in ranges),
                min(PPM, covered_ms * PPM // length_ms),
                min(PPM, half_even(Fraction(estimated * PPM) / gross)) if gross else 0,
            ),
        )


@dataclass(slots=True)
class _Day:
    low: int = 0
    high: int = 0
    estimated: int = 0
    covered_ms: int = 0
    known: bool = False


def _by_day(hours: Hours, zone: str) -> dict[date, _Day]:
    """Hours summed by local day."""
    if not hours:
        return {}
    local = days(local_day(min(hours), zone), local_day(max(hours), zone) + ONE_DAY)
    edges = [day_start_ms(day, zone) for day in local]
    found: dict[date, _Day] = defaultdict(_Day)
    for hour_ms, hour in hours.items():
        total = found[local[bisect_right(edges, hour_ms) - 1]]
        total.low += hour.low
        total.high += hour.high
        total.estimated += hour.estimated
        total.covered_ms += hour.covered_ms
        total.known |= hour.known
    return found


def _of_papers(source: Source, papers: list[Paper]) -> Iterator[tuple[date, Amount]]:
    by_day: dict[date, int] = defaultdict(int)
    for paper in papers:
        if paper.kind == "source" and paper.subject == source.id and paper.standing:
            for day, amount_u in paper.by_day():
                by_day[day] += amount_u
    for day, amount_u in by_day.items():
        yield day, Amount(amount_u, amount_u, PPM, 0)
