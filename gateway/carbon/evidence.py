"""The digest of what an entry was made of: SHA-256 over readings or records in a canonical form.

Two digests are equal exactly if the same values at the same instants were used, whatever order they arrived in and
however often they were sent. `tanmai verify` computes it again from the raw store.

Of each point a digest covers the readings of the day and one neighbour on each side, because the steps over the
day's edges need them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gateway.carbon.usage import in_order
from gateway.store.timeseries import ReadingColumns


def digest_of_readings(readings: ReadingColumns, names: Mapping[int, str], start_ms: int, end_ms: int) -> str:
    """Digest of the points in `names` (point id -> "device.point") over start_ms <= time < end_ms and one neighbour.

    `readings` may hold more, in any order. Names and not ids are hashed: they are what a verifier can look up.
    """
    ordered = in_order(readings)
    digest = hashlib.sha256()
    for point_id, name in sorted(names.items(), key=lambda item: item[1]):
        first = int(np.searchsorted(ordered.point_id, point_id, "left"))
        end = int(np.searchsorted(ordered.point_id, point_id, "right"))
        at_ms = ordered.at_ms[first:end]
        inside = slice(
            first + max(int(np.searchsorted(at_ms, start_ms, "left")) - 1, 0),
            first + min(int(np.searchsorted(at_ms, end_ms, "left")) + 1, end - first),
        )
        digest.update(f"{name}\n{inside.stop - inside.start}\n".encode())
        digest.update(ordered.at_ms[inside].astype("<i8").tobytes())
        digest.update((ordered.value[inside] + 0.0).astype("<f8").tobytes())  # -0.0 is 0.0
        digest.update(ordered.quality[inside].astype("u1").tobytes())
    return digest.hexdigest()


def digest_of_records(records: Iterable[Mapping[str, Any]]) -> str:
    """Digest of activity records, each a mapping of JSON values with an "id"; their order does not matter."""
    ordered: Sequence[Mapping[str, Any]] = sorted(records, key=lambda record: str(record["id"]))
    return hashlib.sha256(canonical_json(list(ordered)).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, plain UTF-8, no NaN: one text for one value, so that it can be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
