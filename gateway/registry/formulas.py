"""The closed table of formulas that a derived point can have: what goes in, in which units, and what comes out.

A formula is named by the key that it stands under in a registry file (`sum:`, `split:`, `steam_heat_of:`). How it is
computed is `gateway.carbon.derived`'s part; here stands what can be said about it before any reading has come, so that
kWh + m3 is an error of the file, with its line, and never one of the roll-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Formula:
    """One way to compute a point from others."""

    key: str
    takes: tuple[str, ...]  # usage units of what it computes with; () = any unit, the same for all
    gives: str | None  # quantity of the result; None = that of its first input
    needs: tuple[tuple[str, ...], ...] = ()  # of each group at least one key must stand beside the formula's own
    allows: tuple[str, ...] = ()  # further keys that may


@dataclass(frozen=True, slots=True)
class Condition:
    """A gauge whose hourly mean goes into a formula."""

    key: str
    quantities: tuple[str, ...]  # what the named point may measure
    constant: str | None  # key of the number that stands in where the gauge says nothing


@dataclass(frozen=True, slots=True)
class Constant:
    """A number in a formula; the unit is the end of its key."""

    key: str
    low: Decimal
    high: Decimal


_PRESSURE = ("pressure", "pressure_kpa")
_TEMPERATURE = ("temperature", "temperature_degc")

FORMULAS: dict[str, Formula] = {
    formula.key: formula
    for formula in (
        Formula("sum", (), None),
        Formula("first_of", (), None),
        Formula("split", (), None, needs=(("shares", "by"),)),
        Formula("mass_of", ("m3",), "fuel_mass_total", needs=(("density_t_per_m3",),)),
        Formula("normal_volume_of", ("m3",), "gas_volume_normal", (_PRESSURE, _TEMPERATURE), ("compressibility",)),
        Formula("steam_heat_of", ("t",), "heat_energy", (_PRESSURE,), (*_TEMPERATURE, "less_kj_per_kg")),
        Formula("co2_mass_of", ("m3",), "co2_mass", (("concentration",),)),
    )
}

CONDITIONS: dict[str, Condition] = {
    condition.key: condition
    for condition in (
        Condition("pressure", ("pressure",), "pressure_kpa"),
        Condition("temperature", ("temperature", "temperature_inlet", "temperature_outlet"), "temperature_degc"),
        Condition("concentration", ("co2_concentration",), None),
    )
}

CONSTANTS: dict[str, Constant] = {
    constant.key: constant
    for constant in (
        Constant("density_t_per_m3", Decimal("0.0001"), Decimal(25)),
        Constant("pressure_kpa", Decimal(1), Decimal(100_000)),
        Constant("temperature_degc", Decimal(-100), Decimal(1_000)),
        Constant("compressibility", Decimal("0.1"), Decimal(2)),  # Z at the meter ÷ Z at normal conditions
        Constant("less_kj_per_kg", Decimal(0), Decimal(2_000)),  # enthalpy of the feed water, taken off
    )
}

DECIMALS = 6  # of a share or a constant: what is computed with them stays exact in 64 bits
