"""Units of accounting, and the one place where they are multiplied.

A unit is text such as `kWh`, `GJ/1e4Nm3` or `kgCO2/kWh`. Reading it gives an exact scale and the dimensions it
carries, so that a formula whose units do not work out to grams of CO2e is found when the factor file is loaded and
not when a bank reads the account. Everything here is exact: `Fraction`, never float.

What stays true: the table is closed; a unit outside it is refused. CO2 and CO2e are the same dimension, because one
gram of CO2 is one gram of CO2e in every GWP set; other gases are dimensions of their own until multiplied by a GWP.
Normal volume (Nm3: 0 °C, 101.325 kPa) and volume (m3: as metered) are different dimensions: going from one to the
other needs a term of the formula, so it is always visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from collectors.spelling import meant


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit read: `scale` × the base units of `dimensions`."""

    scale: Fraction
    dimensions: Mapping[str, int]  # dimension -> exponent, no zeros

    def times(self, other: Unit, exponent: int = 1) -> Unit:
        """self × other^exponent, with exponent 1 or -1."""
        merged = dict(self.dimensions)
        for name, power in other.dimensions.items():
            merged[name] = merged.get(name, 0) + exponent * power
        scale = self.scale * other.scale if exponent == 1 else self.scale / other.scale
        return Unit(scale, {name: power for name, power in merged.items() if power})


def _masses(suffix: str, dimension: str) -> dict[str, tuple[Fraction, str]]:
    """kgCO2, tCO2 …: a mass of something that is no ordinary mass. Base: gram."""
    return {f"{prefix}{suffix}": (Fraction(grams), dimension) for prefix, grams in _GRAMS.items()}


_GRAMS = {"g": 1, "kg": 1_000, "t": 1_000_000}

# symbol -> (scale in the base unit of its dimension, dimension)
_ATOMS: dict[str, tuple[Fraction, str]] = {
    "1": (Fraction(1), ""),
    "%": (Fraction(1, 100), ""),
    "g": (Fraction(1), "mass"),
    "kg": (Fraction(1_000), "mass"),
    "t": (Fraction(1_000_000), "mass"),
    "kJ": (Fraction(1, 1_000), "energy"),  # base: MJ
    "MJ": (Fraction(1), "energy"),
    "GJ": (Fraction(1_000), "energy"),
    "TJ": (Fraction(1_000_000), "energy"),
    "kWh": (Fraction(36, 10), "energy"),
    "MWh": (Fraction(3_600), "energy"),
    "1e4kWh": (Fraction(36_000), "energy"),  # 万千瓦时
    "L": (Fraction(1, 1_000), "volume"),
    "m3": (Fraction(1), "volume"),
    "1e4m3": (Fraction(10_000), "volume"),
    "Nm3": (Fraction(1), "normal_volume"),
    "1e4Nm3": (Fraction(10_000), "normal_volume"),
    "m2": (Fraction(1), "area"),
    "piece": (Fraction(1), "piece"),
    "tkm": (Fraction(1), "freight"),  # a tonne carried one kilometre
    "1e4tkm": (Fraction(10_000), "freight"),
    "pkm": (Fraction(1), "travel"),  # a person carried one kilometre
    "night": (Fraction(1), "night"),
    "kPa": (Fraction(1), "pressure"),  # absolute
    "MPa": (Fraction(1_000), "pressure"),
    "degC": (Fraction(1), "temperature"),  # conditions of steam; no formula multiplies them
    "10k_cny": (Fraction(1), "money"),  # 万元
    **_masses("CO2", "co2e"),
    **_masses("CO2e", "co2e"),
    **_masses("C", "carbon"),
    **_masses("CH4", "ch4"),
    **_masses("N2O", "n2o"),
    **_masses("CF4", "cf4"),
    **_masses("C2F6", "c2f6"),
    **_masses("SF6", "sf6"),
    "gce": (Fraction(1), "standard_coal"),
    "kgce": (Fraction(1_000), "standard_coal"),
    "tce": (Fraction(1_000_000), "standard_coal"),
}

UNITS = frozenset(_ATOMS)

GRAM_CO2E = Unit(Fraction(1), {"co2e": 1})
GRAM_STANDARD_COAL = Unit(Fraction(1), {"standard_coal": 1})


class UnknownUnit(ValueError):
    """A unit outside the table. The message lists what there is."""


class WrongDimensions(ValueError):
    """Units that do not multiply to what was asked."""


@cache
def read_unit(text: str) -> Unit:
    """`GJ/1e4Nm3` -> Unit; raises UnknownUnit."""
    numerator, _, denominator = text.partition("/")
    unit = _atom(numerator, text)
    return unit.times(_atom(denominator, text), -1) if denominator else unit


def _atom(symbol: str, text: str) -> Unit:
    if symbol not in _ATOMS:
        raise UnknownUnit(
            f"unit {text!r} is not known: {symbol!r}{meant(symbol, _ATOMS)} is none of {', '.join(sorted(UNITS))}"
        )
    scale, dimension = _ATOMS[symbol]
    return Unit(scale, {dimension: 1} if dimension else {})


def convert(amount: Fraction, unit: str, to: str) -> Fraction:
    """Exact amount in another unit of the same dimensions; raises WrongDimensions."""
    source, target = read_unit(unit), read_unit(to)
    if source.dimensions != target.dimensions:
        raise WrongDimensions(f"{unit} cannot be expressed in {to}")
    return amount * source.scale / target.scale
