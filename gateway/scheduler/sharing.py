"""Several processes share the roll-up on PostgreSQL and InfluxDB: each works on the enterprises that it has claimed.

What stays true:
- An enterprise's usage, entries, statements, ratings, quarters and years are made by one process at a time. The claim's
  fence is checked in every transaction that writes any of them, so a process that stood still past its claims, and
  was followed by another, writes nothing when it wakes up.
- A claim is renewed in a thread of its own while its work takes, given back after it, and free for others CLAIM_TTL_MS
  after the last renewal of a process that was killed or stands still.
- Nobody waits while he holds claims, so nobody deadlocks. A pass over what is due waits for nobody at all.
- What concerns all enterprises at once is the leader's (`runner`): what changed knowledge means, ended days, closings,
  roots, retention. The others work only with the version of the registry that it has worked in.

Limits: CHUNK enterprises at once; docs/decisions/0024-shared-roll-up.md says what InfluxDB cannot refuse.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import Engine

from collectors.clock import now_ms
from collectors.errors import StoreUnavailable
from gateway.scheduler.turns import Alone, Part, Turns
from gateway.store.claims_repository import IDS_PER_STATEMENT, ClaimLost, ClaimsRepository, Taken, guard_of
from gateway.store.database import guarded
from gateway.store.dirty_log import DirtyHoursOf, DirtyLog
from gateway.store.kept_repository import KeptRepository

CHUNK = 100  # enterprises: a bulk day of a reading a minute is 1.4 million readings, a second or two
CLAIM_TTL_MS = 60_000
RENEW_EVERY_S = 15.0
LOOK_AGAIN_S = 0.2  # at claims that others hold
PREPARED = "rollup.prepared"  # under which is kept with which registry the leader has begun

log = structlog.get_logger(__name__)


class ClaimStats:
    """What is counted of a process's claims."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self.held = Gauge("tanmai_claims_held", "Enterprises that this process works on now", registry=metrics)
        self.taken = Counter("tanmai_claims_taken", "Claims that this process took", registry=metrics)
        self.taken_over = Counter(
            "tanmai_claims_taken_over", "Of these, from a process that had not given them back", registry=metrics
        )
        self.lost = Counter("tanmai_claims_lost", "Claims that another process took over from this", registry=metrics)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Gives this process its turns among several."""

    engine: Engine
    holder: str  # names this process among those on the database
    stats: ClaimStats
    chunk: int = CHUNK
    clock: Callable[[], int] = now_ms
    known: set[str] = field(default_factory=set)  # enterprises that have their rows to be claimed by

    @property
    def is_shared(self) -> bool:
        return True

    def begin(self) -> AbstractContextManager[None]:
        """Nothing to wait for."""
        return nullcontext()

    def due(self, before: date, work: Callable[[Part], bool]) -> None:
        """What is due and free, chunk by chunk in the order of enterprises; each is looked at once."""
        claims = ClaimsRepository(self.engine)
        left = claims.due(before)
        claims.make_rows(set(left) - self.known)
        self.known.update(left)
        while left:
            asked = left[:IDS_PER_STATEMENT]
            taken = claims.take_due(asked, self.chunk, before, self.holder, self.clock(), CLAIM_TTL_MS)
            last = max(taken.fences, default=asked[-1])
            left = left[bisect_right(left, last) :]
            if not taken.fences:
                continue
            try:
                with self._holding(taken):
                    if not work(self._part(taken)):
                        return
            except ClaimLost as error:
                log.warning("claims_lost", why=str(error), next="going on with what is free")

    def each(self, enterprises: Collection[str], work: Callable[[Part], object]) -> None:
        """As they become free; whoever holds one and stands still is waited for until his claim has expired."""
        claims, left = ClaimsRepository(self.engine), set(enterprises)
        while left:
            taken = claims.take(left, self.chunk, self.holder, self.clock(), CLAIM_TTL_MS)
            if not taken.fences:
                threading.Event().wait(LOOK_AGAIN_S)
                continue
            with self._holding(taken):
                work(self._part(taken))
            left -= taken.fences.keys()

    def note_prepared(self, registry_version: int, failed: Mapping[str, str]) -> None:
        """Kept in the database."""
        kept, text = KeptRepository(self.engine), json.dumps([registry_version, dict(failed)])
        if kept.get(PREPARED) != text:
            kept.put(PREPARED, text)

    def prepared(self) -> tuple[int, dict[str, str]]:
        """What the leader noted last; version 0 if there never was one."""
        text = KeptRepository(self.engine).get(PREPARED)
        version, failed = json.loads(text) if text else (0, {})
        return version, failed

    def _part(self, taken: Taken) -> Part:
        names = frozenset(taken.fences)
        return Part(names, DirtyHoursOf(DirtyLog(self.engine), names))

    @contextmanager
    def _holding(self, taken: Taken) -> Iterator[None]:
        """Hold what was taken, renewed, until the block ends; all writes of the block pass its fences."""
        fences, ended = taken.fences, threading.Event()
        renewing = threading.Thread(target=self._renew, args=(fences, ended), name="claims", daemon=True)
        renewing.start()
        self.stats.held.inc(len(fences))
        self.stats.taken.inc(len(fences))
        self.stats.taken_over.inc(taken.taken_over)
        try:
            with guarded(guard_of(fences)):
                yield
        except ClaimLost as error:
            self.stats.lost.inc(len(error.enterprises))
            raise
        finally:
            ended.set()
            renewing.join()
            self.stats.held.dec(len(fences))
            with suppress(StoreUnavailable), guarded(None):  # what cannot be given back expires
                ClaimsRepository(self.engine).give_back(fences)

    def _renew(self, fences: Mapping[str, int], ended: threading.Event) -> None:
        claims = ClaimsRepository(self.engine)
        while not ended.wait(RENEW_EVERY_S):
            with suppress(StoreUnavailable):  # the work finds out by itself that the database is away
                claims.renew(fences, self.clock() + CLAIM_TTL_MS)


def turns_of(timeseries: str, engine: Engine, metrics: CollectorRegistry) -> Turns:
    """Shared with other processes where both stores are servers; a DuckDB or SQLite file is one process's anyway."""
    if timeseries == "duckdb" or engine.dialect.name != "postgresql":
        return Alone(engine)
    return Sharing(engine, process_name(), ClaimStats(metrics))


def process_name() -> str:
    """Names this process among those of one database."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
