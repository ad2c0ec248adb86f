"""Access tokens: who is calling, and in which role.

A token is `tm_<id>_<secret>`: 64 random bits that find its row and 256 random bits that prove it. It is shown once,
when it is issued; only a hash of the secret is kept. A device's token is also its password at the broker.

What stays true: a token that is unknown, malformed or revoked is nobody, without a reason given; a revoked one from
the very next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from collectors.errors import ConfigurationError
from gateway.registry.model import Registry
from gateway.store.token_repository import StoredToken, TokenRepository

Role = Literal["device", "enterprise", "park", "platform", "admin"]

_TOKEN = re.compile(r"tm_([0-9a-f]{16})_([0-9a-f]{64})\Z")
_PLATFORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    role: Role
    subject: str  # enterprise/agent, enterprise, park, platform's name, "" for admin
    token_id: str

    @property
    def enterprise(self) -> str | None:
        """The enterprise that a device or an enterprise's own token belongs to."""
        return self.subject.partition("/")[0] if self.role in ("device", "enterprise") else None

    @property
    def agent(self) -> str | None:
        """The agent, or the device that sends by itself, of a device's token."""
        return self.subject.partition("/")[2] if self.role == "device" else None


@dataclass(frozen=True, slots=True)
class Access:
    """Issues, checks and revokes tokens."""

    tokens: TokenRepository
    broker_hash: Callable[[str], str]  # a password -> what the broker keeps of it

    def issue(self, role: str, subject: str, registry: Registry, now_ms: int) -> str:
        """A new token's text. Raises ConfigurationError for an unknown role or a subject that is not registered."""
        rule = SUBJECTS.get(role)
        if rule is None:
            raise ConfigurationError(f"unknown role {role!r}; known are {', '.join(SUBJECTS)}")
        wrong = rule(subject, registry)
        if wrong:
            raise ConfigurationError(wrong)
        token_id, secret = secrets.token_hex(8), secrets.token_hex(32)
        text = f"tm_{token_id}_{secret}"
        broker_hash = self.broker_hash(text) if role == "device" else ""
        self.tokens.add(StoredToken(token_id, role, subject, _hash(secret), now_ms, broker_hash=broker_hash))
        return text

    def authenticate(self, token: str) -> Principal | None:
        """Who this token is, or None."""
        match = _TOKEN.match(token)
        stored = self.tokens.get(match[1]) if match else None
        if match is None or stored is None or stored.revoked_at_ms is not None:
            return None
        if not hmac.compare_digest(stored.secret_hash, _hash(match[2])):
            return None
        return Principal(cast(Role, stored.role), stored.subject, stored.id)

    def revoke(self, token_id: str, now_ms: int) -> None:
        """End a token at once; raises ConfigurationError if there is none with this id."""
        if not self.tokens.revoke(token_id, now_ms):
            raise ConfigurationError(f"there is no token {token_id!r}; `tanmai token list` shows their ids")

    def listed(self) -> list[StoredToken]:
        """All tokens, oldest first, without their secrets."""
        return self.tokens.tokens()


def _hash(secret: str) -> str:
    # A fast hash is right here: the secret is 256 random bits and no word that a person chose, so there is nothing to
    # guess that a slow hash would protect, and it is checked with every request.
    return hashlib.sha256(secret.encode()).hexdigest()


# --- subjects: what is wrong with one, or "" ------------------------------------------------------------------------


def _device(subject: str, registry: Registry) -> str:
    enterprise_id, _, sender = subject.partition("/")
    wrong = _enterprise(enterprise_id, registry)
    if wrong or not sender:
        return wrong or f"{subject!r} names no agent: write enterprise/agent, such as {enterprise_id}/edge-1"
    enterprise = registry.enterprises[enterprise_id]
    senders = [agent.id for agent in enterprise.agents] + [device.id for device in enterprise.devices]
    return (
        "" if sender in senders else f"{enterprise_id} has no agent or device {sender!r}; it has {', '.join(senders)}"
    )


def _enterprise(subject: str, registry: Registry) -> str:
    if subject in registry.enterprises:
        return ""
    return f"there is no enterprise {subject!r} in the registry; add it with `tanmai registry apply`"


def _park(subject: str, registry: Registry) -> str:
    if subject in registry.parks:
        return ""
    return f"there is no park {subject!r} in the registry; known are {', '.join(registry.parks) or 'none'}"


def _platform(subject: str, registry: Registry) -> str:
    return "" if _PLATFORM.match(subject) else f"{subject!r} is no platform's name: up to 64 letters, digits, - and _"


def _admin(subject: str, registry: Registry) -> str:
    return "" if subject == "" else f"an admin's token has no subject, not {subject!r}"


SUBJECTS: Mapping[str, Callable[[str, Registry], str]] = {
    "device": _device,
    "enterprise": _enterprise,
    "park": _park,
    "platform": _platform,
    "admin": _admin,
}
