"""How a source names the points that feed it: `incomer-1.energy_import`, `-tenant.energy_import`, or with a share."""

from __future__ import annotations

from decimal import Decimal

from gateway.registry.file_shape import FeedShape
from gateway.registry.model import Feed


def feed_of(written: str | FeedShape) -> Feed:
    """Raises ValueError with a sentence for what is no feed."""
    if isinstance(written, str):
        negative = written.startswith("-")
        written = FeedShape(written[1:] if negative else written, sign=-1 if negative else 1)
    device, dot, point = written.point.partition(".")
    if not (device and dot and point):
        raise ValueError(f"{written.point!r} names no point: write device.point, such as incomer-1.energy_import")
    if not 0 < written.share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, not {written.share}; to subtract, write sign: -1")
    return Feed(device, point, f"{(written.share * written.sign).normalize():f}")


def written_form(feed: Feed) -> str | dict[str, object]:
    """The shortest form that `feed_of` reads as this feed."""
    share = Decimal(feed.share)
    name = f"{feed.device}.{feed.point}"
    if abs(share) == 1:
        return name if share > 0 else f"-{name}"
    return {"point": name, "share": abs(share)} | ({"sign": -1} if share < 0 else {})
