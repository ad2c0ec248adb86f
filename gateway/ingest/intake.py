"""What ingest is given and what it hands on: arrivals, and the stores they go to.

`Intake` bundles the stores behind small protocols, so that ingest knows neither DuckDB nor SQL. One `Intake` serves
MQTT and HTTP alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from collectors.clock import HOUR_MS, from_ms
from gateway.ingest.device_quotas import DeviceQuotas
from gateway.ingest.directory import Directories, Directory
from gateway.ingest.quotas import Quota, Quotas
from gateway.ingest.signatures import Signed
from gateway.registry.model import Registry
from gateway.store.ingest_rows import BatchKey, BatchRow, SetAsideRow, StatusRow
from gateway.store.timeseries import TimeSeriesStore

OLDEST_MS = 1_420_070_400_000  # 2015-01-01T00:00:00Z: before this nobody had our meters

Form = Literal["batch", "telemetry"]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One message, with the identity that the transport vouches for."""

    enterprise: str  # from the topic (bound to the credential by the broker) or from the token
    sender: str  # agent, or device for telemetry
    payload: bytes
    form: Form = "batch"
    credential: str = ""  # "enterprise/sender" of the token, where the transport knows it; "" = the broker checked it
    again: str = ""  # the batch id for what was set aside and comes in again: its own may stand for the rest of it
    came_ms: int | None = None  # when it first came, if that was not now
    part_of: Signed | None = None  # for a part of a batch that comes in again: what the whole was found to be


class Batches(Protocol):
    """Raises StoreUnavailable or StoreRefused, as every protocol here."""

    def known(self, keys: Sequence[BatchKey]) -> Mapping[BatchKey, BatchRow]:
        """Those of the batches that were seen before."""

    def record(self, batches: Iterable[BatchRow], set_aside: Iterable[SetAsideRow]) -> Mapping[BatchKey, BatchRow]:
        """Remember batches and what was set aside, in one transaction.

        Gives those of the batches that are known already, as they stand; if there are any, nothing was written.
        """


class AgentStatuses(Protocol):
    def put(self, rows: Sequence[StatusRow]) -> None:
        """Replace what was known of these agents."""


@dataclass(frozen=True, slots=True)
class IngestLimits:
    future_ms: int = 600_000  # how far ahead of our clock a reading may be
    oldest_ms: int = OLDEST_MS
    raw_kept_ms: int = 0  # raw readings are kept so long, and none older are taken; 0 = for ever
    group_batches: int = 1_000  # in one commit
    group_bytes: int = 8 * 1024 * 1024  # of payload in one commit

    @classmethod
    def keeping(cls, kept_days: int, dropped_before_ms: Iterable[int]) -> IngestLimits:
        """Limits where raw readings are kept for some days (0 = for ever), and were dropped before these instants."""
        return cls(oldest_ms=max([OLDEST_MS, *dropped_before_ms]), raw_kept_ms=kept_days * 24 * HOUR_MS)

    def oldest(self, now_ms: int) -> int:
        """The earliest time that a reading may have."""
        return max(self.oldest_ms, now_ms - self.raw_kept_ms) if self.raw_kept_ms else self.oldest_ms

    def too_old(self) -> str:
        """What whoever sent an older one is told."""
        before = f"before {from_ms(self.oldest_ms):%Y-%m-%d}"
        if not self.raw_kept_ms:
            return f"{before}: set the sender's clock"
        kept_days = self.raw_kept_ms // (24 * HOUR_MS)
        return (
            f"{before} or more than {kept_days} days ago, which is how long raw readings are kept: what they would "
            "change is closed; correct it by a record or an adjustment, or set the sender's clock"
        )


@dataclass(frozen=True)
class Intake:
    """Where accepted readings go. `registry` gives the current snapshot; it is asked once per commit."""

    timeseries: TimeSeriesStore
    registry: Callable[[], Registry]
    batches: Batches
    statuses: AgentStatuses
    limits: IngestLimits = field(default_factory=IngestLimits)
    directories: Directories = field(default_factory=Directories)
    quotas: Quotas = field(default_factory=lambda: Quotas(Quota(), Quota()))
    device_quotas: DeviceQuotas = field(default_factory=DeviceQuotas)

    def directory(self) -> Directory:
        return self.directories.of(self.registry())
