"""Signatures of webhook messages, after the Standard Webhooks specification (standardwebhooks.com, 1.0): HMAC-SHA256.

What stays true: the signature covers id, time and body, byte for byte; so a message can neither be changed, nor be
played again much later by somebody who saw it. A receiver compares `signature_of(...)` of what came with what was
signed, and refuses times that are more than a few minutes off.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A secret in the form that Standard Webhooks libraries take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature_of(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers_of(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature_of(secret, message_id, at_s, body),
    }
