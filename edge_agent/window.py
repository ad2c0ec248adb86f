"""Which batches are on their way and when to send them again.

Kept in memory only: after a restart nothing counts as sent, so that everything unconfirmed goes out again.

What stays true:
- At most `size` batches are on their way at once, so that neither broker nor line is flooded after a long outage.
- A batch without receipt is due again after `resend_after_ms`. While the gateway is silent, the wait grows with the
  silence, to at most 5 min.
- A batch that stays without receipt while later ones get theirs goes to the back of the queue: it never blocks it.
- A clock set back makes batches due at once; sending twice is harmless, waiting for years is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_WAIT_MS = 300_000


@dataclass(frozen=True, slots=True)
class _Flight:
    sent_ms: int
    wait_ms: int
    receipts_before: int  # receipts seen when it was sent


class SendWindow:
    """Batches by their sequence number."""

    def __init__(self, size: int, resend_after_ms: int) -> None:
        self._size = size
        self._resend_after_ms = resend_after_ms
        self._flights: dict[int, _Flight] = {}
        self._overtaken: set[int] = set()
        self._receipts = 0
        self._silent_since_ms: int | None = None  # first send that was not followed by any receipt

    def __len__(self) -> int:
        return len(self._flights)

    def room(self, now_ms: int) -> int:
        """How many batches may be sent now; those that waited too long no longer count as on their way."""
        for seq, flight in list(self._flights.items()):
            if 0 <= now_ms - flight.sent_ms < flight.wait_ms:
                continue
            del self._flights[seq]
            if self._receipts > flight.receipts_before:
                self._overtaken.add(seq)
        return self._size - len(self._flights)

    def choose(self, oldest_first: Iterable[int], now_ms: int) -> list[int]:
        """The sequence numbers to send now: oldest first, overtaken ones last."""
        room = self.room(now_ms)
        fresh: list[int] = []
        late: list[int] = []
        for seq in oldest_first if room > 0 else ():
            if seq in self._flights:
                continue
            (late if seq in self._overtaken else fresh).append(seq)
            if len(fresh) == room:
                break
        return (fresh + late)[: max(room, 0)]

    def sent(self, seq: int, now_ms: int) -> None:
        """A batch has left."""
        if self._silent_since_ms is None or self._silent_since_ms > now_ms:
            self._silent_since_ms = now_ms
        silence_ms = now_ms - self._silent_since_ms
        wait_ms = max(self._resend_after_ms, min(silence_ms, LONGEST_WAIT_MS))
        self._flights[seq] = _Flight(now_ms, wait_ms, self._receipts)

    def heard(self) -> None:
        """A receipt came in, for whatever batch: the gateway is there."""
        self._receipts += 1
        self._silent_since_ms = None

    def settled(self, seq: int) -> None:
        """A batch is no longer in the queue: confirmed, set aside or dropped."""
        self._flights.pop(seq, None)
        self._overtaken.discard(seq)

    def connection_lost(self) -> None:
        """Whatever was on its way may be gone with the broker: all of it may be sent again."""
        self._flights.clear()

    def seconds_until_due(self, now_ms: int) -> float | None:
        """Time until a batch on its way must be sent again; None if there is none."""
        dues = [flight.sent_ms + flight.wait_ms - now_ms for flight in self._flights.values()]
        return max(min(dues), 0) / 1000 if dues else None
