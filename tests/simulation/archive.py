"""Late history: readings from before the world began, sent as batches by a second agent until each is receipted."""

from __future__ import annotations

import random
from collections.abc import Callable

from collectors.reading import Reading, batch_from_readings
from collectors.wire import decode_receipt, encode_batch
from tests.simulation.faults import HOUR_MS, MINUTE_MS
from tests.simulation.line import Broker
from tests.simulation.meters import HISTORY_MS, Counter, Register, Shown
from tests.simulation.plant_side import Key, keys_of

SENDER = "edge-2"
RESEND_MS = 20 * MINUTE_MS


class Archive:
    """Some hours of some counters, each batch from a moment of its own on."""

    def __init__(
        self,
        rng: random.Random,
        registers: dict[tuple[str, str], Register],
        start_ms: int,
        end_ms: int,
        note: Callable[[Reading, Shown], None],
    ) -> None:
        self.kept: dict[str, list[Key]] = {}
        self._waiting: dict[str, tuple[int, bytes]] = {}  # batch -> (when to send next, its bytes)
        for (device, point), register in registers.items():
            if not isinstance(register, Counter) or rng.random() < 0.5:
                continue
            hours = range(start_ms - HISTORY_MS, start_ms, HOUR_MS)
            times = sorted(at_ms + rng.randrange(HOUR_MS) for at_ms in hours if rng.random() < 0.8)
            while times:
                several, times = times[: rng.randint(1, 40)], times[40:]
                readings = []
                for at_ms in several:
                    shown = Shown(register.true_value(at_ms)[0], at_ms)
                    readings.append(Reading(device, point, at_ms, shown.value))
                    note(readings[-1], shown)
                self._add(readings, rng.randrange(start_ms, end_ms))

    def _add(self, readings: list[Reading], send_ms: int) -> None:
        batch_id = f"history-{len(self.kept)}"
        payload = encode_batch(batch_from_readings(batch_id, send_ms, readings))
        self.kept[batch_id] = keys_of(payload)
        self._waiting[batch_id] = send_ms, payload

    @property
    def done(self) -> bool:
        return not self._waiting

    def step(self, broker: Broker, now_ms: int) -> None:
        """Take receipts, send what is due."""
        for letter in broker.due(broker.to_plant[SENDER], now_ms):
            self._waiting.pop(decode_receipt(letter.payload).batch, None)
        for batch_id, (due_ms, payload) in self._waiting.items():
            if due_ms <= now_ms:
                broker.take(broker.to_gateway, SENDER, "readings", payload, now_ms)
                self._waiting[batch_id] = now_ms + RESEND_MS, payload
