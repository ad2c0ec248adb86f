"""What a row of the bench gives: figures with the limits measured beside them, as a table and as JSON lines.

What stays true: a JSON line has exactly the keys of `Figure`. `ratio` is the figure over the limit that decides;
`target` is what that ratio, or where the target's subject is the figure the figure itself, should at least or at most
be. A limit is measured in the same run on the same machine, so a ratio means something elsewhere too.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from rich.table import Table

SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Target:
    """What should be reached: the ratio or the figure at least, or at most, `value`."""

    value: float
    at: Literal["least", "most"]
    of: Literal["ratio", "figure"] = "ratio"

    def met_by(self, number: float) -> bool:
        return number >= self.value if self.at == "least" else number <= self.value

    def __str__(self) -> str:
        what = "× limit" if self.of == "ratio" else ""
        return f"{'≥' if self.at == 'least' else '≤'} {self.value:,g} {what}".strip()


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the bench."""

    name: str
    figure: float
    unit: str
    limits: Mapping[str, float] = field(default_factory=dict)  # the first one decides; same unit as the figure
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None  # None: there is no target

    def json_line(self) -> str:
        return json.dumps({key: _rounded(value) for key, value in asdict(self).items()}, ensure_ascii=False)


def figure_of(
    name: str, figure: float, unit: str, limits: Mapping[str, float] | None = None, target: Target | None = None
) -> Figure:
    """A figure, its ratio to the first of the limits, and whether the target is met."""
    limits = limits or {}
    ratio = figure / next(iter(limits.values())) if limits else None
    met = None
    if target is not None:
        judged = figure if target.of == "figure" else ratio
        if judged is None:
            raise ValueError(f"{name}: a target of the ratio needs a limit")
        met = target.met_by(judged)
    return Figure(name, figure, unit, limits, ratio, None if target is None else target.value, met)


def median_of(runs: Sequence[float]) -> float:
    return statistics.median(runs)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of 100 do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def table_of(figures: Iterable[Figure]) -> Table:
    table = Table(title="bench", title_justify="left")
    for heading, justify in (("name", "left"), ("figure", "right"), ("unit", "left"), ("limits", "left")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for heading in ("ratio", "target", "met"):
        table.add_column(heading, justify="right")
    for one in figures:
        limits = ", ".join(f"{name} {_shown(value)}" for name, value in one.limits.items())
        met = {True: "yes", False: "NO", None: ""}[one.met]
        table.add_row(one.name, _shown(one.figure), one.unit, limits, _shown(one.ratio), _shown(one.target), met)
    return table


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
