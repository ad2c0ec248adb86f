"""How many readings a second a device may bring, whoever sends them: counted by the minute that the readings are of.

What stays true:
- Of each minute, by the readings' own time, as many readings of a device pass as its rate allows for a minute (rounded
  up), in the order in which they come; those beyond are set aside as `over_quota` and can be taken in again. So the
  other devices of its agent lose nothing by it, and what an agent brings late after an outage passes as in time.
- Only readings that were stored are counted, after their commit; what is taken in again is not asked.
- What the registry says of a device comes before the setting.
- In columns: Python sees a device and a minute, never a reading. Where no such quota is set nothing is computed.

Limits: counted in this process since it started; of several that share the load each lets the quota through. Groups
under way at once are judged by what was stored before them, so a minute may take that much more. MAX_MINUTES of
devices are remembered, those that were longest without readings go first; a minute that was forgotten begins anew.
See docs/decisions/0023-quota-of-a-device.md.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.ingest.columns import Cells, Mask
from gateway.ingest.quotas import DEVICE, Held, Key, OncePerHour, OnExceeded
from gateway.registry.model import Registry

MAX_MINUTES = 100_000
OVER_QUOTA_ADVICE = (
    "more readings than the device's quota has room for in that minute: have it polled less often or raise the quota; "
    "then `tanmai ingest set-aside replay --reason over_quota`"
)
_MINUTE_MS = 60_000
_SPAN = 2**32  # more minutes than there are in any clock

_DeviceMinute = tuple[Key, int]  # enterprise and device; minutes since 1970


@dataclass(frozen=True, slots=True)
class Weighed:
    """Readings of one commit, held against the quotas of their devices."""

    beyond: Mask  # per cell
    passed: Mapping[_DeviceMinute, int]  # readings that are to be counted once they are stored
    exceeded: Mapping[Key, float]  # devices with readings beyond -> their quota, readings a second


class DeviceQuotas:
    """Counts of whoever is measured. Safe to call from any thread."""

    def __init__(self, usual_per_s: float = 0.0, on_exceeded: OnExceeded = lambda *_: None) -> None:
        """The setting's rate, 0 = no limit. `on_exceeded` hears of a device at most once an hour."""
        self._usual_per_s = usual_per_s
        self._told = OncePerHour(on_exceeded)
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._own: Mapping[Key, float] = {}
        self._counts: OrderedDict[_DeviceMinute, int] = OrderedDict()

    def follow(self, registry: Registry) -> bool:
        """From now on go by what this registry says; gives whether anybody has a quota."""
        if registry is not self._registry:
            self._own, self._registry = _own_rates(registry), registry
        return bool(self._own) or self._usual_per_s > 0

    def weigh(self, cells: Cells, enterprises: Sequence[str], good: Mask) -> Weighed | None:
        """Which of the good readings are beyond their device's quota; `enterprises` has that of each batch.

        None where nobody in it has one.
        """
        owners = [
            (enterprises[batch], block.device)
            for batch, block in zip(cells.batch[cells.starts].tolist(), cells.blocks, strict=True)
        ]
        rates = {owner: rate for owner in set(owners) if (rate := self._own.get(owner, self._usual_per_s)) > 0}
        if not rates:
            return None
        limited = list(rates)
        number = {owner: place for place, owner in enumerate(limited)}
        of_block = np.array([number.get(owner, -1) for owner in owners], dtype=np.int64)
        of_cell = np.repeat(of_block, np.diff(cells.starts, append=cells.batch.size))
        weighed = np.flatnonzero(good & (of_cell >= 0))
        if not weighed.size:
            return None
        # Sorted by device and minute, each pair is one run, in the order in which its readings came.
        marks = of_cell[weighed] * _SPAN + cells.at_ms[weighed] // _MINUTE_MS
        order = np.argsort(marks, kind="stable")
        starts = np.flatnonzero(np.diff(marks[order], prepend=-1))
        sizes = np.diff(starts, append=marks.size)
        keys = [(limited[mark // _SPAN], mark % _SPAN) for mark in marks[order][starts].tolist()]
        most = np.array([math.ceil(rates[owner] * 60) for owner, _ in keys], dtype=np.int64)
        with self._lock:
            counted = np.array([self._counts.get(key, 0) for key in keys], dtype=np.int64)
        room = np.maximum(most - counted, 0)
        places = np.arange(marks.size) - np.repeat(starts, sizes)
        beyond = np.zeros(cells.batch.size, dtype=np.bool_)
        beyond[weighed[order[places >= np.repeat(room, sizes)]]] = True
        passed = dict(zip(keys, np.minimum(sizes, room).tolist(), strict=True))
        full = {keys[place][0] for place in np.flatnonzero(sizes > room).tolist()}
        return Weighed(beyond, passed, {owner: rates[owner] for owner in sorted(full)})

    def count(self, weighed: Weighed, now_ms: int) -> None:
        """What passed is stored: count it, and tell of those who were beyond."""
        with self._lock:
            for key, readings in weighed.passed.items():
                self._counts[key] = self._counts.get(key, 0) + readings
                self._counts.move_to_end(key)
            while len(self._counts) > MAX_MINUTES:
                self._counts.popitem(last=False)
        for (enterprise, device), rate in weighed.exceeded.items():
            self._told.tell(enterprise, device, Held(0.0, DEVICE, rate), now_ms)


def _own_rates(registry: Registry) -> dict[Key, float]:
    return {
        (enterprise.id, device): rate.readings_per_s
        for enterprise in registry.enterprises.values()
        for device, rate in enterprise.quota.devices.items()
    }
