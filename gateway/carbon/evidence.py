"""The digest of what an entry was made of: SHA-256 over readings or records in a canonical form.

Two digests are equal exactly if the same values at the same instants were used, whatever order they arrived in and
however often they were sent. `tanmai verify` computes it again from the raw store.

Of each point an entry's digest covers the readings of its day and one neighbour on each side, because the steps over
the day's edges need them; choosing those is the caller's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from gateway.carbon.usage import in_order
from gateway.store.timeseries import ReadingColumns


def digest_of_readings(readings: ReadingColumns) -> str:
    """Digest of one point's readings: instants, values and quality. Whose they are is `combined_digest`'s business."""
    at_ms = readings.at_ms
    ordered = readings if bool((at_ms[1:] > at_ms[:-1]).all()) else in_order(readings)
    digest = hashlib.sha256(f"{len(ordered)}\n".encode())
    digest.update(np.ascontiguousarray(ordered.at_ms, "<i8").data)
    digest.update(np.ascontiguousarray(ordered.value + 0.0, "<f8").data)  # -0.0 becomes 0.0: they are the same reading
    digest.update(np.ascontiguousarray(ordered.quality, "u1").data)
    return digest.hexdigest()


def combined_digest(parts: Iterable[tuple[str, str]]) -> str:
    """Digest of named parts, such as ("incomer-1.energy_import", digest of its readings); their order is no matter."""
    return hashlib.sha256(canonical_json(sorted(parts)).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, plain UTF-8, no NaN: one text for one value, so that it can be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
