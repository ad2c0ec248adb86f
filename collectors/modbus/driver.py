"""Polling a device over Modbus: planned blocks in, readings and errors out.

What stays true:
- A block that fails costs its own points only. After `MAX_UNANSWERED` blocks without an answer the rest of the poll is
  given up, so that one dead meter does not hold the bus for the timeouts of all its blocks.
- A block that the meter refuses as an illegal address or length is cut in two and asked again, down to single
  registers; the driver remembers the cuts for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Iterator

from collectors.driver import PolledDevice, PollError, PollResult
from collectors.errors import ExceptionReply, InstrumentError, Unreachable, WrongReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import decode
from collectors.modbus.line import on_line
from collectors.modbus.plan import ReadBlock, plan_reads, split_block
from collectors.reading import Quality, Reading

MAX_UNANSWERED = 2
_REFUSED_BLOCK = frozenset({2, 3})  # illegal data address, illegal data value: the meter dislikes the range
NOBODY_THERE = frozenset({10, 11})  # a gateway's way to say that the unit did not answer


class ModbusDriver:
    """The devices behind one `ModbusClient`."""

    def __init__(self, client: ModbusClient) -> None:
        self._client = client
        self._plans: dict[tuple[str, tuple[str, ...]], tuple[ReadBlock, ...]] = {}

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        """Read the device's points, all stamped `now_ms`. Instrument errors are in the result, never raised."""
        readings: list[Reading] = []
        errors: list[PollError] = []
        asked: list[ReadBlock] = []
        unanswered = 0
        for block in self._plan(device):
            if unanswered >= MAX_UNANSWERED:
                reason = Unreachable(f"not asked, after {unanswered} requests without an answer")
                errors.append(_error(device, block, reason))
                asked.append(block)
                continue
            for part, outcome in self._read(device, block):
                asked.append(part)
                if isinstance(outcome, InstrumentError):
                    errors.append(_error(device, part, outcome))
                    unanswered += _is_silence(outcome)
                else:
                    unanswered = 0
                    _decode_block(device, part, outcome, now_ms, readings, errors)
        self._plans[device.id, device.points] = tuple(asked)
        return PollResult(tuple(readings), tuple(errors))

    def close(self) -> None:
        """Give back the connection. A later poll opens it again."""
        self._client.close()

    def _plan(self, device: PolledDevice) -> tuple[ReadBlock, ...]:
        key = device.id, device.points
        if key not in self._plans:
            specs = device.profile.select(device.points)
            self._plans[key] = plan_reads(specs, on_line(device.profile.timing, self._client.line))
        return self._plans[key]

    def _read(self, device: PolledDevice, block: ReadBlock) -> Iterator[tuple[ReadBlock, list[int] | InstrumentError]]:
        """The block with its words or its error; several parts if the meter refused the whole."""
        try:
            yield block, self._client.read(device.unit, block, device.profile.timing)
        except ExceptionReply as error:
            parts = split_block(block) if error.code in _REFUSED_BLOCK else None
            if parts is None:
                yield block, error
                return
            for part in parts:
                yield from self._read(device, part)
        except InstrumentError as error:
            yield block, error


def _decode_block(
    device: PolledDevice,
    block: ReadBlock,
    words: list[int],
    now_ms: int,
    readings: list[Reading],
    errors: list[PollError],
) -> None:
    for spec in block.specs:
        start = spec.address - block.address
        try:
            value = decode(words[start : start + spec.words], spec)
        except WrongReply as error:
            errors.append(PollError(device.id, (spec.point,), error))
            continue
        quality = Quality.BAD if value is None else Quality.GOOD
        readings.append(Reading(device.id, spec.point, now_ms, value, quality))


def _error(device: PolledDevice, block: ReadBlock, error: InstrumentError) -> PollError:
    return PollError(device.id, tuple(spec.point for spec in block.specs), error)


def _is_silence(error: InstrumentError) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, ExceptionReply) and error.code in NOBODY_THERE)
