"""JSON with one spelling per value: sorted keys, no spaces, no escapes but the needed ones. Hashes cover this text."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """The text; raises ValueError for NaN and infinities, which are no JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(text: str) -> str:
    """SHA-256 over the text's UTF-8 bytes, hex."""
    return hashlib.sha256(text.encode()).hexdigest()
