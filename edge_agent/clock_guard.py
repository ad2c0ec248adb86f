"""Whether the wall clock can be believed: its steps against a steady clock, its distance to the gateway's. No I/O.

A reading's time is the agent's wall clock. A battery that died, a time service that jumps, a slow crystal: each shifts
readings into other hours, and nobody would see it. So:

- *Steps.* The wall clock is compared with a clock that never steps at every step of the agent. Only setting the clock
  makes a difference between them; a time service that slews it does not.
- *Offset.* A receipt holds the gateway's time `at`. It was made between the moment the batch was sent and the moment
  the receipt came, so (sent − at) <= offset <= (received − at): bounds that hold however slow the line is. Each receipt
  narrows them; with time they widen by WIDENING, which is more than clocks drift. A step moves them by its own size.
- *Doubt.* The clock is in doubt while the bounds prove it to be off by more than the tolerance, and, where there are no
  bounds yet, after a step beyond the tolerance or a start before the last known time (or MAX_OFF_MS after it). A
  receipt ends that. Readings taken in doubt are marked uncertain; they are never moved.

What stays true: a slow line or a busy gateway alone never puts the clock in doubt.
Limits: which of the two clocks is wrong is not known; a clock that was wrong before the agent's first receipt, and gave
no sign of it, is noticed with that receipt and not before. MAX_SENT batches are remembered.
"""

from __future__ import annotations

from typing import Any

from collectors.wire import Receipt

TOLERANCE_MS = 5_000
MAX_OFF_MS = 30 * 86_400_000  # off for longer than this, or the clock runs ahead
SMALLEST_STEP_MS = 200  # less is the rounding and scheduling of the machine
WIDENING = 500e-6  # share of the time that passes: the most by which Linux slews a clock (adjtimex(2))
DRIFT_AFTER_MS = 600_000  # a drift is said after so long a time without a step
MAX_SENT = 1_000


class ClockGuard:
    """One agent's. Times: `now_ms` is the wall clock, `steady_ms` a clock that never steps, from any beginning."""

    def __init__(self, now_ms: int, *, tolerance_ms: int = TOLERANCE_MS, last_known_ms: int | None = None) -> None:
        self._tolerance_ms = tolerance_ms
        self._gap_ms: int | None = None  # wall − steady, as last seen
        self._steady_ms = 0
        self._sent: dict[str, int] = {}  # batch -> wall clock when it first left, in today's reckoning
        self._bounds: tuple[float, float] | None = None  # of our clock less the gateway's
        self._bounds_at_ms = 0  # steady
        self._anchor: tuple[int, float, float] | None = (
            None  # steady, offset and half width where drift is reckoned from
        )
        self._unconfirmed_ms = 0  # steps since the start that no receipt has confirmed
        self._start_doubt = ""
        self.steps = 0
        self.last_step: dict[str, int] | None = None
        if last_known_ms is not None and now_ms < last_known_ms - tolerance_ms:
            self._start_doubt = f"at the start it was {_span(last_known_ms - now_ms)} before the last known time"
        elif last_known_ms is not None and now_ms > last_known_ms + MAX_OFF_MS:
            self._start_doubt = f"at the start it was {_span(now_ms - last_known_ms)} after the last known time"

    def look(self, now_ms: int, steady_ms: int) -> int:
        """Compare the clocks; by how much the wall clock was set since the last look, 0 = not at all."""
        gap_ms = now_ms - steady_ms
        step_ms = 0 if self._gap_ms is None else gap_ms - self._gap_ms
        self._steady_ms = steady_ms
        if self._gap_ms is not None and abs(step_ms) < SMALLEST_STEP_MS:
            return 0
        self._gap_ms = gap_ms
        if step_ms:
            self._stepped(step_ms, now_ms)
        return step_ms

    def sent(self, batch_id: str, now_ms: int) -> None:
        """A batch leaves; of several times the first counts."""
        if len(self._sent) >= MAX_SENT:
            del self._sent[next(iter(self._sent))]
        self._sent.setdefault(batch_id, now_ms)

    def heard(self, receipt: Receipt, now_ms: int) -> None:
        """A receipt came: narrow the bounds. One without time or of an unknown batch says nothing."""
        sent_ms = self._sent.pop(receipt.batch, None)
        if receipt.at is None or sent_ms is None or sent_ms > now_ms:
            return
        low, high = float(sent_ms - receipt.at), float(now_ms - receipt.at)
        known = self._widened()
        if known is not None and max(low, known[0]) <= min(high, known[1]):
            low, high = max(low, known[0]), min(high, known[1])
        else:
            self._anchor = None  # one of the clocks was set, or this is the first word
        self._bounds, self._bounds_at_ms = (low, high), self._steady_ms
        if self._anchor is None:
            self._anchor = self._steady_ms, (low + high) / 2, (high - low) / 2
        self._unconfirmed_ms = 0
        self._start_doubt = ""

    @property
    def doubt(self) -> str:
        """Why the clock cannot be believed; "" if nothing speaks against it."""
        bounds = self._widened()
        if bounds is not None:
            if bounds[0] > self._tolerance_ms:
                return f"it is at least {_span(bounds[0])} ahead of the gateway's"
            if bounds[1] < -self._tolerance_ms:
                return f"it is at least {_span(-bounds[1])} behind the gateway's"
            return ""
        if abs(self._unconfirmed_ms) > self._tolerance_ms:
            way = "forward" if self._unconfirmed_ms > 0 else "back"
            return f"it was set {way} by {_span(abs(self._unconfirmed_ms))}, and no receipt has confirmed it yet"
        return self._start_doubt

    def document(self) -> dict[str, Any]:
        """For the status."""
        bounds = self._widened()
        return {
            "doubt": self.doubt,
            "offset_ms": None if bounds is None else round(sum(bounds) / 2),  # ours less the gateway's
            "offset_within_ms": None if bounds is None else round((bounds[1] - bounds[0]) / 2),
            "drift_s_per_day": self._drift_s_per_day(bounds),
            "steps": self.steps,
            "last_step": self.last_step,
        }

    def _stepped(self, step_ms: int, now_ms: int) -> None:
        self.steps += 1
        self.last_step = {"at": now_ms, "by_ms": step_ms}
        self._sent = {batch_id: sent_ms + step_ms for batch_id, sent_ms in self._sent.items()}
        self._anchor = None
        if self._bounds is None:
            self._unconfirmed_ms += step_ms
        else:
            self._bounds = self._bounds[0] + step_ms, self._bounds[1] + step_ms

    def _widened(self) -> tuple[float, float] | None:
        if self._bounds is None:
            return None
        by = (self._steady_ms - self._bounds_at_ms) * WIDENING
        return self._bounds[0] - by, self._bounds[1] + by

    def _drift_s_per_day(self, bounds: tuple[float, float] | None) -> float | None:
        """None while too little time has passed to tell a drift from the width of the bounds."""
        if self._anchor is None or bounds is None:
            return None
        since_ms, offset_ms, half_width_ms = self._anchor
        passed_ms = self._steady_ms - since_ms
        change_ms = sum(bounds) / 2 - offset_ms
        if passed_ms < DRIFT_AFTER_MS:
            return None
        if abs(change_ms) <= half_width_ms + (bounds[1] - bounds[0]) / 2:
            return 0.0
        return round(change_ms / passed_ms * 86_400, 1)


def _span(milliseconds: float) -> str:
    """A length of time as people say it."""
    seconds = milliseconds / 1000
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
