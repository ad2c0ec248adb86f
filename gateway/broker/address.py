"""Where an MQTT broker is and who we are there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from collectors.errors import ConfigurationError
from collectors.tls import NO_TLS_FILES, TlsFiles

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """An address as read from a URL. Its text does not show the password."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    files: TlsFiles = NO_TLS_FILES  # with tls: whom to believe, and our own certificate

    def __repr__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"

    @classmethod
    def of(cls, url: str, files: TlsFiles = NO_TLS_FILES) -> BrokerAddress:
        """mqtt(s)://user:password@host:port -> address; raises ConfigurationError."""
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ConfigurationError("the MQTT address must look like mqtt://user:password@host:1883 or mqtts://…")
        return cls(
            parts.hostname,
            parts.port or DEFAULT_PORTS[parts.scheme],
            parts.scheme == "mqtts",
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
            files,
        )
