"""What an administrator does with agents' configurations and signatures; lines of the OPERATIONS table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from collectors.clock import now_ms
from gateway.accounts.documents import instant
from gateway.control import OperationFailed
from gateway.registry.model import Enterprise
from gateway.store.agent_configs_repository import ConfigRow
from gateway.store.batches_repository import BatchesRepository

if TYPE_CHECKING:
    from gateway.wiring import House

NEWEST_BATCHES = 1000  # of an agent, whose signatures are counted


def key(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The public key that agents must trust."""
    public = house.agent_configs.key.public
    return {"public_key": public.text, "key_id": public.key_id}


def push(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Push a text; empty text takes the configuration back."""
    enterprise, agent = _agent(house, arguments)
    text, by = arguments.get("text"), arguments.get("by")
    if not isinstance(text, str):
        raise OperationFailed("text is missing: YAML, or empty to let the agent go by its own file")
    if not isinstance(by, str) or not by:
        raise OperationFailed("by is missing: who asks for this, such as a name")
    file = str(arguments.get("file") or "configuration")
    return asdict(house.agent_configs.push(enterprise, agent, text, file, by, now_ms()))


def show(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The newest version, and what the agent says."""
    enterprise, agent = _agent(house, arguments)
    rows = house.agent_configs.history(enterprise.id, agent)
    newest = None if not rows else _item(rows[0]) | {"text": rows[0].text}
    return {"newest": newest, "agent": house.agent_configs.said(enterprise.id, agent)}


def history(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All versions, newest first."""
    enterprise, agent = _agent(house, arguments)
    return {"items": [_item(row) for row in house.agent_configs.history(enterprise.id, agent)]}


def signatures(house: House, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Whose signatures the newest batches of each agent carried."""
    registered = house.registry().enterprises
    only = arguments.get("enterprise")
    if only is not None and only not in registered:
        raise OperationFailed(f"enterprise {only!r} is not registered")
    batches = BatchesRepository(house.engine)
    items = [
        {
            "enterprise": enterprise.id,
            "agent": agent.id,
            "signature": found.signature or "not looked at",
            "key_id": found.key_id,
            "batches": found.batches,
            "newest": instant(found.newest_ms),
            "required": enterprise.require_signed_batches,
        }
        for enterprise in (registered.values() if only is None else [registered[only]])
        for agent in enterprise.agents
        for found in batches.signatures(enterprise.id, agent.id, NEWEST_BATCHES)
    ]
    return {"items": items, "of_newest": NEWEST_BATCHES}


def _agent(house: House, arguments: Mapping[str, Any]) -> tuple[Enterprise, str]:
    """The registered agent that `agent` names as ENTERPRISE/AGENT."""
    name, _, agent = str(arguments.get("agent") or "").partition("/")
    enterprise = house.registry().enterprises.get(name)
    if enterprise is None:
        raise OperationFailed(f"enterprise {name!r} is not registered: write ENTERPRISE/AGENT")
    known = [one.id for one in enterprise.agents]
    if agent not in known:
        raise OperationFailed(f"{name} has no agent {agent!r}; it has {', '.join(known) or 'none'}")
    return enterprise, agent


def _item(row: ConfigRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "made_at": instant(row.made_at_ms),
        "made_by": row.made_by,
        "outcome": row.outcome or "waiting for the agent",
        "why": row.why,
        "decided_at": None if row.decided_at_ms is None else instant(row.decided_at_ms),
    }
