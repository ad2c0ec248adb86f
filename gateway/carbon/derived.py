"""Usage of derived points out of the usage of others: hour by hour, for all points and enterprises at once.

What stays true:
- An hour of a derived point depends on the same hour of its inputs and on nothing else. So recomputing the hours that
  changed gives to the last digit what recomputing everything gives, and a late reading touches no other hours.
- Sums are exact. The parts of a split add up to the whole exactly, their estimated parts too.
- Missing is not zero: an hour that a formula cannot compute has no usage; an input missing from a sum leaves that hour
  not covered, as it does where points feed a source.
- What was computed with a stand-in (a constant for a silent gauge, the second of `first_of`, an even split for
  sub-meters that say nothing) is marked estimated.

Formulas that multiply work with hourly means of pressure, temperature and concentration, as HJ 75-2017 does for stack
emissions; where these swing within an hour together with the flow, the instrument's own conversion is better. A product
is computed in double precision and rounded once, to a millionth: good up to 9·10^9 units an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.clock import HOUR_MS
from collectors.reading import Float64s, Int64s
from gateway.carbon.derived_plan import NONE, Item
from gateway.carbon.shares import PPM, divided, times_ppm
from gateway.carbon.steam import FEED_WATER_KJ_PER_KG, SteamTable
from gateway.registry.formulas import CONDITIONS
from gateway.store.timeseries import Int32s, UsageColumns

Bools = npt.NDArray[np.bool_]

NORMAL_KPA = 101.325
ZERO_DEGC_K = 273.15
GOOD_COVER = 0.9  # of first_of: the first that covers this much of what the best one does is taken


def derive(items: Sequence[Item], usage: UsageColumns, steam: SteamTable) -> UsageColumns:
    """Usage of the items' points in the hours that `usage` has of their inputs, sorted by (point, hour).

    `usage` is sorted by (point, hour). An hour that cannot be computed has no row.
    """
    grid = Grid.of(usage)
    parts = []
    for formula, compute in COMPUTE.items():
        own = [item for item in items if item.derived.formula == formula]
        if own:
            parts.append(compute(own, grid, steam))
    return in_order(parts)


def in_order(parts: Sequence[UsageColumns]) -> UsageColumns:
    """Parts of different points as one, sorted by (point, hour)."""
    if not parts:
        return UsageColumns.empty()
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("point_id", "hour_ms", "amount_u", "estimated_u", "covered_ms")
    ]
    order = np.lexsort((columns[1], columns[0]))
    return UsageColumns(*(column[order] for column in columns))


@dataclass(frozen=True, slots=True)
class Grid:
    """Hourly usage that can be looked up by (point, hour)."""

    usage: UsageColumns
    key: Int64s

    @classmethod
    def of(cls, usage: UsageColumns) -> Grid:
        known = (usage.amount_u != 0) | (usage.covered_ms != 0)
        rows = UsageColumns(
            usage.point_id[known], usage.hour_ms[known], usage.amount_u[known],
            usage.estimated_u[known], usage.covered_ms[known],
        )  # fmt: skip
        return cls(rows, _key(rows.point_id, rows.hour_ms))

    def rows_of(self, point_id: Int32s) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """(which of the points, which row of usage) for every row of every point; a point may stand there twice."""
        first = np.searchsorted(self.usage.point_id, point_id, "left")
        count = np.searchsorted(self.usage.point_id, point_id, "right") - first
        which = np.repeat(np.arange(count.size), count)
        return which, first[which] + np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)

    def find(self, point_id: Int32s, hour_ms: Int64s) -> tuple[npt.NDArray[np.intp], Bools]:
        """The row of each (point, hour), and whether there is one."""
        if not self.key.size:
            return np.zeros(hour_ms.size, np.intp), np.zeros(hour_ms.size, dtype=bool)
        wanted = _key(point_id, hour_ms)
        row = np.searchsorted(self.key, wanted).clip(max=self.key.size - 1)
        return row, np.asarray(self.key[row] == wanted, dtype=bool)


def _key(point_id: Int32s, hour_ms: Int64s) -> Int64s:
    return (point_id.astype(np.int64) << 32) + hour_ms // HOUR_MS


def _ids(point_ids: Iterable[int]) -> Int32s:
    return np.fromiter(point_ids, np.int32)


# --- sums, choices, splits ------------------------------------------------------------------------------------------


def _sum(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """Σ share × input. The hour is as well covered as its worst input, and not at all where one is missing."""
    terms = [(item.point_ids[0], point_id, one.share) for item in items for one, point_id in item.inputs]
    expected = {item.point_ids[0]: len(item.inputs) for item in items}
    ppm = np.array([round(float(share) * PPM) for _, _, share in terms], np.int64)
    which, row = grid.rows_of(_ids(point_id for _, point_id, _ in terms))
    made = _ids(own for own, _, _ in terms)[which]
    hour_ms = grid.usage.hour_ms[row]
    order = np.lexsort((hour_ms, made))
    which, row, made, hour_ms = which[order], row[order], made[order], hour_ms[order]
    starts = _group_starts(made, hour_ms)
    if not starts.size:
        return UsageColumns.empty()
    count = np.diff(np.append(starts, made.size))
    amount_u = np.add.reduceat(times_ppm(grid.usage.amount_u[row], ppm[which]), starts)
    estimated_u = np.add.reduceat(times_ppm(np.abs(grid.usage.estimated_u[row]), np.abs(ppm[which])), starts)
    covered_ms = np.minimum.reduceat(grid.usage.covered_ms[row], starts)
    whole = count == np.array([expected[one] for one in made[starts].tolist()], np.int64)
    return UsageColumns(
        made[starts],
        hour_ms[starts],
        amount_u,
        np.minimum(estimated_u, np.abs(amount_u)),
        np.where(whole, covered_ms, 0),
    )


def _first_of(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """The first that covers the hour about as well as any other, or that bridges it as a counter does."""
    choices = [(item.point_ids[0], point_id, rank) for item in items for rank, (_, point_id) in enumerate(item.inputs)]
    which, row = grid.rows_of(_ids(point_id for _, point_id, _ in choices))
    made = _ids(own for own, _, _ in choices)[which]
    rank = np.array([rank for _, _, rank in choices], np.int64)[which]
    hour_ms = grid.usage.hour_ms[row]
    order = np.lexsort((rank, hour_ms, made))
    row, made, rank, hour_ms = row[order], made[order], rank[order], hour_ms[order]
    starts = _group_starts(made, hour_ms)
    if not starts.size:
        return UsageColumns.empty()
    count = np.diff(np.append(starts, made.size))
    covered_ms = grid.usage.covered_ms[row]
    best_ms = np.repeat(np.maximum.reduceat(covered_ms, starts), count)
    good = (grid.usage.estimated_u[row] != 0) | (covered_ms >= GOOD_COVER * best_ms)
    taken = np.minimum.reduceat(np.where(good, np.arange(row.size), row.size), starts)  # the best one is good: one is
    amount_u = grid.usage.amount_u[row[taken]]
    estimated_u = np.where(rank[taken] > 0, np.abs(amount_u), grid.usage.estimated_u[row[taken]])
    return UsageColumns(made[taken], hour_ms[taken], amount_u, estimated_u, covered_ms[taken])


def _split(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """The whole divided by fixed shares, or by what sub-meters counted in the hour; exactly."""
    part_count = np.array([len(item.point_ids) for item in items], np.int64)
    part_id = _ids(point_id for item in items for point_id in item.point_ids)
    ppm = np.array(
        [round(float(share) * PPM) for item in items for share in item.derived.shares or ["0"] * len(item.point_ids)],
        np.int64,
    )
    by_id = _ids(
        number for item in items for number in ([own for _, own in item.of_role("by")] or [NONE] * len(item.point_ids))
    )
    first_part = np.cumsum(part_count) - part_count
    which, row = grid.rows_of(_ids(item.only("split") for item in items))
    count = part_count[which]
    starts = np.cumsum(count) - count
    whole = np.repeat(np.arange(which.size), count)
    part = first_part[which][whole] + np.arange(whole.size) - starts[whole]
    hour_ms = grid.usage.hour_ms[row][whole]
    found, has = grid.find(by_id[part], hour_ms)
    metered = by_id[part] != NONE
    weight = np.where(metered, 0, ppm[part])
    weight[has & metered] = np.maximum(grid.usage.amount_u[found[has & metered]], 0)
    covered_ms = grid.usage.covered_ms[row][whole]
    if not starts.size:
        return UsageColumns.empty()
    sub_ms = np.where(metered, 0, covered_ms)
    sub_ms[has & metered] = grid.usage.covered_ms[found[has & metered]]
    amount_u = divided(grid.usage.amount_u[row], starts, weight)
    estimated_u = divided(grid.usage.estimated_u[row], starts, weight)
    guessed = (np.add.reduceat(weight, starts) == 0)[whole]
    return UsageColumns(
        part_id[part],
        hour_ms,
        amount_u,
        np.where(guessed, np.abs(amount_u), estimated_u),
        np.minimum(covered_ms, np.minimum.reduceat(sub_ms, starts)[whole]),
    )


def _group_starts(made: Int32s, hour_ms: Int64s) -> Int64s:
    """First rows of runs of one (point, hour)."""
    if not made.size:
        return np.empty(0, np.int64)
    new = np.ones(made.size, dtype=bool)
    new[1:] = (np.diff(made) != 0) | (np.diff(hour_ms) != 0)
    return np.flatnonzero(new)


# --- products -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Hours:
    """The hours of the main inputs of some items."""

    items: Sequence[Item]
    grid: Grid
    which: npt.NDArray[np.intp]  # item of each row
    row: npt.NDArray[np.intp]  # row of the grid's usage

    def constant(self, key: str, default: float) -> Float64s:
        return np.array([item.constant(key, default) for item in self.items], np.float64)[self.which]

    def mean(self, role: str) -> tuple[Float64s, Int64s, Bools]:
        """Hourly mean of a condition (NaN = not known), the time it covers, and where a constant stands in for it."""
        gauge = _ids(item.only(role) for item in self.items)[self.which]
        hour_ms = self.grid.usage.hour_ms[self.row]
        found, has = self.grid.find(gauge, hour_ms)
        covered_ms = np.zeros(hour_ms.size, np.int64)
        covered_ms[has] = self.grid.usage.covered_ms[found[has]]
        seen = covered_ms > 0
        value = np.full(hour_ms.size, np.nan)
        value[seen] = self.grid.usage.amount_u[found[seen]] / PPM / (covered_ms[seen] / HOUR_MS)
        stand_in = CONDITIONS[role].constant
        fixed = np.full(hour_ms.size, np.nan) if stand_in is None else self.constant(stand_in, np.nan)
        in_place = ~seen & (gauge != NONE) & ~np.isnan(fixed)
        own_ms = self.grid.usage.covered_ms[self.row]
        return np.where(seen, value, fixed), np.where(seen, covered_ms, np.where(in_place, 0, own_ms)), in_place

    def times(self, factor: Float64s, covered_ms: Int64s, guessed: Bools) -> UsageColumns:
        """Main input × factor; hours whose factor is not known are left out."""
        usage, row = self.grid.usage, self.row
        known = np.isfinite(factor)
        row, factor = row[known], factor[known]
        amount_u = np.rint(usage.amount_u[row] * factor).astype(np.int64)
        estimated_u = np.rint(np.abs(usage.estimated_u[row] * factor)).astype(np.int64)
        own = _ids(item.point_ids[0] for item in self.items)[self.which[known]]
        return UsageColumns(
            own,
            usage.hour_ms[row],
            amount_u,
            np.where(guessed[known], np.abs(amount_u), np.minimum(estimated_u, np.abs(amount_u))),
            np.minimum(usage.covered_ms[row], covered_ms[known]),
        )


def _hours(items: Sequence[Item], grid: Grid) -> _Hours:
    which, row = grid.rows_of(_ids(item.only(item.derived.formula) for item in items))
    return _Hours(items, grid, which, row)


def _mass(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """t = m3 × t/m3; exact, rounded half to even."""
    hours = _hours(items, grid)
    usage, row = grid.usage, hours.row
    ppm = np.array([round(item.constant("density_t_per_m3", 0.0) * PPM) for item in items], np.int64)[hours.which]
    return UsageColumns(
        _ids(item.point_ids[0] for item in items)[hours.which],
        usage.hour_ms[row],
        times_ppm(usage.amount_u[row], ppm),
        times_ppm(usage.estimated_u[row], ppm),
        usage.covered_ms[row],
    )


def _normal_volume(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """Nm3 = m3 × p ÷ 101.325 kPa × 273.15 K ÷ T ÷ (Z ÷ Zn)."""
    hours = _hours(items, grid)
    pressure_kpa, pressure_ms, no_pressure = hours.mean("pressure")
    temperature_degc, temperature_ms, no_temperature = hours.mean("temperature")
    kelvin = temperature_degc + ZERO_DEGC_K
    factor = pressure_kpa / NORMAL_KPA * (ZERO_DEGC_K / kelvin) / hours.constant("compressibility", 1.0)
    possible = (pressure_kpa > 0) & (kelvin > 0)
    return hours.times(
        np.where(possible, factor, np.nan), np.minimum(pressure_ms, temperature_ms), no_pressure | no_temperature
    )


def _steam_heat(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """GJ = t × (enthalpy − feed water's) kJ/kg ÷ 1000; GB/T 32151, purchased heat as steam."""
    hours = _hours(items, grid)
    pressure_kpa, pressure_ms, no_pressure = hours.mean("pressure")
    temperature_degc, temperature_ms, no_temperature = hours.mean("temperature")
    # Steam that is superheated by its declaration must not pass as saturated because its thermometer is silent.
    hot = np.array([item.only("temperature") != NONE for item in items], dtype=bool)[hours.which]
    enthalpy = steam.enthalpy_kj_per_kg(pressure_kpa, temperature_degc)
    enthalpy = np.where(hot & np.isnan(temperature_degc), np.nan, enthalpy)
    factor = (enthalpy - hours.constant("less_kj_per_kg", float(FEED_WATER_KJ_PER_KG))) / 1000
    return hours.times(factor, np.minimum(pressure_ms, temperature_ms), no_pressure | no_temperature)


def _co2_mass(items: Sequence[Item], grid: Grid, steam: SteamTable) -> UsageColumns:
    """kg = m3 × g/m3 ÷ 1000; HJ 75-2017: hourly mean concentration × the hour's flue gas."""
    hours = _hours(items, grid)
    concentration, covered_ms, guessed = hours.mean("concentration")
    return hours.times(concentration / 1000, covered_ms, guessed)


# formula of the registry -> how it is computed
COMPUTE: dict[str, Callable[[Sequence[Item], Grid, SteamTable], UsageColumns]] = {
    "sum": _sum,
    "first_of": _first_of,
    "split": _split,
    "mass_of": _mass,
    "normal_volume_of": _normal_volume,
    "steam_heat_of": _steam_heat,
    "co2_mass_of": _co2_mass,
}
