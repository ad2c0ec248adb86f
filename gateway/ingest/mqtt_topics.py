"""Topics of ingest: whose message stands under which, of what form it is, and where its receipt goes.

What stays true: the sender is the one that the topic names, which the broker's rights bind to a credential.
Limits: MAX_ROUTES topics are remembered; then the memory starts afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.ingest.intake import Form

# Last level of the topic -> the form of its messages.
FORMS: dict[str, Form] = {"readings": "batch", "telemetry": "telemetry", "status": "batch"}
MAX_ROUTES = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """What a topic says."""

    enterprise: str
    sender: str  # agent, or device for telemetry
    kind: str  # readings | telemetry | status
    form: Form
    receipts: bytes  # the topic of the answer


class Routes:
    """Routes by topic, read once each. Used by one thread."""

    def __init__(self, takes: Callable[[str], bool]) -> None:
        """`takes` says whether an enterprise's messages are for this process."""
        self._takes = takes
        self._known: dict[bytes, Route | None] = {}

    def of(self, topic: bytes) -> Route | None:
        """None for a topic that says nothing to us, or is for another process."""
        try:
            return self._known[topic]
        except KeyError:
            if len(self._known) >= MAX_ROUTES:
                self._known.clear()
            route = route_of(topic)
            self._known[topic] = route if route is not None and self._takes(route.enterprise) else None
            return self._known[topic]


def route_of(topic: bytes) -> Route | None:
    """tanmai/v1/{enterprise}/{sender}/{kind}, or None."""
    try:
        levels = topic.decode().split("/")
    except UnicodeDecodeError:
        return None
    if len(levels) != 5 or levels[4] not in FORMS:
        return None
    _, _, enterprise, sender, kind = levels
    return Route(enterprise, sender, kind, FORMS[kind], f"tanmai/v1/{enterprise}/{sender}/receipts".encode())
