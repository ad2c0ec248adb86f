"""Who may say and hear what at the broker, in the words of each broker.

An agent publishes its own readings and status and any telemetry of its enterprise, and hears its own receipts and
configuration; nothing of another enterprise, nothing of another agent. The gateway may do everything under `tanmai/v1`.

Passwords are device tokens: 256 random bits. `password_hash` keeps two hashes side by side, since each broker knows
only its own kind: PBKDF2-SHA512 as mosquitto writes it (`$7$`), and bcrypt for NATS. Both are made cheap on purpose:
a secret that cannot be guessed needs no slow hash, and an agent that reconnects should not cost 100 ms.
Limit: bcrypt takes 72 bytes; what follows is not compared (a token is still far beyond guessing).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import bcrypt

GATEWAY_USER = "tanmai-gateway"
PBKDF2_ROUNDS = 101  # mosquitto's own default
BCRYPT_COST = 4
BCRYPT_BYTES = 72

# No wildcard, no separator of topics or files, nothing that a line-based file could take for more than a name.
_NAME = re.compile(r"[^\s/+#:\"\\\x00-\x1f]{1,64}")


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """A user of the broker. Topics are MQTT filters; `+` and `#` as usual."""

    username: str
    password_hash: str  # of `password_hash`
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    @property
    def mosquitto_hash(self) -> str:
        return self.password_hash.split(" ")[0]

    @property
    def nats_hash(self) -> str:
        return self.password_hash.split(" ")[1]


def password_hash(password: str) -> str:
    """Both brokers' hashes of a password, with a blank in between; about 170 characters."""
    salt = os.urandom(12)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PBKDF2_ROUNDS)
    mosquitto = f"$7${PBKDF2_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"
    nats = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_COST)).decode()
    return f"{mosquitto} {nats}"


def agent_account(enterprise: str, agent: str, hashed: str) -> BrokerAccount:
    """The account of one agent; its user is `enterprise/agent`. Raises ValueError for names that could widen it."""
    for name in (enterprise, agent):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a topic: use letters, digits, dots, dashes and underscores")
    own = f"tanmai/v1/{enterprise}/{agent}"
    return BrokerAccount(
        f"{enterprise}/{agent}",
        hashed,
        publish=(f"{own}/readings", f"{own}/status", f"tanmai/v1/{enterprise}/+/telemetry"),
        subscribe=(f"{own}/receipts", f"{own}/config"),
    )


def gateway_account(hashed: str, username: str = GATEWAY_USER) -> BrokerAccount:
    return BrokerAccount(username, hashed, publish=("tanmai/v1/#",), subscribe=("tanmai/v1/#",))


def mosquitto_passwords(accounts: Iterable[BrokerAccount]) -> str:
    """The password file."""
    return "".join(f"{account.username}:{account.mosquitto_hash}\n" for account in accounts)


def mosquitto_acl(accounts: Iterable[BrokerAccount]) -> str:
    """The ACL file."""
    lines: list[str] = []
    for account in accounts:
        lines.append(f"user {account.username}")
        lines += [f"topic write {topic}" for topic in account.publish]
        lines += [f"topic read {topic}" for topic in account.subscribe]
        lines.append("")
    return "\n".join(lines)


def nats_users(accounts: Iterable[BrokerAccount]) -> str:
    """The `authorization` block. JSON strings are valid in NATS configuration.

    `$MQTT.sub.>` is where the server itself delivers QoS 1 to a session; MQTT clients cannot name it, and other
    kinds of connections are not allowed to these users.
    """
    users = ",\n".join(
        json.dumps(
            {
                "user": account.username,
                "password": account.nats_hash,
                "allowed_connection_types": ["MQTT"],
                "permissions": {
                    "publish": {"allow": [nats_subject(topic) for topic in account.publish]},
                    "subscribe": {"allow": [*map(nats_subject, account.subscribe), "$MQTT.sub.>"]},
                },
            }
        )
        for account in accounts
    )
    return f"authorization {{ users = [\n{users}\n] }}\n"


def nats_subject(topic: str) -> str:
    """An MQTT filter as NATS spells it: `a/b` is `a.b`, a dot within a level is `//`, `+` is `*`, `#` is `>`.

    (docs.nats.io, "MQTT", topics and subjects.)
    """
    levels = [{"+": "*", "#": ">"}.get(level, level.replace(".", "//")) for level in topic.split("/")]
    return ".".join(levels)
