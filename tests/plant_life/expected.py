"""The account that an omniscient observer expects: lines of source and day, and their sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from tests.plant_life.account import METHODS, Booked
from tests.plant_life.calendar import days, month_of, next_month
from tests.plant_life.plants import Plant

Day = Booked


@dataclass(frozen=True, slots=True)
class Line:
    """What must stand for one source on one day."""

    activity: str
    scope: int
    day: Day
    coverage_ppm: int
    estimated_ppm: int


@dataclass(frozen=True, slots=True)
class Stated:
    """What the statement of a month, a quarter or a year must say."""

    lines: dict[tuple[str, date], Line]
    days: int  # that have ended
    coverage: float
    estimated_share: float

    def by_source(self) -> dict[str, list[int]]:
        """Source -> millionths, grams and grams of coal."""
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for (source, _), line in self.lines.items():
            for place, figure in enumerate((line.day.amount_u, line.day.emission_g, line.day.energy_gce)):
                found[source][place] += figure
        return found

    def of_scope(self, scope: int) -> list[Line]:
        return [line for line in self.lines.values() if line.scope == scope]


@dataclass(frozen=True, slots=True)
class Account:
    """One plant's."""

    plant: Plant
    open_day: date  # the first local day that has not ended
    lines: dict[tuple[str, date], Line]

    def months(self) -> list[str]:
        """Those that something is booked in."""
        return sorted({month_of(day) for _, day in self.lines})

    def ended_days(self, month: str) -> list[date]:
        """The days of a month that have ended."""
        first = date.fromisoformat(f"{month}-01")
        return days(first, max(first, min(next_month(first), self.open_day)))

    def has_ended(self, month: str) -> bool:
        return next_month(date.fromisoformat(f"{month}-01")) <= self.open_day

    def of_month(self, month: str) -> Stated:
        own = {key: line for key, line in self.lines.items() if month_of(key[1]) == month}
        ended = len(self.ended_days(month))
        return Stated(own, ended, self._coverage(own, ended), _estimated_share(own.values()))

    def of_months(self, months: Sequence[str]) -> Stated:
        """Their sum. Coverage is the mean by ended days, the estimated share that by gross emission of sources."""
        parts = [self.of_month(month) for month in months]
        gross_g = [sum(abs(emission_g) for _, emission_g, _ in part.by_source().values()) for part in parts]
        return Stated(
            {key: line for part in parts for key, line in part.lines.items()},
            sum(part.days for part in parts),
            _mean([part.coverage for part in parts], [part.days for part in parts]),
            _mean([part.estimated_share for part in parts], gross_g),
        )

    def compliance(self, lines: Iterable[Line]) -> list[Line]:
        """Scope 1 and 2; what is exported only if the method takes it off."""
        return [line for line in self.lifecycle(lines) if line.scope < 3]

    def lifecycle(self, lines: Iterable[Line]) -> list[Line]:
        takes_off = METHODS[self.plant.method][3]
        return [line for line in lines if takes_off or line.activity != "electricity.exported"]

    def _coverage(self, lines: dict[tuple[str, date], Line], ended: int) -> float:
        """Mean over the measured sources and ended days; a day without an entry is not covered."""
        measured = [source.id for source in self.plant.sources if source.feeds]
        covered = sum(line.coverage_ppm for (source, _), line in lines.items() if source in measured)
        return min(1.0, covered / (1_000_000 * len(measured) * ended)) if ended else 0.0


def _estimated_share(lines: Iterable[Line]) -> float:
    """The share of gross emission that rests on estimated amounts."""
    own = list(lines)
    gross_g = sum(abs(line.day.emission_g) for line in own)
    estimated = sum(abs(line.day.emission_g) * line.estimated_ppm / 1_000_000 for line in own)
    return estimated / gross_g if gross_g else 0.0


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    whole = sum(weights)
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / whole if whole else 0.0


def sums(lines: Iterable[Line], name: str) -> int:
    """One figure of some lines, added up."""
    return sum(getattr(line.day, name) for line in lines)
