"""What an administrator does with rating policies; a line of the OPERATIONS table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from collectors.clock import now_ms
from collectors.errors import ConfigurationError
from gateway.accounts.periods import parse_period
from gateway.accounts.rating_documents import RatingDocument
from gateway.carbon.benchmarks import load_benchmarks
from gateway.carbon.policy import read_policy
from gateway.control import OperationFailed
from gateway.registry.model import Enterprise, Registry
from gateway.scheduler.policy_trial import trials_of

if TYPE_CHECKING:
    from gateway.wiring import House


def try_draft(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Rate a month of a park, or of an enterprise's park, under a draft that is not adopted; nothing is written."""
    registry = house.registry()
    named, members = _members(registry, str(arguments.get("subject") or ""))
    try:
        period = parse_period(str(arguments.get("period") or ""))
        draft = read_policy(
            str(arguments.get("text") or ""),
            str(arguments.get("file") or "policy"),
            load_benchmarks(house.settings.config_path),
        )
    except (ValueError, ConfigurationError) as error:
        raise OperationFailed(str(error)) from error
    if period.kind != "month":
        raise OperationFailed(f"{period.text!r}: months are rated, such as 2026-10")
    months = house.reader.months([own.id for own in members])
    if period.text not in months:
        raise OperationFailed(
            f"park {members[0].park} has no account of {period.text} to rate; it has {', '.join(months) or 'none yet'}"
        )
    stage = house.pipeline.statements
    trials = trials_of(house.engine, registry, stage.policies, draft, members, period.text, now_ms(), stage.settle_s)
    return {
        "policy": draft.id,
        "period": period.text,
        "items": [
            {
                "enterprise": trial.enterprise.id,
                "name": {"zh": trial.enterprise.name.zh, "en": trial.enterprise.name.en},
                "named": trial.enterprise.id == named,
                "now": _document(trial.now),
                "then": _document(trial.then),
            }
            for trial in trials
        ],
    }


def _document(rating: RatingDocument) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(rating)
    return document


def _members(registry: Registry, subject: str) -> tuple[str | None, list[Enterprise]]:
    """The enterprise that was named, and all of its park; or all of the park that was named."""
    own = registry.enterprises.get(subject)
    park = own.park if own is not None else subject
    if park not in registry.parks:
        raise OperationFailed(f"{subject!r} is no registered enterprise and no park; `tanmai registry show` lists both")
    members = [one for _, one in sorted(registry.enterprises.items()) if one.park == park]
    if not members:
        raise OperationFailed(f"no enterprise is registered in park {park}")
    return (None if own is None else own.id), members
