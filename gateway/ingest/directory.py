"""Who is who for ingest: a registry snapshot turned into look-ups that cost next to nothing per block.

What stays true: a `Directory` belongs to one registry snapshot and never changes its answers.
Limits: MAX_CACHED_BLOCKS shapes of blocks are remembered; then the memory starts afresh.
"""

from __future__ import annotations

import numpy as np

from gateway.ingest.signatures import Signers
from gateway.registry.model import Registry
from gateway.store.timeseries import Int32s

UNKNOWN_POINT = -1
UNKNOWN_DEVICE = -2
MAX_CACHED_BLOCKS = 100_000


class Directory:
    """Look-ups over one registry snapshot. Used by one thread at a time or by many: a lost cache entry is remade."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.signers = Signers(registry)
        self._agents = {
            (enterprise.id, agent.id) for enterprise in registry.enterprises.values() for agent in enterprise.agents
        }
        self._devices = {
            (enterprise.id, device.id) for enterprise in registry.enterprises.values() for device in enterprise.devices
        }
        self._enterprises = frozenset(registry.enterprises)
        self._points = registry.points_by_name
        self._blocks: dict[tuple[str, str, tuple[str, ...]], Int32s] = {}

    def has_enterprise(self, enterprise: str) -> bool:
        return enterprise in self._enterprises

    def has_agent(self, enterprise: str, agent: str) -> bool:
        return (enterprise, agent) in self._agents

    def has_device(self, enterprise: str, device: str) -> bool:
        return (enterprise, device) in self._devices

    def point_ids(self, enterprise: str, device: str, points: tuple[str, ...]) -> Int32s:
        """One id per point, or UNKNOWN_DEVICE, UNKNOWN_POINT. Do not write to the answer: it is shared."""
        key = enterprise, device, points
        found = self._blocks.get(key)
        if found is None:
            found = self._look_up(enterprise, device, points)
            if len(self._blocks) >= MAX_CACHED_BLOCKS:
                self._blocks.clear()
            self._blocks[key] = found
        return found

    def _look_up(self, enterprise: str, device: str, points: tuple[str, ...]) -> Int32s:
        if not self.has_device(enterprise, device):
            return np.full(len(points), UNKNOWN_DEVICE, dtype=np.int32)
        known = (self._points.get((enterprise, device, point)) for point in points)
        return np.array([UNKNOWN_POINT if one is None else one.point_id for one in known], dtype=np.int32)


class Directories:
    """Keeps the directory of the newest snapshot, so that it is made once for as long as the snapshot is current."""

    def __init__(self) -> None:
        self._newest: tuple[Registry, Directory] | None = None

    def of(self, registry: Registry) -> Directory:
        newest = self._newest
        if newest is None or newest[0] is not registry:
            newest = registry, Directory(registry)
            self._newest = newest
        return newest[1]
