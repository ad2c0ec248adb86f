"""What differs between two editions of factors: the question of whoever reviews a new notice before it is adopted.

Values are paired by what they stand for (kind, region, and the series with the edition's or set's own name taken out),
so that two fuel sets, two sets of GWPs and two years of one series all compare. Sizes are compared exactly, in one
unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gateway.carbon.factor_files import LoadedFactor
from gateway.carbon.formula import shown
from gateway.carbon.units import read_unit

_Key = tuple[str, str, str]  # kind, series, region


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same in both; None = it stands in one edition only."""

    series: str
    region: str
    older: str | None  # value and unit
    newer: str | None
    change_percent: Decimal | None


def editions(loaded: Iterable[LoadedFactor]) -> list[str]:
    """The editions there are."""
    return sorted({one.factor.edition for one in loaded})


def difference(loaded: Iterable[LoadedFactor], older: str, newer: str) -> list[Difference]:
    """What differs from one edition to the other, by series and region; equal values are left out."""
    sides = {edition: _values(loaded, edition) for edition in (older, newer)}
    keys = sorted(sides[older].keys() | sides[newer].keys(), key=lambda key: (key[1], key[2], key[0]))
    found = [_compare(key, sides[older].get(key), sides[newer].get(key)) for key in keys]
    return [one for one in found if one is not None]


def have_something_in_common(loaded: Iterable[LoadedFactor], older: str, newer: str) -> bool:
    """Whether any value of one edition stands for the same as one of the other."""
    values = [_values(loaded, edition).keys() for edition in (older, newer)]
    return bool(values[0] & values[1])


def _values(loaded: Iterable[LoadedFactor], edition: str) -> dict[_Key, LoadedFactor]:
    """The newest value of each series and region; an edition of several years has several."""
    values: dict[_Key, LoadedFactor] = {}
    for one in sorted(loaded, key=lambda value: value.factor.valid_from):
        if one.factor.edition == edition:
            values[one.kind, _stem(one.factor.series, edition), one.factor.region] = one
    return values


def _stem(series: str, edition: str) -> str:
    """gbt32151-34-2024.coke.ncv -> coke.ncv, gwp.ar5.ch4 -> gwp.ch4."""
    head, _, rest = series.removeprefix(f"{edition}.").partition(".")
    return f"gwp.{rest.partition('.')[2]}" if head == "gwp" else f"{head}.{rest}".rstrip(".")


def _compare(key: _Key, older: LoadedFactor | None, newer: LoadedFactor | None) -> Difference | None:
    texts = [None if one is None else f"{one.factor.value} {one.factor.unit}" for one in (older, newer)]
    sizes = [None if one is None else _size(one) for one in (older, newer)]
    if sizes[0] == sizes[1]:
        return None
    change = None
    if sizes[0] and sizes[1] is not None:
        change = round(shown((sizes[1] / sizes[0] - 1) * 100), 2)
    return Difference(key[1], key[2], texts[0], texts[1], change)


def _size(one: LoadedFactor) -> Fraction:
    return Fraction(one.factor.value) * read_unit(one.factor.unit).scale
