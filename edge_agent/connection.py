"""How to reach the gateway's broker, who we are there, which MQTT version to speak and how long to wait. No I/O.

MQTT 5 is tried first. A broker that knows only 3.1.1 says so in its answer (MQTT 3.1.1, clause 3.1.2.2), or ends the
connection without one; then 3.1.1 is tried. What was found holds for this process, and MQTT 5 is tried again
REFUSAL_KEPT_S after a refusal, with the next new connection: brokers are brought up to date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from collectors.tls import NO_TLS_FILES, TlsFiles

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
FIRST_RECONNECT_S = 1.0
LONGEST_RECONNECT_S = 30.0
REFUSAL_KEPT_S = 3600.0

Version = Literal["5", "3.1.1"]
VERSIONS: tuple[str, ...] = ("auto", "5", "3.1.1")


@dataclass(frozen=True, slots=True)
class Connection:
    """An address, a name there, and how to speak."""

    url: str  # mqtt://host[:port] or mqtts://host[:port]
    enterprise: str
    agent: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles = NO_TLS_FILES  # mqtts only
    version: str = "auto"  # one of VERSIONS

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def client_id(self) -> str:
        return f"tanmai-{self.enterprise}-{self.agent}"

    def topic(self, leaf: str) -> str:
        return f"tanmai/v1/{self.enterprise}/{self.agent}/{leaf}"


class VersionChoice:
    """Which MQTT version the next connection speaks."""

    def __init__(self, wanted: str = "auto") -> None:
        self._fixed: Version | None = "5" if wanted == "5" else "3.1.1" if wanted == "3.1.1" else None
        self._next: Version = "5"
        self._refused_s: float | None = None  # when MQTT 5 was found not to be had

    def choose(self, now_s: float) -> Version:
        """For a connection that is made now."""
        if self._fixed is not None:
            return self._fixed
        if self._refused_s is not None and now_s - self._refused_s > REFUSAL_KEPT_S:
            self._refused_s = None
            self._next = "5"
        return self._next

    def refused(self, version: Version, now_s: float) -> bool:
        """The broker does not speak it; whether there is another version to try at once."""
        if self._fixed is not None or version != "5":
            return False
        self._next = "3.1.1"
        self._refused_s = now_s
        return True

    def unanswered(self, version: Version) -> None:
        """The connection ended before the broker said anything: try the other one, until one stands."""
        if self._fixed is None and self._refused_s is None:
            self._next = "3.1.1" if version == "5" else "5"

    def stood(self, version: Version, now_s: float) -> None:
        """This one works."""
        if version == "3.1.1" and self._refused_s is None:
            self._refused_s = now_s
        self._next = version


def reconnect_delay_s(attempt: int, chance: float) -> float:
    """Wait before the n-th attempt after the first; `chance` out of [0, 1) shortens it by up to half."""
    longest = min(FIRST_RECONNECT_S * 2 ** min(attempt, 16), LONGEST_RECONNECT_S)
    return float(longest * (1 - chance / 2))
