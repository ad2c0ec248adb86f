"""The least time to read a set of registers, by trying every plan: the oracle beside `plan_reads`.

A plan cuts the registers, sorted by address, into runs of neighbours. Every way to cut is tried, depth first; a branch
is left only when what it costs so far, with the cheapest conceivable rest, is no less than the best plan found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from collectors.modbus.plan import request_s
from collectors.profile import RegisterSpec, TimingLimits


def least_s(specs: Sequence[RegisterSpec], limits: TimingLimits) -> float:
    """Modelled seconds of the best plan over all function codes."""
    codes = sorted({spec.function_code for spec in specs})
    return math.fsum(_of_one_code([spec for spec in specs if spec.function_code == code], limits) for code in codes)


def _of_one_code(specs: Sequence[RegisterSpec], limits: TimingLimits) -> float:
    spans = sorted((spec.address, spec.end) for spec in specs)
    register_s = request_s(1, limits) - request_s(0, limits)
    wanted_from = [0] * (len(spans) + 1)  # registers that any plan must still read
    for place in range(len(spans) - 1, -1, -1):
        wanted_from[place] = wanted_from[place + 1] + spans[place][1] - spans[place][0]
    best_s = math.inf

    def extend(first: int, so_far_s: float) -> None:
        nonlocal best_s
        if first == len(spans):
            best_s = min(best_s, so_far_s)
            return
        requests = math.ceil(wanted_from[first] / limits.max_registers)
        if so_far_s + requests * request_s(0, limits) + wanted_from[first] * register_s >= best_s:
            return
        for last in reversed(range(first, _reach(spans, first, limits))):  # long runs first: good plans soon
            extend(last + 1, so_far_s + request_s(spans[last][1] - spans[first][0], limits))

    extend(0, 0.0)
    return best_s


def _reach(spans: Sequence[tuple[int, int]], first: int, limits: TimingLimits) -> int:
    """One past the last register that a request beginning at `first` may hold."""
    last = first
    while (
        last + 1 < len(spans)
        and spans[last + 1][0] - spans[last][1] <= limits.max_gap
        and spans[last + 1][1] - spans[first][0] <= limits.max_registers
    ):
        last += 1
    return last + 1
