"""Which batches are on their way and when to send them again.

Kept in memory only: after a restart nothing counts as sent, so that everything unconfirmed goes out again.

What stays true:
- At most `size` batches are on their way at once. After a new connection it begins with FIRST_ALLOWED and grows by one
  with each receipt; each round that passes in silence halves it. So the agents of a park do not flood a gateway that
  has just come back, and one that hangs is asked with ever fewer batches.
- A batch without receipt is due again after `resend_after_ms`. While the gateway is silent, the wait grows with the
  silence, to at most 5 min. Chance makes each wait longer by up to half, so that agents do not come back in step.
- A batch that stays without receipt while later ones get theirs goes to the back of the queue: it never blocks it.
- With `newest_first` half of what is allowed belongs to the newest batches, the other half to the oldest: live values
  arrive while history drains, and neither waits for the end of the other.
- A clock set back makes batches due at once; sending twice is harmless, waiting for years is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

LONGEST_WAIT_MS = 300_000
FIRST_ALLOWED = 4


@dataclass(frozen=True, slots=True)
class _Flight:
    sent_ms: int
    wait_ms: float
    receipts_before: int  # receipts seen when it was sent
    newest: bool  # sent out of turn, because it was among the newest


class SendWindow:
    """Batches by their sequence number. `chance` gives numbers out of [0, 1)."""

    def __init__(
        self,
        size: int,
        resend_after_ms: int,
        *,
        newest_first: bool = False,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.newest_first = newest_first
        self._size = size
        self._allowed = size
        self._halved_ms = 0
        self._resend_after_ms = resend_after_ms
        self._chance = chance
        self._flights: dict[int, _Flight] = {}
        self._newest: set[int] = set()  # chosen as such, and not yet sent or settled
        self._overtaken: set[int] = set()
        self._receipts = 0
        self._silent_since_ms: int | None = None  # first send that was not followed by any receipt

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def allowed(self) -> int:
        """How many may be on their way at present."""
        return self._allowed

    def room(self, now_ms: int) -> int:
        """How many batches may be sent now; those that waited too long no longer count as on their way."""
        in_silence = False
        self._halved_ms = min(self._halved_ms, now_ms)
        for seq, flight in list(self._flights.items()):
            if 0 <= now_ms - flight.sent_ms < flight.wait_ms:
                continue
            del self._flights[seq]
            if self._receipts > flight.receipts_before:
                self._overtaken.add(seq)
            else:
                in_silence |= flight.sent_ms >= self._halved_ms
        if in_silence:
            self._allowed = max(1, self._allowed // 2)
            self._halved_ms = now_ms  # what left before this belongs to the same round
        return max(0, self._allowed - len(self._flights))

    def choose(self, oldest_first: Iterable[int], now_ms: int, newest_first: Iterable[int] = ()) -> list[int]:
        """The sequence numbers to send now: some of the newest if asked for, then oldest first, overtaken ones last."""
        room = self.room(now_ms)
        newest = self._pick_newest(newest_first, room)
        self._newest = set(newest)
        if self.newest_first:
            room = min(room, self._allowed - self._share_of_newest() - self._on_their_way(newest=False))
        else:
            room -= len(newest)
        fresh: list[int] = []
        late: list[int] = []
        for seq in oldest_first if room > 0 else ():
            if seq in self._flights or seq in self._newest:
                continue
            (late if seq in self._overtaken else fresh).append(seq)
            if len(fresh) == room:
                break
        return newest + (fresh + late)[: max(room, 0)]

    def sent(self, seq: int, now_ms: int) -> None:
        """A batch has left."""
        if self._silent_since_ms is None or self._silent_since_ms > now_ms:
            self._silent_since_ms = now_ms
        silence_ms = now_ms - self._silent_since_ms
        wait_ms = max(self._resend_after_ms, min(silence_ms, LONGEST_WAIT_MS)) * (1 + self._chance() / 2)
        self._flights[seq] = _Flight(now_ms, wait_ms, self._receipts, seq in self._newest)

    def heard(self) -> None:
        """A receipt came in, for whatever batch: the gateway is there."""
        self._receipts += 1
        self._allowed = min(self._size, self._allowed + 1)
        self._silent_since_ms = None

    def settled(self, seq: int) -> None:
        """A batch is no longer in the queue: confirmed, set aside or dropped."""
        self._flights.pop(seq, None)
        self._newest.discard(seq)
        self._overtaken.discard(seq)

    def connection_lost(self) -> None:
        """Whatever was on its way may be gone with the broker: all of it may be sent again, a few at first."""
        self._flights.clear()
        self._allowed = min(self._size, FIRST_ALLOWED)

    def seconds_until_due(self, now_ms: int) -> float | None:
        """Time until a batch on its way must be sent again; None if there is none."""
        dues = [flight.sent_ms + flight.wait_ms - now_ms for flight in self._flights.values()]
        return max(min(dues), 0) / 1000 if dues else None

    def _pick_newest(self, newest_first: Iterable[int], room: int) -> list[int]:
        if not self.newest_first:
            return []
        room = min(room, self._share_of_newest() - self._on_their_way(newest=True))
        picked: list[int] = []
        for seq in newest_first if room > 0 else ():
            if seq not in self._flights and seq not in self._overtaken:
                picked.append(seq)
            if len(picked) == room:
                break
        return picked

    def _share_of_newest(self) -> int:
        """Half; where only one may go, the newest and the oldest take turns."""
        return self._allowed // 2 or self._receipts % 2

    def _on_their_way(self, *, newest: bool) -> int:
        return sum(flight.newest == newest for flight in self._flights.values())
