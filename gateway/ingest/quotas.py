"""How much an enterprise and each of its senders may send: token buckets. Pure; the time is handed in.

What stays true:
- A message passes while the buckets of its enterprise and of its sender hold anything, and is charged afterwards, by
  the readings it brought and its bytes. So a bucket may be overdrawn by a message or a group, and no message is too
  large ever to pass; what was overdrawn is waited for.
- A full bucket holds BURST_S seconds' worth, so that history drains after an outage.
- Nothing is thrown away here: `wait_s` says how long to hold somebody off, and the caller keeps or refuses the message.

Limits: counted in this process; of several that share the load each lets the quota through. MAX_SENDERS buckets are
remembered, those that were idle longest go first: an idle bucket is a full one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from collectors.clock import HOUR_MS

BURST_S = 60.0
MAX_SENDERS = 100_000

Key = tuple[str, str]  # enterprise, sender; the sender is "" for the enterprise as a whole


@dataclass(frozen=True, slots=True)
class Quota:
    """Rates; 0 = no limit."""

    readings_per_s: float = 0.0
    bytes_per_s: float = 0.0

    @property
    def is_set(self) -> bool:
        return self.readings_per_s > 0 or self.bytes_per_s > 0


@dataclass(slots=True)
class _Bucket:
    """What is left of one rate; below 0 = overdrawn."""

    rate_per_s: float
    left: float
    at_s: float

    def wait_s(self, now_s: float) -> float:
        """Seconds until something is left; 0 = now."""
        self.left = min(self.left + max(now_s - self.at_s, 0.0) * self.rate_per_s, self.rate_per_s * BURST_S)
        self.at_s = now_s
        return 0.0 if self.left > 0 else max(-self.left / self.rate_per_s, 0.001)


class Quotas:
    """Buckets of whoever sends. Threads may share it: a race costs a message's worth of exactness."""

    def __init__(
        self,
        enterprise: Quota,
        sender: Quota,
        on_exceeded: Callable[[str, str, int], None] = lambda enterprise, sender, hour_ms: None,
    ) -> None:
        """`on_exceeded` hears of an enterprise and sender at most once an hour."""
        self._quotas = {True: enterprise, False: sender}
        self._on_exceeded = on_exceeded
        self._buckets: OrderedDict[Key, tuple[_Bucket, ...]] = OrderedDict()
        self._told: dict[Key, int] = {}

    @property
    def are_set(self) -> bool:
        return any(quota.is_set for quota in self._quotas.values())

    def wait_s(self, enterprise: str, sender: str, now_s: float) -> float:
        """Seconds for which this sender is held off; 0 = its message passes."""
        keys = ((enterprise, ""), (enterprise, sender))
        return max((bucket.wait_s(now_s) for key in keys for bucket in self._of(key, now_s)), default=0.0)

    def charge(self, enterprise: str, sender: str, readings: int, size: int, now_s: float) -> None:
        """Take what a message brought out of the buckets."""
        for key in ((enterprise, ""), (enterprise, sender)):
            for bucket, amount in zip(self._of(key, now_s), self._amounts(key, readings, size), strict=True):
                bucket.left -= amount

    def exceeded(self, enterprise: str, sender: str, now_ms: int) -> None:
        """Tell of somebody who was held off, once an hour."""
        hour_ms = now_ms // HOUR_MS * HOUR_MS
        if self._told.get((enterprise, sender)) == hour_ms:
            return
        if len(self._told) >= MAX_SENDERS:
            self._told.clear()
        self._told[enterprise, sender] = hour_ms
        self._on_exceeded(enterprise, sender, hour_ms)

    def _of(self, key: Key, now_s: float) -> tuple[_Bucket, ...]:
        found = self._buckets.get(key)
        if found is None:
            quota = self._quotas[key[1] == ""]
            rates = [rate for rate in (quota.readings_per_s, quota.bytes_per_s) if rate > 0]
            found = self._buckets[key] = tuple(_Bucket(rate, rate * BURST_S, now_s) for rate in rates)
            if len(self._buckets) > MAX_SENDERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return found

    def _amounts(self, key: Key, readings: int, size: int) -> list[int]:
        quota = self._quotas[key[1] == ""]
        pairs = ((quota.readings_per_s, readings), (quota.bytes_per_s, size))
        return [amount for rate, amount in pairs if rate > 0]
