"""What a draft policy would do: the months as the ledger has them, rated under it, beside the policy that is in force.

What stays true: nothing is written. The sums and outputs are those that the statements stage takes, so what a trial
shows is what the next roll-up gives once the policy is adopted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from gateway.accounts.output import rating_input
from gateway.accounts.rating_documents import RatingDocument, rating_document
from gateway.carbon.policy import Policy
from gateway.carbon.rating import rate
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.months import facts_of
from gateway.scheduler.statements_stage import summed
from gateway.store.database import reading


@dataclass(frozen=True, slots=True)
class Trial:
    """One enterprise's month under both policies."""

    enterprise: Enterprise
    now: RatingDocument
    then: RatingDocument


def trials_of(
    engine: Engine,
    registry: Registry,
    in_force: Mapping[str, Policy],
    draft: Policy,
    enterprises: Sequence[Enterprise],
    month: str,
    now_ms: int,
    settle_s: float,
) -> list[Trial]:
    """Rate the month of these enterprises under the policy in force and under the draft."""
    with reading(engine) as connection:
        facts = facts_of(connection, registry, [(own.id, month) for own in enterprises], now_ms, settle_s)
    found = []
    for own in enterprises:
        known = facts[own.id, month]
        statement, made = summed(own, month, known), rating_input(own, known.outputs)
        version = known.newest.version if known.newest is not None else 0
        now, then = (
            rating_document(rate(statement, policy, made), version) for policy in (in_force[own.rating_policy], draft)
        )
        found.append(Trial(own, now, then))
    return found
