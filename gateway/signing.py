"""The gateway's own signature under closed statements and daily roots: a JWS (RFC 7515) with Ed25519 (RFC 8037).

A signature is a compact JWS with its payload left out (RFC 7515, appendix F), `header..signature`; the payload is the
signed text, which stands beside it. `attached` puts it back in, for whoever has a JOSE library at hand. The header's
`typ` says what was signed, so that a signature under one kind of text is none under another, and `kid` is the
thumbprint of the key (RFC 7638).

The private key is made at the first start and stays in the data directory, readable by its owner only. Whoever has
the public key can check a statement or a root without this program.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.errors import ConfigurationError
from gateway.control import write_private

KEY_FILE = "keys/statements-ed25519.pem"

Kind = Literal["tanmai-statement", "tanmai-root", "tanmai-footprint"]


@dataclass(frozen=True)
class Signer:
    """Signs and checks texts."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, data_path: Path) -> Signer:
        """The data directory's key, made now if there is none; ConfigurationError if it cannot be read."""
        path = data_path / KEY_FILE
        if not path.exists():
            fresh = Ed25519PrivateKey.generate()
            text = fresh.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, text.decode())
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{path}: is no readable private key ({error}); put the key back from a backup, since statements "
                "signed before cannot be checked with a new one"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(f"{path}: must be an Ed25519 key")
        return cls(key)

    @property
    def public_pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @cached_property
    def key_id(self) -> str:
        """The thumbprint of the public key (RFC 7638, over the members that RFC 8037 names)."""
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _encoded(raw)}, separators=(",", ":"))
        return _encoded(hashlib.sha256(members.encode()).digest())

    def sign(self, kind: Kind, text: str) -> str:
        """The signature under a text."""
        header = self._header(kind)
        return f"{header}..{_encoded(self.private.sign(_signing_input(header, text)))}"

    def signed(self, kind: Kind, text: str, signature: str) -> bool:
        """Is this our signature under this text, made for texts of this kind?"""
        header, _, value = signature.partition("..")
        if header != self._header(kind):
            return False
        try:
            self.private.public_key().verify(_decoded(value), _signing_input(header, text))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _header(self, kind: Kind) -> str:
        members = {"alg": "EdDSA", "kid": self.key_id, "typ": kind}
        return _encoded(json.dumps(members, separators=(",", ":")).encode())


def attached(text: str, signature: str) -> str:
    """The compact JWS with its payload in it."""
    return signature.replace("..", f".{_encoded(text.encode())}.", 1)


def _signing_input(header: str, text: str) -> bytes:
    return f"{header}.{_encoded(text.encode())}".encode()


def _encoded(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515, clause 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
