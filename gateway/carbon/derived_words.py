"""A derived hour as its formula with its numbers: `300 kWh − 100 kWh = 200 kWh`. Pure text for people who check.

The numbers are those that stand in the store: amounts of the hour, and hourly means of the gauges. Enthalpy is worked
back from the result, so that the line is about what was computed and not about what a table says by now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collectors.clock import HOUR_MS
from collectors.quantities import QUANTITIES
from gateway.carbon.derived import NORMAL_KPA, ZERO_DEGC_K
from gateway.carbon.derived_plan import NONE, Item
from gateway.carbon.emission import decimal_text
from gateway.carbon.shares import PPM
from gateway.carbon.steam import FEED_WATER_KJ_PER_KG
from gateway.registry.formulas import CONDITIONS

Amounts = Mapping[int, tuple[int, int]]  # point -> millionths and covered milliseconds of the hour


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of one derived point."""

    item: Item
    part: int  # which of the item's points
    amounts: Amounts
    quantities: Mapping[int, str]  # point -> quantity

    def said(self, point_id: int) -> str:
        """`300 kWh`, or that there is nothing."""
        known = self.amounts.get(point_id)
        unit = QUANTITIES[self.quantities[point_id]].usage_unit or ""
        return "nothing" if known is None else f"{decimal_text(known[0])} {unit}"

    def main(self) -> str:
        return self.said(self.item.only(self.item.derived.formula))

    def result(self) -> str:
        return self.said(self.item.point_ids[self.part])

    def mean(self, role: str, unit: str) -> str:
        """A condition as it went in: the gauge's mean, or the number that stood in for it."""
        amount_u, covered_ms = self.amounts.get(self.item.only(role), (0, 0))
        if covered_ms:
            return f"{amount_u / PPM / (covered_ms / HOUR_MS):.6g}{unit}"
        stand_in = CONDITIONS[role].constant
        given = self.item.derived.constants.get(stand_in) if stand_in else None
        return f"{given}{unit}" if given is not None else "unknown"


def in_words(hour: Hour) -> str:
    """The formula with its numbers."""
    return _WORDS[hour.item.derived.formula](hour)


def _sum(hour: Hour) -> str:
    words: list[str] = []
    for one, point_id in hour.item.inputs:
        sign, share = ("−" if one.share.startswith("-") else "+"), one.share.lstrip("-")
        term = hour.said(point_id) if share == "1" else f"{share} × {hour.said(point_id)}"
        words += [sign, term] if words or sign == "−" else [term]
    return f"{' '.join(words)} = {hour.result()}"


def _first_of(hour: Hour) -> str:
    own = hour.amounts.get(hour.item.point_ids[0])
    names = [(one.name, hour.said(point_id)) for one, point_id in hour.item.inputs]
    taken = next((name for name, said in names if own is not None and said.split(" ")[0] == decimal_text(own[0])), "")
    return f"{', else '.join(f'{name} {said}' for name, said in names)}: {hour.result()} of {taken or 'none'}"


def _split(hour: Hour) -> str:
    if hour.item.derived.shares:
        return f"{hour.item.derived.shares[hour.part]} × {hour.main()} = {hour.result()}"
    by = [hour.said(point_id) for _, point_id in hour.item.of_role("by")]
    return f"{hour.main()} × {by[hour.part]} ÷ ({' + '.join(by)}) = {hour.result()}"


def _mass(hour: Hour) -> str:
    return f"{hour.main()} × {hour.item.derived.constants['density_t_per_m3']} t/m3 = {hour.result()}"


def _normal_volume(hour: Hour) -> str:
    compressibility = hour.item.derived.constants.get("compressibility")
    return (
        f"{hour.main()} × {hour.mean('pressure', ' kPa')} ÷ {NORMAL_KPA} kPa × {ZERO_DEGC_K} K ÷ "
        f"({ZERO_DEGC_K} + {hour.mean('temperature', '')}) K"
        f"{f' ÷ {compressibility}' if compressibility else ''} = {hour.result()}"
    )


def _steam_heat(hour: Hour) -> str:
    less = hour.item.derived.constants.get("less_kj_per_kg", FEED_WATER_KJ_PER_KG)
    mass_u, _ = hour.amounts.get(hour.item.only("steam_heat_of"), (0, 0))
    heat_u, _ = hour.amounts.get(hour.item.point_ids[0], (0, 0))
    enthalpy = f"{heat_u * 1000 / mass_u + float(less):.1f}" if mass_u and heat_u else "enthalpy"
    hot = hour.item.only("temperature") != NONE or "temperature_degc" in hour.item.derived.constants
    state = f", {hour.mean('temperature', ' °C')}" if hot else ", saturated"
    pressure = hour.mean("pressure", " kPa")
    return f"{hour.main()} × ({enthalpy} − {less}) kJ/kg ÷ 1000 = {hour.result()} ({pressure}{state})"


def _co2_mass(hour: Hour) -> str:
    return f"{hour.main()} × {hour.mean('concentration', ' g/m3')} ÷ 1000 = {hour.result()}"


_WORDS: dict[str, Callable[[Hour], str]] = {
    "sum": _sum,
    "first_of": _first_of,
    "split": _split,
    "mass_of": _mass,
    "normal_volume_of": _normal_volume,
    "steam_heat_of": _steam_heat,
    "co2_mass_of": _co2_mass,
}
