"""Judging what a counter did where it did not simply rise. Pure arithmetic on a handful of readings.

A fall is named, never guessed silently:
  glitch       one reading off the line, the next one back on it: dropped
  rollover     the counter passed its modulus, and the wrapped step is one it can make
  reset        fell low and stayed: what was counted since counts, what was lost before is unknown
  replacement  a declared change of the meter (made into a new epoch by `usage`, so no fall is left to judge)
  backwards    falls again and again, as when import and export are swapped: nothing is booked
  quarantined  none of these: nothing is booked until an operator decides
  undecided    no later reading shows yet what it was: nothing is booked for now

A rise is implausible where it is above rated power × time × MARGIN, and quarantined. Without a rated power one rise is
still doubted: from standing at exactly zero, or from a zero that is the very first reading, by far more than the
counter makes afterwards, which is what the end of a run of bad zeros looks like.

What stays true: a verdict depends on at most two readings before and three after the fall, so that one late reading
changes only its neighbourhood (`usage.REACH`, `usage.CONTEXT`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MARGIN = 1.5  # a plant may run this far above its rated power before a step is doubted
NEAR_MODULUS = 0.9  # without rated power: a rollover starts above this share of the modulus …
AFTER_MODULUS = 0.1  # … and ends below this share
LOW_SHARE = 0.1  # without rated power: a reset ends below this share of the value before it
RISE_FROM_ZERO = 100.0  # a rise from zero this many times steeper than the next step is doubted

Verdict = Literal["glitch", "rollover", "reset", "backwards", "quarantined", "undecided", "booked"]
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a counter can do."""

    rated_per_hour: float | None  # usage unit per hour; None = unknown
    resolution: float  # steps up to this are always believed: the counter may show them late
    moduli: tuple[float, ...]  # it starts again from 0 at one of these

    def believes(self, amount: float, duration_ms: int) -> bool:
        """Can this much pass in this time?"""
        return amount <= self.most(duration_ms)

    def most(self, duration_ms: int) -> float:
        """The most that can pass in this time; infinite without a rated power."""
        if self.rated_per_hour is None:
            return math.inf
        return self.rated_per_hour * duration_ms / 3_600_000 * MARGIN + self.resolution


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one step and the amount that is booked for it."""

    verdict: Verdict
    amount_u: int = 0  # millionths


def micro(value: float) -> int:
    """A counter value in millionths, as `usage` rounds it in columns (half to even)."""
    return round(value * MICRO)


def glitches(at_ms: Sequence[int], value: Sequence[float], fall: int, limits: Limits) -> tuple[int, ...]:
    """Readings to drop around the fall from `fall` to `fall + 1`, as indices; empty where it is no glitch.

    `at_ms` and `value` are the readings of one meter in order. A fall to the very last reading is never a glitch yet.
    """
    low = fall + 1
    if low == len(value) - 1:
        return ()
    for back in (low + 1, low + 2):  # one bad reading, or two in a row
        if back < len(value) and _rises(at_ms, value, fall, back, limits):
            return tuple(range(low, back))
    if fall > 0 and _rises(at_ms, value, fall - 1, low, limits):
        return (fall,)  # the reading before the fall was the one off the line
    return ()


def _rises(at_ms: Sequence[int], value: Sequence[float], first: int, last: int, limits: Limits) -> bool:
    return value[last] >= value[first] and limits.believes(value[last] - value[first], at_ms[last] - at_ms[first])


@dataclass(frozen=True, slots=True)
class Step:
    """A step between two kept readings of a counter with its neighbours; None where there is none."""

    earlier: float | None
    before: float
    after: float
    later: float | None
    duration_ms: int
    later_ms: int  # from `after` to `later`
    opened: bool = False  # `before` is a replacing meter's declared first value: a zero is meant
    closed: bool = False  # `after` is a replaced meter's declared last value: nothing can come later


def judge_fall(step: Step, limits: Limits) -> Judgement:
    """Verdict on a fall that is no glitch."""
    if step.later is None and not step.closed:
        return Judgement("undecided")
    wrapped_u = _rollover(step, limits)
    if wrapped_u is not None:
        return Judgement("rollover", wrapped_u)
    if step.later is None:
        return Judgement("quarantined")
    if step.later < step.after or (step.earlier is not None and step.earlier > step.before):
        return Judgement("backwards")
    low = limits.most(step.duration_ms) if limits.rated_per_hour is not None else LOW_SHARE * step.before
    if 0 <= step.after <= low and limits.believes(step.later - step.after, step.later_ms):
        return Judgement("reset", micro(step.after))
    return Judgement("quarantined")


def _rollover(step: Step, limits: Limits) -> int | None:
    """Millionths passed if this was a rollover; of several moduli the one with the smallest step."""
    amounts_u = []
    for modulus in limits.moduli:
        wrapped = step.after + modulus - step.before
        if not (0 <= step.after < modulus and 0 <= wrapped <= modulus / 2):
            continue
        if limits.rated_per_hour is None:
            near = step.before >= NEAR_MODULUS * modulus and step.after <= AFTER_MODULUS * modulus
        else:
            near = limits.believes(wrapped, step.duration_ms)
        if near:
            amounts_u.append(micro(step.after) + micro(modulus) - micro(step.before))
    return min(amounts_u, default=None)


def judge_rise(step: Step, limits: Limits) -> Judgement:
    """Verdict on a rise that is above the rated power, or that starts from standing at zero without one."""
    amount_u = micro(step.after) - micro(step.before)
    rise = step.after - step.before
    if limits.rated_per_hour is not None:
        if limits.believes(rise, step.duration_ms):
            return Judgement("booked", amount_u)
    elif not _from_standing_zero(step, rise):
        return Judgement("booked", amount_u)
    return Judgement("undecided" if step.later is None and not step.closed else "quarantined")


def _from_standing_zero(step: Step, rise: float) -> bool:
    if step.before != 0 or step.earlier not in (None, 0) or step.opened or rise <= 0:
        return False
    if step.later is None:
        return False
    return rise / step.duration_ms > RISE_FROM_ZERO * max(step.later - step.after, 0.0) / max(step.later_ms, 1)
