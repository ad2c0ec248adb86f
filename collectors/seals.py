"""Seals: an Ed25519 signature (RFC 8032) in front of the bytes that it signs.

A sealed message is

    89 54 53 31            magic, no text in UTF-8 and no compressed stream begins so
    32 bytes               key id: the SHA-256 thumbprint of the public key (RFC 7638, RFC 8037)
    64 bytes               the signature
    …                      the payload, exactly as it was signed

What is signed is `tanmai-<purpose>-v1 LF <enterprise>/<agent> LF payload`: a seal made for one purpose or one agent is
none for another, whoever holds the key. Over HTTP the signature travels in a header as text, `KEYID.SIGNATURE`, and the
payload stays as it is; `Signature.parse` and `seal` make the same sealed bytes of it again, so that everything behind
the door knows one form only (docs/decisions/0012-seals.md says why MQTT 5 properties do not carry it).

Public keys are written `ed25519:` and 43 characters of URL-safe base64, key ids as those 43 characters alone.

Limits: no encryption; nothing here says when a signature was made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from collectors.errors import ConfigurationError

MAGIC = b"\x89TS1"
KEY_ID_BYTES = 32
SIGNATURE_BYTES = 64
SEAL_BYTES = len(MAGIC) + KEY_ID_BYTES + SIGNATURE_BYTES
SIGNATURE_HEADER = "Tanmai-Signature"  # of an HTTP request
PUBLIC_KEY_PREFIX = "ed25519:"

Purpose = Literal["batch", "config"]


class NoSeal(ValueError):
    """Bytes or text that should be a seal and are none."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who says that they signed, and the signature. Nothing is proven before `PublicKey.verifies`."""

    raw_key_id: bytes
    value: bytes

    @property
    def key_id(self) -> str:
        return encoded(self.raw_key_id)

    @property
    def text(self) -> str:
        """As an HTTP header says it."""
        return f"{self.key_id}.{encoded(self.value)}"

    @classmethod
    def parse(cls, text: str) -> Signature:
        """`KEYID.SIGNATURE` -> Signature; raises NoSeal."""
        key_id, _, value = text.partition(".")
        try:
            found = cls(decoded(key_id), decoded(value))
        except ValueError as error:
            raise NoSeal(f"a signature is KEYID.SIGNATURE in URL-safe base64: {error}") from error
        if len(found.raw_key_id) != KEY_ID_BYTES or len(found.value) != SIGNATURE_BYTES:
            raise NoSeal(f"a key id has {KEY_ID_BYTES} bytes and a signature {SIGNATURE_BYTES}")
        return found


def seal(payload: bytes, signature: Signature) -> bytes:
    """The signature in front of what it signs."""
    return b"".join((MAGIC, signature.raw_key_id, signature.value, payload))


def is_sealed(message: bytes) -> bool:
    return message.startswith(MAGIC)


def opened(message: bytes) -> tuple[Signature, bytes]:
    """Sealed bytes -> what they claim and the payload; raises NoSeal. Proves nothing."""
    if not is_sealed(message) or len(message) < SEAL_BYTES:
        raise NoSeal("the message ends within its seal" if is_sealed(message) else "the message has no seal")
    key_id_end = len(MAGIC) + KEY_ID_BYTES
    return Signature(message[len(MAGIC) : key_id_end], message[key_id_end:SEAL_BYTES]), message[SEAL_BYTES:]


def signed_bytes(purpose: Purpose, enterprise: str, agent: str, payload: bytes) -> bytes:
    """What a signature is made of: purpose and agent, then the payload."""
    return f"tanmai-{purpose}-v1\n{enterprise}/{agent}\n".encode() + payload


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with."""

    raw: bytes
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.raw))

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """`ed25519:…` -> PublicKey; raises ValueError with a sentence for whoever wrote it."""
        wanted = (
            f"must be a public key such as {PUBLIC_KEY_PREFIX} and 43 characters, as `tanmai edge keygen` prints it"
        )
        if not text.startswith(PUBLIC_KEY_PREFIX):
            raise ValueError(wanted)
        try:
            return cls(decoded(text.removeprefix(PUBLIC_KEY_PREFIX)))
        except ValueError as error:
            raise ValueError(wanted) from error

    @property
    def text(self) -> str:
        return PUBLIC_KEY_PREFIX + encoded(self.raw)

    @property
    def raw_key_id(self) -> bytes:
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": encoded(self.raw)}, separators=(",", ":"))
        return hashlib.sha256(members.encode()).digest()

    @property
    def key_id(self) -> str:
        return encoded(self.raw_key_id)

    def verifies(self, signature: Signature, purpose: Purpose, enterprise: str, agent: str, payload: bytes) -> bool:
        """Whether this key made this signature over this payload, for this purpose and agent."""
        try:
            self._key.verify(signature.value, signed_bytes(purpose, enterprise, agent, payload))
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """A private key and its public half. Its text shows nothing secret."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = PublicKey(raw)
        self._raw_key_id = self.public.raw_key_id

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"

    @classmethod
    def make(cls, path: Path) -> SigningKey:
        """A new key in a new file that only its owner may read; raises FileExistsError rather than lose an old one."""
        private = Ed25519PrivateKey.generate()
        text = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)  # whole or not at all, and never over another
        finally:
            beside.unlink()
        return cls(private)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key; raises ConfigurationError if it is missing, no Ed25519 key, or readable by others."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            open_to_others = path.stat().st_mode & 0o077
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{path}: is no readable private key ({error})") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(f"{path}: must be an Ed25519 key; `tanmai edge keygen` makes one")
        if open_to_others:
            raise ConfigurationError(f"{path}: others may read this private key; chmod 600 it")
        return cls(key)

    def sign(self, purpose: Purpose, enterprise: str, agent: str, payload: bytes) -> Signature:
        return Signature(self._raw_key_id, self._private.sign(signed_bytes(purpose, enterprise, agent, payload)))


def encoded(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515, clause 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of `encoded`; raises ValueError for any other spelling, so that one value has one text."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not URL-safe base64: {error}") from error
    if encoded(data) != text:
        raise ValueError("not URL-safe base64 without padding")
    return data
