"""Deciding which registers to ask for in one request. Pure.

On a serial line a request costs its own time (two frames' overhead, the meter's latency, the pause) and every register
costs two more bytes. So neighbours go into one request, and a gap of unwanted registers is worth reading over while
that is cheaper than a second request. `plan_reads` finds the plan of least total time under the profile's limits.

What stays true:
- Every wanted register lies whole inside exactly one block of its own function code.
- No block is longer than `max_registers`, runs over more than `max_gap` registers that nobody listed, or over a cut.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from collectors.modbus.framing import BITS_PER_CHARACTER, SILENT_CHARACTERS
from collectors.profile import MeterProfile, RegisterSpec, TimingLimits

REQUEST_CHARACTERS = 8  # unit, function, address, count, CRC
REPLY_CHARACTERS = 5  # unit, function, byte count, CRC; the registers come on top


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One request: `count` registers from `address` on, and the registers wanted out of them."""

    function_code: int
    address: int
    count: int
    specs: tuple[RegisterSpec, ...]  # sorted by address

    def __str__(self) -> str:
        return f"function {self.function_code}, registers {self.address}..{self.address + self.count - 1}"


Cut = tuple[int, int]  # function code, address: no block may lead from before this register on to it


def plan_reads(
    specs: MeterProfile | Sequence[RegisterSpec], limits: TimingLimits, cuts: Collection[Cut] = ()
) -> tuple[ReadBlock, ...]:
    """The blocks that read all of `specs` in the least time, sorted by function code and address."""
    wanted = specs.registers if isinstance(specs, MeterProfile) else specs
    blocks: list[ReadBlock] = []
    for function_code in sorted({spec.function_code for spec in wanted}):
        own = sorted(
            (spec for spec in wanted if spec.function_code == function_code), key=lambda spec: (spec.address, spec.end)
        )
        blocks.extend(_cheapest(own, limits, {address for code, address in cuts if code == function_code}))
    return tuple(blocks)


def request_s(count: int, limits: TimingLimits) -> float:
    """Modelled seconds that a request for `count` registers keeps the bus busy."""
    silence_s = 2 * SILENT_CHARACTERS * _character_s(limits)
    return limits.latency_s + limits.pause_s + silence_s + transmission_s(count, limits)


def transmission_s(count: int, limits: TimingLimits) -> float:
    """Seconds that a request for `count` registers and its reply are on the line."""
    return (REQUEST_CHARACTERS + REPLY_CHARACTERS + 2 * count) * _character_s(limits)


def cycle_s(blocks: Sequence[ReadBlock], limits: TimingLimits) -> float:
    """Modelled seconds to read all blocks once."""
    return math.fsum(request_s(block.count, limits) for block in blocks)


def break_even_gap(limits: TimingLimits) -> float:
    """The gap, in registers, at which reading over it costs as much as a second request; inf without a serial line."""
    register_s = 2 * _character_s(limits)
    return request_s(0, limits) / register_s if register_s else math.inf


def split_block(block: ReadBlock) -> tuple[ReadBlock, ReadBlock] | None:
    """A block that the meter refused, cut at its widest gap, or in the middle if it has none; None for one register."""
    if len(block.specs) == 1:
        return None
    ends = _running_ends(block.specs)
    gaps = [after.address - end for end, after in zip(ends, block.specs[1:], strict=False)]
    widest = max(gaps)
    cut = gaps.index(widest) + 1 if widest > 0 else len(block.specs) // 2
    return _block(block.specs[:cut]), _block(block.specs[cut:])


def _character_s(limits: TimingLimits) -> float:
    return BITS_PER_CHARACTER / limits.baud if limits.baud else 0.0


def _cheapest(specs: Sequence[RegisterSpec], limits: TimingLimits, cut_at: Collection[int]) -> list[ReadBlock]:
    """Dynamic programme over the sorted registers: best[i] is the least time to read the first i of them."""
    best = [0.0] + [math.inf] * len(specs)
    start_of_last = [0] * (len(specs) + 1)
    for first in range(len(specs)):
        end = specs[first].end
        for last in range(first, len(specs)):
            if specs[last].address - end > limits.max_gap or (last > first and specs[last].address in cut_at):
                break
            end = max(end, specs[last].end)
            if end - specs[first].address > limits.max_registers:
                break
            time_s = best[first] + request_s(end - specs[first].address, limits)
            if time_s < best[last + 1]:
                best[last + 1], start_of_last[last + 1] = time_s, first
    blocks: list[ReadBlock] = []
    stop = len(specs)
    while stop:
        blocks.append(_block(specs[start_of_last[stop] : stop]))
        stop = start_of_last[stop]
    return blocks[::-1]


def _block(specs: Sequence[RegisterSpec]) -> ReadBlock:
    address = specs[0].address
    return ReadBlock(specs[0].function_code, address, max(spec.end for spec in specs) - address, tuple(specs))


def _running_ends(specs: Sequence[RegisterSpec]) -> list[int]:
    """For each register the address after the last word of it and all before it."""
    ends: list[int] = []
    for spec in specs:
        ends.append(max(spec.end, ends[-1]) if ends else spec.end)
    return ends
