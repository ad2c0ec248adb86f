"""The account that an omniscient observer expects: lines of source and day, and their sums."""

from __future__ import annotations

from collections.abc import Iterator
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
class Account:
    """One plant's."""

    plant: Plant
    open_day: date  # the first local day that has not ended
    lines: dict[tuple[str, date], Line]

    def months(self) -> list[str]:
        """Those that something is booked in."""
        return sorted({month_of(day) for _, day in self.lines})

    def of_month(self, month: str) -> dict[tuple[str, date], Line]:
        return {key: line for key, line in self.lines.items() if month_of(key[1]) == month}

    def ended_days(self, month: str) -> list[date]:
        """The days of a month that have ended."""
        first = date.fromisoformat(f"{month}-01")
        return days(first, max(first, min(next_month(first), self.open_day)))

    def has_ended(self, month: str) -> bool:
        return next_month(date.fromisoformat(f"{month}-01")) <= self.open_day

    def compliance(self, lines: dict[tuple[str, date], Line]) -> list[Line]:
        """Scope 1 and 2; what is exported only if the method takes it off."""
        return [line for line in self.lifecycle(lines) if line.scope < 3]

    def lifecycle(self, lines: dict[tuple[str, date], Line]) -> list[Line]:
        takes_off = METHODS[self.plant.method][3]
        return [line for line in lines.values() if takes_off or line.activity != "electricity.exported"]

    def coverage(self, month: str) -> float:
        """Mean over the measured sources and ended days; a day without an entry is not covered."""
        ended = len(self.ended_days(month))
        measured = [source.id for source in self.plant.sources if source.feeds]
        own = self.of_month(month)
        covered = sum(line.coverage_ppm for (source, _), line in own.items() if source in measured)
        return min(1.0, covered / (1_000_000 * len(measured) * ended)) if ended else 0.0

    def estimated_share(self, month: str) -> float:
        """The share of gross emission that rests on estimated amounts."""
        own = self.of_month(month).values()
        gross_g = sum(abs(line.day.emission_g) for line in own)
        estimated = sum(abs(line.day.emission_g) * line.estimated_ppm / 1_000_000 for line in own)
        return estimated / gross_g if gross_g else 0.0


def sums(lines: Iterator[Line] | list[Line], name: str) -> int:
    """One figure of some lines, added up."""
    return sum(getattr(line.day, name) for line in lines)
