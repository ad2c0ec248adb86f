"""The electric load of a park over the last day, per enterprise: what the live chart shows.

A feeding device's own power readings, averaged over quarters of an hour, are the load; a device that has none counts
with its hourly energy. The sign follows collectors.quantities: taken from the grid is positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from collectors.clock import HOUR_MS
from collectors.reading import Float64s
from gateway.carbon.activities import ACTIVITIES
from gateway.registry.model import DERIVED, Enterprise, Park, Point, Registry
from gateway.store.timeseries import TimeSeriesStore

LOAD_STEP_MS = 15 * 60_000
LOAD_STEPS = 24 * 4
MAX_LIVE_POINTS = 200  # a park with more feeding meters shows hourly means: a page must not read millions of rows


class LoadSeries(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    zh: str
    en: str
    power_kw: list[float | None]  # one per step; None = no reading


class LoadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Electric power taken from the grid, per enterprise; below zero it gives."""

    park: str
    start_ms: int
    step_ms: int
    newest_ms: int | None  # the newest reading that is in it
    series: list[LoadSeries]


@dataclass(frozen=True, slots=True)
class _Feeder:
    """A point whose power is part of an enterprise's load."""

    enterprise: str
    point_id: int
    share: float


def load_of(timeseries: TimeSeriesStore, registry: Registry, park: Park, now_ms: int) -> LoadDocument:
    """Mean power per quarter of an hour over the last day, from power readings, or from hourly usage without them."""
    end_ms = (now_ms // LOAD_STEP_MS + 1) * LOAD_STEP_MS
    start_ms = end_ms - LOAD_STEPS * LOAD_STEP_MS
    enterprises = [own for own in registry.enterprises.values() if own.park == park.id]
    gauges, counters = _feeders(enterprises)
    if len(gauges) > MAX_LIVE_POINTS:
        gauges, counters = [], [feeder for own in enterprises for feeder in _counters(own)]
    sums: dict[str, Float64s] = {}
    newest_ms = _add_gauges(timeseries, gauges, (start_ms, end_ms), sums)
    _add_counters(timeseries, counters, (start_ms, end_ms), sums)
    return LoadDocument(
        park=park.id,
        start_ms=start_ms,
        step_ms=LOAD_STEP_MS,
        newest_ms=newest_ms,
        series=[
            LoadSeries(
                enterprise=own.id,
                zh=own.name.zh,
                en=own.name.en,
                power_kw=[None if np.isnan(power) else round(power, 3) for power in sums[own.id].tolist()],
            )
            for own in enterprises
            if own.id in sums
        ],
    )


def _feeders(enterprises: Sequence[Enterprise]) -> tuple[list[_Feeder], list[_Feeder]]:
    """(power gauges, energy counters): a feeding device's own power where it has one, else its energy."""
    gauges: list[_Feeder] = []
    counters: list[_Feeder] = []
    for enterprise in enterprises:
        power_points = {point.device: point for point in enterprise.points() if point.quantity == "power"}
        seen: set[str] = set()
        for point, share in _electric_feeds(enterprise):
            power = power_points.get(point.device)
            if power is None:
                counters.append(_Feeder(enterprise.id, point.point_id, share))
            elif point.device not in seen:
                seen.add(point.device)
                # Power has a sign of its own: below zero while the plant gives.
                own = -share if point.quantity.startswith("energy_export") else share
                gauges.append(_Feeder(enterprise.id, power.point_id, own))
    return gauges, counters


def _counters(enterprise: Enterprise) -> list[_Feeder]:
    return [_Feeder(enterprise.id, point.point_id, share) for point, share in _electric_feeds(enterprise)]


def _electric_feeds(enterprise: Enterprise) -> list[tuple[Point, float]]:
    """Points that make up the enterprise's exchange with the grid, each with its net share.

    A sub-meter that one source takes off and another counts (incomer − line, and the line itself) nets to nothing: it
    lies behind the incomer; so does one that a derived sum takes off. Exported energy counts with a minus.
    """
    points = {(point.device, point.id): point for point in enterprise.every_point()}
    shares: dict[tuple[str, str], float] = {}
    for source in enterprise.sources:
        kind = ACTIVITIES.get(source.activity)
        if kind is None or kind.calculation not in ("grid", "green"):
            continue
        for feed in source.feeds:
            for key, share in _behind(enterprise, (feed.device, feed.point), kind.sign * float(feed.share)):
                shares[key] = shares.get(key, 0.0) + share
    return [(points[key], share) for key, share in shares.items() if share]


def _behind(enterprise: Enterprise, key: tuple[str, str], share: float) -> Iterator[tuple[tuple[str, str], float]]:
    """A derived sum as its parts, down to the meters; any other derived point as itself: it has hourly usage."""
    own = next((one for one in enterprise.derived if key == (DERIVED, one.id)), None)
    if own is None or own.formula != "sum":
        yield key, share
        return
    for part in own.inputs:
        yield from _behind(enterprise, (part.device, part.point), share * float(part.share))


def _add_gauges(
    timeseries: TimeSeriesStore, feeders: Sequence[_Feeder], window_ms: tuple[int, int], sums: dict[str, Float64s]
) -> int | None:
    """Add the mean of each step; gives the instant of the newest reading."""
    if not feeders:
        return None
    start_ms, end_ms = window_ms
    columns = timeseries.read([feeder.point_id for feeder in feeders], start_ms, end_ms)
    for feeder in feeders:
        own = columns.point_id == feeder.point_id
        step = (columns.at_ms[own] - start_ms) // LOAD_STEP_MS
        count = np.bincount(step, minlength=LOAD_STEPS)
        total = np.bincount(step, weights=columns.value[own], minlength=LOAD_STEPS)
        mean_kw = np.divide(total, count, out=np.full(LOAD_STEPS, np.nan), where=count > 0)
        _add(sums, feeder, mean_kw)
    return int(columns.at_ms.max()) if len(columns) else None


def _add_counters(
    timeseries: TimeSeriesStore, feeders: Sequence[_Feeder], window_ms: tuple[int, int], sums: dict[str, Float64s]
) -> None:
    """Add hourly energy as mean power: kWh of an hour are its mean kW."""
    if not feeders:
        return
    start_ms, end_ms = window_ms
    first_hour_ms = start_ms // HOUR_MS * HOUR_MS
    columns = timeseries.usage([feeder.point_id for feeder in feeders], first_hour_ms, end_ms)
    hour_of_step_ms = (start_ms + np.arange(LOAD_STEPS) * LOAD_STEP_MS) // HOUR_MS * HOUR_MS
    for feeder in feeders:
        own = columns.point_id == feeder.point_id
        power_kw = dict(zip(columns.hour_ms[own].tolist(), (columns.amount_u[own] / 1_000_000).tolist(), strict=True))
        _add(sums, feeder, np.array([power_kw.get(hour_ms, np.nan) for hour_ms in hour_of_step_ms.tolist()]))


def _add(sums: dict[str, Float64s], feeder: _Feeder, power_kw: Float64s) -> None:
    """A step is known as soon as one of the enterprise's meters is."""
    so_far = sums.get(feeder.enterprise)
    own = power_kw * feeder.share
    if so_far is None:
        sums[feeder.enterprise] = own
        return
    known = ~(np.isnan(so_far) & np.isnan(own))
    sums[feeder.enterprise] = np.where(known, np.nan_to_num(so_far) + np.nan_to_num(own), np.nan)
