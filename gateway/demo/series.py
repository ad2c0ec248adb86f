"""Recorded figures of real plants, kept as one amount per interval, and the endless loop over them.

A file begins with `# key: value` lines; all of `HEADER_KEYS` must be there, so that no figure is without its source and
licence. Then come the amounts, comma-separated, in the order of time; line breaks mean nothing.

What stays true: the running total never falls, and after one loop it has grown by exactly the sum of the figures.
Inside an interval the amount is spread evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from collectors.errors import ConfigurationError, Problem

MINUTE_MS = 60_000
HEADER_KEYS = ("title", "source", "licence", "attribution", "unit", "step_min", "recorded_from", "changes")


@dataclass(frozen=True)
class RecordedSeries:
    """Amounts per interval of `step_ms`, in `unit`."""

    id: str
    header: dict[str, str]
    step_ms: int
    amounts: tuple[float, ...]

    @property
    def unit(self) -> str:
        return self.header["unit"]

    @property
    def loop_ms(self) -> int:
        return self.step_ms * len(self.amounts)

    @cached_property
    def _running(self) -> tuple[float, ...]:
        """Sum of the amounts before each interval, and of all of them last."""
        running = [0.0]
        for amount in self.amounts:
            running.append(math.fsum((running[-1], amount)))
        return tuple(running)

    @property
    def total(self) -> float:
        return self._running[-1]

    def total_until(self, elapsed_ms: int) -> float:
        """What has passed since the loop began; negative before it."""
        loops, rest_ms = divmod(elapsed_ms, self.loop_ms)
        index, into_ms = divmod(rest_ms, self.step_ms)
        return loops * self.total + self._running[index] + self.amounts[index] * into_ms / self.step_ms

    def rate_per_hour(self, elapsed_ms: int) -> float:
        """Amount per hour at this instant."""
        index = elapsed_ms % self.loop_ms // self.step_ms
        return self.amounts[index] * 60 * MINUTE_MS / self.step_ms


def load_series(directory: Path) -> dict[str, RecordedSeries]:
    """Every `*.csv` of a directory by its name; ConfigurationError with all problems."""
    series: dict[str, RecordedSeries] = {}
    problems: list[Problem] = []
    for path in sorted(directory.glob("*.csv")):
        try:
            series[path.stem] = _read(path)
        except ConfigurationError as error:
            problems += error.problems
    if not series and not problems:
        problems.append(Problem("holds no series (*.csv)", str(directory)))
    if problems:
        raise ConfigurationError(problems)
    return series


def _read(path: Path) -> RecordedSeries:
    header: dict[str, str] = {}
    amounts: list[float] = []
    problems: list[Problem] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            header[key.strip()] = value.strip()
            continue
        try:
            amounts += [_amount(cell) for cell in line.split(",")]
        except ValueError as error:
            problems.append(Problem(str(error), str(path), number))
    problems += [Problem(f"lacks the line `# {key}: …`", str(path)) for key in HEADER_KEYS if not header.get(key)]
    step_min = header.get("step_min", "")
    if header.get("step_min") and not (step_min.isdigit() and int(step_min) > 0):
        problems.append(Problem(f"step_min must be whole minutes, not {step_min!r}", str(path)))
    if not amounts:
        problems.append(Problem("holds no figures", str(path)))
    if problems:
        raise ConfigurationError(problems)
    return RecordedSeries(path.stem, header, int(step_min) * MINUTE_MS, tuple(amounts))


def _amount(cell: str) -> float:
    value = float(cell)
    if not 0 <= value < math.inf:
        raise ValueError(f"{cell.strip()} is no amount: a counter cannot run backwards")
    return value
