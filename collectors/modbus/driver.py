"""Polling a device over Modbus: planned blocks in, readings and errors out.

What stays true:
- A block that fails costs its own points only. After `MAX_UNANSWERED` blocks without an answer the rest of the poll is
  given up, so that one dead meter does not hold the bus for the timeouts of all its blocks.
- A block that the meter refuses as an illegal address or length is cut in two and asked again, down to single
  registers. The cuts are remembered in `PlanMemory`, so that the refused range is not asked for again.
- The latency planned with follows the one measured, where they are far apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from collectors.driver import PolledDevice, PollError, PollResult
from collectors.errors import ExceptionReply, InstrumentError, Unreachable, WrongReply
from collectors.modbus.client import ModbusClient
from collectors.modbus.decode import decode
from collectors.modbus.line import Line, on_line
from collectors.modbus.plan import Cut, ReadBlock, plan_reads, split_block, transmission_s
from collectors.modbus.plan_memory import Learned, PlanMemory
from collectors.profile import TimingLimits
from collectors.reading import Quality, Reading

MAX_UNANSWERED = 2
LATENCY_SAMPLES = 25  # answered requests before a latency counts as measured
LATENCY_CHANGE = 2.0  # plan anew when it is this many times longer or shorter than planned with
LEAST_LATENCY_S = 0.001  # below this it is no latency of a meter
_REFUSED_BLOCK = frozenset({2, 3})  # illegal data address, illegal data value: the meter dislikes the range
NOBODY_THERE = frozenset({10, 11})  # a gateway's way to say that the unit did not answer


class ModbusDriver:
    """The devices behind one `ModbusClient`."""

    def __init__(self, client: ModbusClient, memory: PlanMemory | None = None) -> None:
        self._client = client
        self._memory = memory or PlanMemory()
        self._readers: dict[tuple[str, tuple[str, ...]], _DeviceReader] = {}

    def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
        """Read the device's points, all stamped `now_ms`. Instrument errors are in the result, never raised."""
        readings: list[Reading] = []
        errors: list[PollError] = []
        unanswered = 0
        reader = self._reader(device, now_ms)
        for block in reader.blocks:
            if unanswered >= MAX_UNANSWERED:
                reason = Unreachable(f"not asked, after {unanswered} requests without an answer")
                errors.append(_error(device, block, reason))
                continue
            for part, outcome in reader.read(block):
                if isinstance(outcome, InstrumentError):
                    errors.append(_error(device, part, outcome))
                    unanswered += _is_silence(outcome)
                else:
                    unanswered = 0
                    _decode_block(device, part, outcome, now_ms, readings, errors)
        reader.learn(now_ms)
        return PollResult(tuple(readings), tuple(errors))

    def close(self) -> None:
        """Give back the connection. A later poll opens it again."""
        self._client.close()

    def _reader(self, device: PolledDevice, now_ms: int) -> _DeviceReader:
        key = device.id, device.points
        if key not in self._readers:
            self._readers[key] = _DeviceReader(self._client, device, self._memory, now_ms)
        return self._readers[key]


class _DeviceReader:
    """The plan of one device, and what its answers teach about it."""

    def __init__(self, client: ModbusClient, device: PolledDevice, memory: PlanMemory, now_ms: int) -> None:
        self._client = client
        self._device = device
        self._memory = memory
        self._specs = device.profile.select(device.points)
        self._limits = planning_limits(device.profile.timing, client.line, memory.of(device, now_ms))
        self._cuts = set(memory.of(device, now_ms).cuts)
        self._new_cuts: set[Cut] = set()
        self._latencies_s: list[float] = []
        self.blocks = plan_reads(self._specs, self._limits, self._cuts)

    def read(self, block: ReadBlock) -> Iterator[tuple[ReadBlock, list[int] | InstrumentError]]:
        """The block with its words or its error; several parts if the meter refused the whole."""
        try:
            words = self._client.read(self._device.unit, block, self._device.profile.timing)
        except ExceptionReply as error:
            parts = split_block(block) if error.code in _REFUSED_BLOCK else None
            if parts is None:
                yield block, error
                return
            self._new_cuts.add((block.function_code, parts[1].address))
            for part in parts:
                yield from self.read(part)
        except InstrumentError as error:
            yield block, error
        else:
            self._latencies_s.append(self._client.answered_in_s - transmission_s(block.count, self._limits))
            yield block, words

    def learn(self, now_ms: int) -> None:
        """Plan anew if the meter refused something, or answers at another pace than was reckoned with."""
        latency_s = self._measured_latency_s()
        if latency_s is not None:
            self._memory.learn_latency(self._device, latency_s, now_ms)
            self._limits = replace(self._limits, latency_s=latency_s)
        if self._new_cuts:
            self._memory.learn_cuts(self._device, self._new_cuts, now_ms)
            self._cuts |= self._new_cuts
        if self._new_cuts or latency_s is not None:
            self.blocks = plan_reads(self._specs, self._limits, self._cuts)
            self._new_cuts = set()

    def _measured_latency_s(self) -> float | None:
        """The median of the last requests, if it is far from the latency planned with; None if there is none to learn.

        Answers that come before the line could have carried them say that the line is not what the profile assumes, and
        nothing about the meter.
        """
        if len(self._latencies_s) < LATENCY_SAMPLES:
            return None
        measured_s = median(self._latencies_s)
        self._latencies_s.clear()
        planned_s = max(self._limits.latency_s, LEAST_LATENCY_S)
        is_far = not 1 / LATENCY_CHANGE <= measured_s / planned_s <= LATENCY_CHANGE
        return measured_s if is_far and measured_s >= LEAST_LATENCY_S else None


def planning_limits(timing: TimingLimits, line: Line, learned: Learned) -> TimingLimits:
    """What the planner reckons with: the product's limits, at the line's speed, with the latency that was measured."""
    limits = on_line(timing, line)
    return limits if learned.latency_s is None else replace(limits, latency_s=learned.latency_s)


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
