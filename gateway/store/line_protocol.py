"""Columns to InfluxDB line protocol, and names to InfluxQL literals. Pure text.

What stays true: a float64 survives bit for bit, because `repr` gives the shortest digits that read back as the same
number and InfluxDB reads and prints the same way. Times are written in milliseconds.

Limit: line protocol cannot say an empty tag value, a line break in one, or a backslash that is not taken for an
escape by one server or another; such names are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from collectors.errors import StoreRefused
from gateway.store.timeseries import PointDirectory, PointRef, ReadingColumns, UsageColumns

READING = "reading"
USAGE = "usage_hourly"
TAGS = ("enterprise", "device", "point")
# Lines of one request: about 1 MB, far below the 25 MB that InfluxDB 1.x takes by default.
LINES_PER_WRITE = 10_000

_QUALITY = [f",quality={quality}i ".encode() for quality in range(256)]
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\\]")
_ESCAPED = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_QUOTED = str.maketrans({"'": r"\'", "\\": r"\\"})


class SeriesKeys:
    """Measurement and tags of each point as they open a line; made once, for a point never changes who it is."""

    def __init__(self, directory: PointDirectory) -> None:
        self._directory = directory
        self._tags: dict[int, str] = {}

    def of(self, measurement: str, point_ids: list[int]) -> dict[int, str]:
        """point_id -> `measurement,enterprise=…,device=…,point=…`; raises StoreRefused for an unwritable name."""
        return {point_id: f"{measurement},{self._tag_set(point_id)}" for point_id in dict.fromkeys(point_ids)}

    def _tag_set(self, point_id: int) -> str:
        known = self._tags.get(point_id)
        if known is None:
            known = self._tags[point_id] = tag_set(self._directory(point_id))
        return known


def tag_set(ref: PointRef) -> str:
    """`enterprise=…,device=…,point=…`, escaped."""
    return ",".join(f"{tag}={_tag_value(tag, getattr(ref, tag))}" for tag in TAGS)


def _tag_value(tag: str, name: str) -> str:
    if not name or _UNWRITABLE.search(name):
        raise StoreRefused(
            f"{tag} {name!r} cannot be written to InfluxDB: a name there is not empty and holds no backslash or "
            "control character. Rename it in the registry."
        )
    return name.translate(_ESCAPED)


def reading_lines(readings: ReadingColumns, keys: SeriesKeys) -> bytes:
    """One line per reading: fields value (float) and quality (integer).

    Column by column, joined once: a third of the time that a formatted line per reading takes.
    """
    points = readings.point_id.tolist()
    opening = {point: f"\n{start} value=".encode() for point, start in keys.of(READING, points).items()}
    parts: list[bytes] = [b""] * (4 * len(points))
    parts[0::4] = [opening[point] for point in points]
    parts[1::4] = _texts(readings.value.tolist())
    parts[2::4] = [_QUALITY[quality] for quality in readings.quality.tolist()]
    parts[3::4] = _texts(readings.at_ms.tolist())
    return b"".join(parts)[1:]


def _texts(numbers: list[float] | list[int]) -> list[bytes]:
    """The shortest text of each number that gives the same number again."""
    return msgspec.json.encode(numbers)[1:-1].split(b",") if numbers else []


def usage_lines(usage: UsageColumns, keys: SeriesKeys) -> bytes:
    """One line per point and hour: integer fields amount_u, estimated_u, covered_ms."""
    points = usage.point_id.tolist()
    opening = keys.of(USAGE, points)
    rows = zip(
        points,
        usage.amount_u.tolist(),
        usage.estimated_u.tolist(),
        usage.covered_ms.tolist(),
        usage.hour_ms.tolist(),
        strict=True,
    )
    lines = [
        f"{opening[point]} amount_u={amount}i,estimated_u={estimated}i,covered_ms={covered}i {hour_ms}"
        for point, amount, estimated, covered, hour_ms in rows
    ]
    return "\n".join(lines).encode()


def slices(rows: int) -> Iterator[slice]:
    """Row ranges of at most LINES_PER_WRITE."""
    for start in range(0, rows, LINES_PER_WRITE):
        yield slice(start, min(start + LINES_PER_WRITE, rows))


def series_condition(refs: list[PointRef]) -> str:
    """An InfluxQL condition that holds for exactly these points."""
    by_enterprise: dict[str, dict[str, list[str]]] = {}
    for ref in refs:
        by_enterprise.setdefault(ref.enterprise, {}).setdefault(ref.device, []).append(ref.point)
    return " OR ".join(
        f"({_equals('enterprise', enterprise)} AND ({' OR '.join(_device(*item) for item in devices.items())}))"
        for enterprise, devices in by_enterprise.items()
    )


def _device(device: str, points: list[str]) -> str:
    return f"({_equals('device', device)} AND ({' OR '.join(_equals('point', point) for point in points)}))"


def _equals(tag: str, name: str) -> str:
    return f"\"{tag}\" = '{name.translate(_QUOTED)}'"
