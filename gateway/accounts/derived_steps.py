"""The part of an explanation that is about derived points: their formula hour by hour, and what they are made of."""

from __future__ import annotations

import msgspec

from gateway.accounts.documents import instant
from gateway.carbon.derived_plan import Item, items_of
from gateway.carbon.derived_words import Hour, in_words
from gateway.registry.model import Enterprise, Point
from gateway.store.timeseries import TimeSeriesStore


class FormulaHour(msgspec.Struct, frozen=True, kw_only=True):
    start: str
    computed: str  # the formula with its numbers: 300 kWh − 100 kWh = 200 kWh


class FormulaStep(msgspec.Struct, frozen=True, kw_only=True):
    """How a derived point came about: nothing shows it, it is computed from `inputs`."""

    formula: str  # the key in the registry: sum, split, steam_heat_of …
    inputs: list[str]  # device.point; each stands under `inputs` of the explanation
    hours: list[FormulaHour]


def formula_of(
    timeseries: TimeSeriesStore, enterprise: Enterprise, point: Point, window_ms: tuple[int, int]
) -> FormulaStep | None:
    """The formula of a derived point with its numbers; None for a point that an instrument shows."""
    item = next((one for one in items_of(enterprise) if point.point_id in one.point_ids), None)
    if item is None:
        return None
    quantities = {own.point_id: own.quantity for own in enterprise.every_point()}
    part = item.point_ids.index(point.point_id)
    return FormulaStep(
        formula=item.derived.formula,
        inputs=list(dict.fromkeys(one.name for one, _ in item.inputs)),
        hours=[
            FormulaHour(start=instant(hour_ms), computed=in_words(Hour(item, part, amounts, quantities)))
            for hour_ms, amounts in sorted(_amounts(timeseries, item, window_ms).items())
            if point.point_id in amounts
        ],
    )


def _amounts(
    timeseries: TimeSeriesStore, item: Item, window_ms: tuple[int, int]
) -> dict[int, dict[int, tuple[int, int]]]:
    """hour -> point -> millionths and covered milliseconds, of those that have any."""
    wanted = sorted({*item.point_ids, *(point_id for _, point_id in item.inputs)})
    usage = timeseries.usage(wanted, *window_ms)
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for point_id, hour_ms, amount_u, covered_ms in zip(
        usage.point_id.tolist(), usage.hour_ms.tolist(), usage.amount_u.tolist(), usage.covered_ms.tolist(), strict=True
    ):
        if amount_u or covered_ms:
            found.setdefault(hour_ms, {})[point_id] = amount_u, covered_ms
    return found


def inputs_behind(enterprise: Enterprise, points: list[Point]) -> list[Point]:
    """Everything that these points are derived from, directly or through others; none of the points themselves."""
    items = {own: item for item in items_of(enterprise) for own in item.point_ids}
    by_id = {point.point_id: point for point in enterprise.every_point()}
    found: dict[int, Point] = {}
    waiting = [point.point_id for point in points]
    while waiting:
        item = items.get(waiting.pop(0))
        for _, point_id in item.inputs if item is not None else ():
            if point_id not in found:
                found[point_id] = by_id[point_id]
                waiting.append(point_id)
    return [own for own in found.values() if own not in points]
