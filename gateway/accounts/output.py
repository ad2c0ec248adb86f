"""What an enterprise made and earned in a period: product output and economic figures from its activity records.

A record covers local days from `start_day` up to `end_day`. A period takes its part by days: millionths × days inside ÷
days covered, rounded half to even once per record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import exists, select

from gateway.accounts.periods import Period
from gateway.carbon.comparison import ProductOutput, RatingInput
from gateway.registry.model import Enterprise
from gateway.store.database import Bind, reading
from gateway.store.schema import activity_records

ENTERPRISES_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of something, in millionths of its unit, so that sums are exact."""

    amount_u: int
    unit: str

    @property
    def value(self) -> float:
        return self.amount_u / 1_000_000


# enterprise -> (kind "product" | "economic", subject) -> amount
Outputs = dict[str, dict[tuple[str, str], Amount]]


def rating_input(enterprise: Enterprise, amounts: Mapping[tuple[str, str], Amount]) -> RatingInput:
    """What a rating needs of an enterprise's output in a period."""

    def of(kind: str, subject: str) -> int | None:
        return amounts[kind, subject].amount_u if (kind, subject) in amounts else None

    return RatingInput(
        industry=enterprise.industry,
        products=tuple(
            ProductOutput(
                product.id,
                product.unit,
                of("product", product.id),
                product.limits,
                {trait: Decimal(value) for trait, value in product.traits.items()},
            )
            for product in enterprise.products
        ),
        output_value_u=of("economic", "output_value"),
        added_value_u=of("economic", "added_value"),
    )


def outputs_of(bind: Bind, enterprises: Iterable[str], period: Period) -> Outputs:
    """Product output and economic figures of a period; an enterprise without records is not in the result.

    A record that another one supersedes no longer counts.
    """
    table, newer = activity_records, activity_records.alias("newer")
    superseded = exists().where(newer.c.enterprise == table.c.enterprise, newer.c.supersedes == table.c.record_id)
    wanted = sorted(enterprises)
    found: Outputs = {}
    with reading(bind) as connection:
        for first in range(0, len(wanted), ENTERPRISES_PER_QUERY):
            rows = connection.execute(
                select(table).where(
                    table.c.enterprise.in_(wanted[first : first + ENTERPRISES_PER_QUERY]),
                    table.c.kind.in_(("product", "economic")),
                    table.c.start_day < period.end.isoformat(),
                    table.c.end_day > period.start.isoformat(),
                    ~superseded,
                )
            )
            for row in rows:
                part_u = share_u(
                    row.amount_u, date.fromisoformat(row.start_day), date.fromisoformat(row.end_day), period
                )
                own = found.setdefault(row.enterprise, {})
                key = (row.kind, row.subject)
                own[key] = Amount(part_u + (own[key].amount_u if key in own else 0), row.unit)
    return found


def share_u(amount_u: int, start: date, end: date, period: Period) -> int:
    """The part of an amount that falls on the days of a period."""
    inside = (min(end, period.end) - max(start, period.start)).days
    covered = (end - start).days
    quotient, rest = divmod(amount_u * inside, covered)
    half = 2 * rest - covered
    return quotient + (half > 0 or (half == 0 and quotient % 2 == 1))
