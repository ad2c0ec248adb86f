"""Enthalpy of steam out of the tables in `config/steam_tables`, by linear interpolation, many values at once.

With a pressure alone steam is taken as dry saturated; with a temperature above saturation as superheated, and at or
below it as saturated at that pressure. Pressures are absolute. Outside of the tables the answer is NaN, never the
nearest value: a gauge pressure given in place of an absolute one must not pass as steam at its edge.

What stays true: each table carries its source; the same numbers give the same answer in any company (elementwise
arithmetic only).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from collectors.errors import ConfigurationError, Problem
from collectors.reading import Float64s
from collectors.strict_yaml import load
from gateway.carbon.benchmarks import Words
from gateway.carbon.units import convert

# What GB/T 32151 takes off steam's enthalpy for the feed water, 20 °C: heat = mass × (enthalpy − 83.74) ÷ 1000.
FEED_WATER_KJ_PER_KG = "83.74"


@dataclass(frozen=True)
class SaturatedRow:
    pressure_kpa: float
    enthalpy_kj_per_kg: float


@dataclass(frozen=True)
class SuperheatedRow:
    """One pressure; the first temperature is that of saturation."""

    pressure_kpa: float
    temperature_degc: tuple[float, ...]
    enthalpy_kj_per_kg: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.temperature_degc) != len(self.enthalpy_kj_per_kg) or len(self.temperature_degc) < 2:
            raise ValueError("needs as many enthalpies as temperatures, two at least")
        if list(self.temperature_degc) != sorted(set(self.temperature_degc)):
            raise ValueError("temperatures must rise")


@dataclass(frozen=True)
class SteamFile:
    edition: str
    title: Words
    source: str
    confidence: str
    saturated: tuple[SaturatedRow, ...] = ()
    superheated: tuple[SuperheatedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class SteamTable:
    """Both tables, ready to ask; pressures rise."""

    saturated_kpa: Float64s
    saturated_kj_per_kg: Float64s
    superheated: tuple[SuperheatedRow, ...]
    editions: tuple[str, ...]  # what the values come from; part of what a derived point was computed with

    @classmethod
    def load(cls, config_dir: Path) -> SteamTable:
        """Read `steam_tables/*.yaml` below `config_dir`; raises ConfigurationError with every problem."""
        problems: list[Problem] = []
        files: list[SteamFile] = []
        for path in sorted((config_dir / "steam_tables").glob("*.yaml")):
            try:
                files.append(load(path, SteamFile))
            except ConfigurationError as error:
                problems += error.problems
        saturated = [row for file in files for row in file.saturated]
        superheated = [row for file in files for row in file.superheated]
        for what, pressures in (
            ("saturated", [row.pressure_kpa for row in saturated]),
            ("superheated", [row.pressure_kpa for row in superheated]),
        ):
            if pressures != sorted(set(pressures)):
                problems.append(Problem(f"{what} pressures must rise", str(config_dir / "steam_tables")))
        if problems:
            raise ConfigurationError(problems)
        return cls(
            np.array([row.pressure_kpa for row in saturated]),
            np.array([row.enthalpy_kj_per_kg for row in saturated]),
            tuple(superheated),
            tuple(file.edition for file in files),
        )

    def enthalpy_kj_per_kg(self, pressure_kpa: Float64s, temperature_degc: Float64s) -> Float64s:
        """Enthalpies; a temperature of NaN = none is known, the steam is saturated."""
        if self.saturated_kpa.size < 2:
            return np.full(pressure_kpa.size, np.nan)
        dry = _line(pressure_kpa, self.saturated_kpa, self.saturated_kj_per_kg)
        if not self.superheated or np.isnan(temperature_degc).all():
            return dry
        hot, is_superheated = self._superheated(pressure_kpa, temperature_degc)
        return np.where(np.isnan(temperature_degc) | ~is_superheated, dry, hot)

    def heat_kj_per_kg(self, pressure: str, unit: str, temperature_degc: str | None) -> Decimal | None:
        """What a kilogram of steam at stated conditions carries above the feed water, to 0.01 kJ/kg as tables print it.

        None outside of the tables.
        """
        kpa = float(convert(Fraction(pressure), unit, "kPa"))
        degc = np.nan if temperature_degc is None else float(temperature_degc)
        found = float(self.enthalpy_kj_per_kg(np.array([kpa]), np.array([degc]))[0])
        return None if np.isnan(found) else Decimal(f"{found:.2f}") - Decimal(FEED_WATER_KJ_PER_KG)

    def conditions_problem(self, pressure: str, unit: str, temperature_degc: str | None) -> str | None:
        """Why steam cannot have these conditions as far as the tables go; None if it can."""
        if self.heat_kj_per_kg(pressure, unit, temperature_degc) is not None:
            return None
        saturated = [f"{own:g}" for own in (self.saturated_kpa[[0, -1]] if self.saturated_kpa.size else ())]
        rows = self.superheated
        superheated = [f"{row.pressure_kpa:g}" for row in (rows[:1] + rows[-1:])]
        hottest_degc = max((row.temperature_degc[-1] for row in rows), default=0.0)
        return (
            f"no steam table has {pressure} {unit}, {temperature_degc or 'saturated'}: saturated steam goes from "
            f"{' to '.join(saturated)} kPa, superheated from {' to '.join(superheated)} kPa and up to {hottest_degc:g} "
            "degC. Pressures are absolute: add 0.1 MPa to what a gauge shows"
        )

    def print_of(self, formula: str) -> str:
        """What of the tables a formula's results hang on, as text."""
        if formula != "steam_heat_of":
            return ""
        return f"{self.saturated_kpa.tolist()} {self.saturated_kj_per_kg.tolist()} {self.superheated!r}"

    def _superheated(self, pressure_kpa: Float64s, temperature_degc: Float64s) -> tuple[Float64s, np.ndarray]:
        """Enthalpies between the two rows next to each pressure, and where the temperature is above saturation."""
        rows = self.superheated
        pressures = np.array([row.pressure_kpa for row in rows])
        lower = np.searchsorted(pressures, pressure_kpa, "right").clip(1, len(rows) - 1) - 1
        below, above = np.full(pressure_kpa.size, np.nan), np.full(pressure_kpa.size, np.nan)
        for number, row in enumerate(rows):  # a row of the table, never a value that is asked for
            degc, enthalpy = np.array(row.temperature_degc), np.array(row.enthalpy_kj_per_kg)
            for column, mine in ((below, lower == number), (above, lower + 1 == number)):
                column[mine] = _line(np.maximum(temperature_degc[mine], degc[0]), degc, enthalpy)
        inside = (pressure_kpa >= pressures[0]) & (pressure_kpa <= pressures[-1])
        share = (pressure_kpa - pressures[lower]) / (pressures[lower + 1] - pressures[lower])
        saturation = _line(pressure_kpa, pressures, np.array([row.temperature_degc[0] for row in rows]))
        hot = np.where(inside, below + (above - below) * share, np.nan)
        return hot, ~(temperature_degc <= saturation)


NO_STEAM = SteamTable(np.empty(0), np.empty(0), (), ())


def _line(at: Float64s, x: Float64s, y: Float64s) -> Float64s:
    """Linear interpolation, NaN outside of x."""
    place = np.searchsorted(x, at, "right").clip(1, x.size - 1) - 1
    found = y[place] + (y[place + 1] - y[place]) * ((at - x[place]) / (x[place + 1] - x[place]))
    return np.asarray(np.where((at >= x[0]) & (at <= x[-1]), found, np.nan))
