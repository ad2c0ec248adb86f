"""How much an enterprise and each of its senders may send: token buckets. Pure; the time is handed in.

What stays true:
- A message passes while the buckets of its enterprise and of its sender hold anything, and is charged afterwards, by
  the readings it brought and its bytes. So a bucket may be overdrawn by the messages that are under way, and no message
  is too large ever to pass; what was overdrawn is waited for.
- A full bucket holds BURST_S seconds' worth, so that history drains after an outage.
- What the registry says of an enterprise or sender comes before the settings. A quota that changes begins full.
- Nothing is thrown away here: `held` says how long to hold somebody off, and the caller keeps or refuses the message.

Limits: counted in this process; of several that share the load each lets the quota through. MAX_SENDERS buckets are
remembered, those that were idle longest go first: an idle bucket is a full one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collectors.clock import HOUR_MS
from gateway.registry.model import Rates, Registry

BURST_S = 60.0
MAX_SENDERS = 100_000

Key = tuple[str, str]  # enterprise, sender; the sender is "" for the enterprise as a whole


@dataclass(frozen=True, slots=True)
class Quota:
    """Rates; 0 = no limit."""

    readings_per_s: float = 0.0
    bytes_per_s: float = 0.0

    def but(self, own: Rates | None) -> Quota:
        """This, with the rates that the registry states in their places."""
        if own is None:
            return self
        readings, size = own.readings_per_s, own.bytes_per_s
        return Quota(self.readings_per_s if readings is None else readings, self.bytes_per_s if size is None else size)

    @property
    def is_set(self) -> bool:
        return self.readings_per_s > 0 or self.bytes_per_s > 0


@dataclass(frozen=True, slots=True)
class Held:
    """Why a message is held off, and for how long."""

    wait_s: float
    quota: str  # out of NAMES, or DEVICE
    limit_per_s: float


NAMES = ("enterprise_readings", "enterprise_bytes", "sender_readings", "sender_bytes")
DEVICE = "device_readings"  # kept by gateway.ingest.device_quotas


@dataclass(slots=True)
class _Bucket:
    """What is left of one rate; below 0 = overdrawn."""

    name: str  # out of NAMES
    rate_per_s: float
    left: float
    at_s: float

    def wait_s(self, now_s: float) -> float:
        """Seconds until something is left; 0 = now."""
        self.left = min(self.left + max(now_s - self.at_s, 0.0) * self.rate_per_s, self.rate_per_s * BURST_S)
        self.at_s = now_s
        return 0.0 if self.left > 0 else max(-self.left / self.rate_per_s, 0.001)


OnExceeded = Callable[[str, str, int, Held], None]  # enterprise, sender or device, hour, why


class OncePerHour:
    """Tells of somebody at most once an hour. Safe to call from any thread."""

    def __init__(self, on_exceeded: OnExceeded) -> None:
        self._on_exceeded = on_exceeded
        self._lock = threading.Lock()
        self._told: dict[Key, int] = {}

    def tell(self, enterprise: str, subject: str, held: Held, now_ms: int) -> None:
        """Pass it on, unless it was within this hour."""
        hour_ms = now_ms // HOUR_MS * HOUR_MS
        with self._lock:
            if self._told.get((enterprise, subject)) == hour_ms:
                return
            if len(self._told) >= MAX_SENDERS:
                self._told.clear()
            self._told[enterprise, subject] = hour_ms
        self._on_exceeded(enterprise, subject, hour_ms, held)


class Quotas:
    """Buckets of whoever sends. Safe to call from any thread."""

    def __init__(self, enterprise: Quota, sender: Quota, on_exceeded: OnExceeded = lambda *_: None) -> None:
        """The settings' quotas. `on_exceeded` hears of an enterprise and sender at most once an hour."""
        self._usual = {True: enterprise, False: sender}
        self._told = OncePerHour(on_exceeded)
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._own: Mapping[Key, Rates] = {}
        self._buckets: OrderedDict[Key, tuple[_Bucket, ...]] = OrderedDict()

    @property
    def are_set(self) -> bool:
        return bool(self._own) or any(quota.is_set for quota in self._usual.values())

    def follow(self, registry: Registry) -> None:
        """From now on go by what this registry says; costs nothing while it is the same."""
        if registry is self._registry:
            return
        with self._lock:
            stood, self._own, self._registry = self._own, _own_rates(registry), registry
            for key in stood.keys() | self._own.keys():
                if stood.get(key) != self._own.get(key):
                    self._buckets.pop(key, None)

    def held(self, enterprise: str, sender: str, now_s: float) -> Held | None:
        """Why this sender is held off, by the quota that takes longest; None = its message passes."""
        with self._lock:
            buckets = [*self._of((enterprise, ""), now_s), *self._of((enterprise, sender), now_s)]
            waits = [Held(wait_s, one.name, one.rate_per_s) for one in buckets if (wait_s := one.wait_s(now_s)) > 0]
        return max(waits, key=lambda held: held.wait_s, default=None)

    def charge(self, enterprise: str, sender: str, readings: int, size: int, now_s: float) -> None:
        """Take what a message brought out of the buckets."""
        with self._lock:
            for key in ((enterprise, ""), (enterprise, sender)):
                for bucket in self._of(key, now_s):
                    bucket.left -= readings if bucket.name.endswith("readings") else size

    def exceeded(self, enterprise: str, sender: str, held: Held, now_ms: int) -> None:
        """Tell of somebody who was held off, once an hour."""
        self._told.tell(enterprise, sender, held, now_ms)

    def _of(self, key: Key, now_s: float) -> tuple[_Bucket, ...]:
        found = self._buckets.get(key)
        if found is None:
            whole = key[1] == ""
            quota = self._usual[whole].but(self._own.get(key))
            names = NAMES[:2] if whole else NAMES[2:]
            rates = zip(names, (quota.readings_per_s, quota.bytes_per_s), strict=True)
            found = tuple(_Bucket(name, rate, rate * BURST_S, now_s) for name, rate in rates if rate > 0)
            self._buckets[key] = found
            if len(self._buckets) > MAX_SENDERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return found


def _own_rates(registry: Registry) -> dict[Key, Rates]:
    """What the registry itself states."""
    found: dict[Key, Rates] = {}
    for enterprise in registry.enterprises.values():
        whole = Rates(enterprise.quota.readings_per_s, enterprise.quota.bytes_per_s)
        stated = {"": whole, **enterprise.quota.senders}
        found |= {(enterprise.id, sender): rates for sender, rates in stated.items() if rates != Rates()}
    return found
