"""Pushes configurations to agents and keeps what became of them.

What stays true:
- A version is kept with who and when before it is published; what is not decided by its agent is published again with
  every run of the job `agent_configs`, so neither a broker that was away nor one that lost its memory loses it.
- A version is greater than every one before, also than one that only the agent remembers.
- The gateway checks form and registered devices; the agent checks all of it, since only it has its file and profiles.

The key is one of its own (`keys/agent-configs-ed25519.pem` in the data directory), apart from that of statements.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from collectors.agent_config import MAX_TEXT_BYTES, SECTIONS, AgentConfig, encode_config
from collectors.errors import ConfigurationError, Problem, StoreUnavailable
from collectors.seals import SigningKey, seal
from collectors.strict_yaml import Document, Scalar, parse
from gateway.broker.address import BrokerAddress
from gateway.broker.retained import leave_retained
from gateway.registry.model import Enterprise
from gateway.store.agent_configs_repository import AgentConfigsRepository, ConfigRow
from gateway.store.agent_status_repository import AgentStatusRepository

KEY_FILE = "keys/agent-configs-ed25519.pem"
OUTCOMES = ("applied", "refused", "rolled_back")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push."""

    version: int
    published: bool
    why: str  # not published; "" if it was


class AgentConfigs:
    """Of one gateway. `address` gives the broker, or None if this process knows none."""

    def __init__(self, engine: Engine, data_path: Path, address: Callable[[], BrokerAddress | None]) -> None:
        self._configs = AgentConfigsRepository(engine)
        self._statuses = AgentStatusRepository(engine)
        self._key_path = data_path / KEY_FILE
        self._address = address

    @property
    def key(self) -> SigningKey:
        """The configuration key, made when it is first asked for."""
        try:
            return SigningKey.make(self._key_path)
        except FileExistsError:
            return SigningKey.load(self._key_path)

    def push(self, enterprise: Enterprise, agent: str, text: str, file: str, by: str, now_ms: int) -> Pushed:
        """Make the next version of an agent's configuration; raises ConfigurationError for a text that cannot be one.

        Empty text takes the configuration back: the agent goes by its own file again.
        """
        if text:
            problems = list(_problems(parse(text, file), text, enterprise))
            if problems:
                raise ConfigurationError(problems)
        known = self._said(enterprise.id, agent).get("highest")
        version = 1 + max(self._configs.highest(enterprise.id, agent), known if isinstance(known, int) else 0)
        payload = encode_config(AgentConfig(enterprise.id, agent, version, now_ms, text))
        sealed = seal(payload, self.key.sign("config", enterprise.id, agent, payload))
        row = ConfigRow(enterprise.id, agent, version, text, sealed, now_ms, by[:160])
        self._configs.add(row)
        try:
            why = "" if self._publish([row]) else "no broker is known here: a running server brings it within a minute"
        except StoreUnavailable as error:
            why = f"{error}; a running server tries again every minute"
        return Pushed(version, not why, why)

    def history(self, enterprise: str, agent: str) -> list[ConfigRow]:
        """All versions, newest first, with what the agent last said of them."""
        self._note(enterprise, agent)
        return self._configs.of(enterprise, agent)

    def said(self, enterprise: str, agent: str) -> dict[str, Any]:
        """What the agent's newest status says of configurations; {} = nothing, it may trust no key."""
        return self._said(enterprise, agent)

    def deliver(self, now_ms: int) -> dict[str, Any]:
        """Note the outcomes that agents report, and publish what is not decided."""
        noted = sum(self._note(row.enterprise, row.agent) for row in self._configs.undecided())
        rows = self._configs.undecided()
        return {"outcomes": noted, "published": self._publish(rows) if rows else 0, "undecided": len(rows)}

    def _publish(self, rows: list[ConfigRow]) -> int:
        address = self._address()
        if address is None:
            return 0
        leave_retained(address, {f"tanmai/v1/{row.enterprise}/{row.agent}/config": row.sealed for row in rows})
        return len(rows)

    def _note(self, enterprise: str, agent: str) -> int:
        outcome = self._said(enterprise, agent).get("outcome")
        if not isinstance(outcome, dict) or outcome.get("result") not in OUTCOMES:
            return 0
        version, at_ms = outcome.get("version"), outcome.get("at")
        if not isinstance(version, int) or not isinstance(at_ms, int):
            return 0
        why = str(outcome.get("why", ""))
        return int(self._configs.decided(enterprise, agent, version, outcome["result"], why, at_ms))

    def _said(self, enterprise: str, agent: str) -> dict[str, Any]:
        """An agent's word is taken as it comes: it may be of any version, or of anybody who has its token."""
        for row in self._statuses.of(enterprise):
            if row.agent == agent:
                document = json.loads(row.document)
                said = document.get("config") if isinstance(document, dict) else None
                return said if isinstance(said, dict) else {}
        return {}


def _problems(document: Document, text: str, enterprise: Enterprise) -> list[Problem]:
    """What the gateway can see: sections that may not be, devices that are not registered, too much of it."""
    root = document.root
    problems = list(document.problems)
    if len(text.encode()) > MAX_TEXT_BYTES:
        problems.append(document.problem((), f"larger than {MAX_TEXT_BYTES} bytes"))
    if not isinstance(root, dict) or not root:
        return [*problems, document.problem((), f"must be a mapping with some of {', '.join(SECTIONS)}")]
    sentence = f"cannot be changed from afar; only {', '.join(SECTIONS)} can"
    problems += [document.problem((key,), sentence) for key in root if key not in SECTIONS]
    registered = {device.id for device in enterprise.devices}
    devices = root.get("devices")
    for index, device in enumerate(devices if isinstance(devices, list) else ()):
        own = device.get("id") if isinstance(device, dict) else None
        if isinstance(own, Scalar) and own.text not in registered:
            message = f"{own.text} is not registered for {enterprise.id}: its readings would be set aside"
            problems.append(document.problem(("devices", index, "id"), message))
    return problems
