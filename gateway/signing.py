"""The gateway's own signature under closed statements: Ed25519 (RFC 8032) over the stored body's bytes.

The private key is made at the first start and stays in the data directory, readable by its owner only. Whoever has
the public key can check a statement without this program.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from collectors.errors import ConfigurationError
from gateway.control import write_private

KEY_FILE = "keys/statements-ed25519.pem"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and checks statement bodies."""

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

    def sign(self, body: str) -> str:
        """Signature as URL-safe base64 without padding."""
        return base64.urlsafe_b64encode(self.private.sign(body.encode())).rstrip(b"=").decode()

    def signed(self, body: str, signature: str) -> bool:
        """Is this the signature under this body?"""
        return is_signed(self.private.public_key(), body, signature)


def is_signed(key: Ed25519PublicKey, body: str, signature: str) -> bool:
    try:
        key.verify(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)), body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
