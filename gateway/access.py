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
from types import MappingProxyType
from typing import Literal, cast

from collectors.errors import ConfigurationError
from gateway.registry.model import Enterprise, Registry
from gateway.store.token_repository import StoredToken, TokenRepository

Role = Literal["device", "enterprise", "park", "platform", "admin"]

_TOKEN = re.compile(r"tm_([0-9a-f]{16})_([0-9a-f]{64})\Z")
MAX_REMEMBERED = 256  # roles and subjects whose enterprises are remembered
_ID = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


@dataclass(frozen=True, slots=True)
class SubjectForm:
    """Whom a token of a role can be for."""

    pattern: re.Pattern[str]
    words: str


SUBJECTS: Mapping[Role, SubjectForm] = {
    "device": SubjectForm(re.compile(rf"[0-9A-Z]{{18}}/{_ID}\Z"), "enterprise/agent"),
    "enterprise": SubjectForm(re.compile(r"[0-9A-Z]{18}\Z"), "an enterprise's credit code"),
    "park": SubjectForm(re.compile(rf"{_ID}\Z"), "a park's id"),
    "platform": SubjectForm(re.compile(rf"{_ID}\Z"), "a platform's name"),
    "admin": SubjectForm(re.compile(r"\Z"), "empty"),
}
ROLES: tuple[Role, ...] = tuple(SUBJECTS)


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


# role -> may this subject see this enterprise?
_SEES: Mapping[str, Callable[[str, Enterprise], bool]] = {
    "admin": lambda subject, enterprise: True,
    "park": lambda subject, enterprise: enterprise.park == subject,
    "enterprise": lambda subject, enterprise: enterprise.id == subject,
    "platform": lambda subject, enterprise: "platform" in enterprise.consents or subject in enterprise.consents,
}


def sees(principal: Principal, enterprise: Enterprise) -> bool:
    """Whether somebody may see this enterprise's account."""
    rule = _SEES.get(principal.role)
    return rule is not None and rule(principal.subject, enterprise)


def visible_enterprises(registry: Registry, principal: Principal) -> Mapping[str, Enterprise]:
    """What somebody may see, by id in order; worked out once for each version of the registry."""
    key = principal.role, principal.subject
    found = registry.chosen.get(key)
    if found is None:
        if len(registry.chosen) >= MAX_REMEMBERED:
            registry.chosen.clear()
        every = ((own, registry.enterprises[own]) for own in registry.ids)
        found = MappingProxyType({own: enterprise for own, enterprise in every if sees(principal, enterprise)})
        registry.chosen[key] = found
    return found


class Access:
    """Issues, checks and revokes tokens. Whether a subject is registered is for the caller to check."""

    def __init__(self, tokens: TokenRepository, broker_hash: Callable[[str], str]) -> None:
        self._tokens = tokens
        self._broker_hash = broker_hash  # a password -> what the broker keeps of it

    def issue(self, role: str, subject: str, now_ms: int) -> str:
        """A new token's text. Raises ConfigurationError for an unknown role or a subject that cannot be one's."""
        form = SUBJECTS.get(cast(Role, role))
        if form is None:
            raise ConfigurationError(f"unknown role {role!r}; known are {', '.join(ROLES)}")
        if not form.pattern.match(subject):
            raise ConfigurationError(f"the subject of a token for {role} is {form.words}, not {subject!r}")
        token_id, secret = secrets.token_hex(8), secrets.token_hex(32)
        text = f"tm_{token_id}_{secret}"
        broker_hash = self._broker_hash(text) if role == "device" else ""
        self._tokens.add(StoredToken(token_id, role, subject, _hash(secret), now_ms, broker_hash=broker_hash))
        return text

    def authenticate(self, token: str) -> Principal | None:
        """Who this token is, or None."""
        match = _TOKEN.match(token)
        stored = self._tokens.get(match[1]) if match else None
        if match is None or stored is None or stored.revoked_at_ms is not None:
            return None
        if not hmac.compare_digest(stored.secret_hash, _hash(match[2])):
            return None
        return Principal(cast(Role, stored.role), stored.subject, stored.id)

    def revoke(self, token_id: str, now_ms: int) -> bool:
        """End a token at once; False if none with this id is in force."""
        return self._tokens.revoke(token_id, now_ms)

    def tokens(self) -> list[StoredToken]:
        """All tokens, oldest first; their secrets are not known here."""
        return self._tokens.tokens()


def _hash(secret: str) -> str:
    # A fast hash is right here: the secret is 256 random bits and no word that a person chose, so there is nothing to
    # guess that a slow hash would protect, and it is checked with every request.
    return hashlib.sha256(secret.encode()).hexdigest()
