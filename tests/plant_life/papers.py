"""Business records of the plants: output, purchases and fuel, with corrections."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tests.plant_life.calendar import days

Kind = Literal["source", "product"]


@dataclass
class Paper:
    """One record; `standing` until another one corrects it."""

    id: str
    kind: Kind
    subject: str
    first: date
    end: date  # exclusive
    milli: int  # thousandths of the unit
    unit: str
    supersedes: str = ""
    parallel: bool = False
    standing: bool = False  # the gateway has it, and nothing corrects it

    def text(self) -> dict[str, object]:
        """As a business system sends it."""
        text: dict[str, object] = {
            "id": self.id, self.kind: self.subject, "from": self.first.isoformat(), "to": self.end.isoformat(),
            "amount": self.milli / 1000, "unit": self.unit,
        }  # fmt: skip
        if self.supersedes:
            text["supersedes"] = self.supersedes
        if self.parallel:
            text["parallel"] = True
        return text

    def by_day(self) -> Iterator[tuple[date, int]]:
        """Its millionths, even over its days; each day the difference of two whole parts, so that they add up."""
        own = days(self.first, self.end)
        for place, day in enumerate(own):
            amount_u = self.milli * 1000
            yield day, amount_u * (place + 1) // len(own) - amount_u * place // len(own)

    def corrected(self, rng: random.Random, name: str) -> Paper:
        """Another amount for the same days."""
        milli = rng.randrange(self.milli * 2) + 1
        return Paper(name, self.kind, self.subject, self.first, self.end, milli, self.unit, self.id, self.parallel)
