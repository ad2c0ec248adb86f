"""Whole millionths divided among parts, many divisions at once, so that the parts add up to the whole exactly.

By largest remainder: each part gets its share rounded down, and what is left over goes, a millionth each, to the parts
with the largest remainders; of equal ones the first in order. Everything is integers below 2^63: the whole is first
divided by the sum of weights, so no product leaves 64 bits.
"""

from __future__ import annotations

import numpy as np

from collectors.reading import Int64s

PPM = 1_000_000
WEIGHT_BITS = 31  # weights are cut to so many bits; a sub-meter's share is then good to 5e-10


def divided(whole_u: Int64s, starts: Int64s, weight: Int64s) -> Int64s:
    """The parts of each whole; parts of whole i are starts[i] <= place < starts[i + 1] of `weight` (>= 0).

    Where all weights of a whole are zero it is divided evenly.
    """
    count = np.diff(np.append(starts, weight.size))
    row = np.repeat(np.arange(whole_u.size), count)
    weight = _cut(weight, starts, row)
    total = np.add.reduceat(weight, starts) if starts.size else weight
    each, rest = np.divmod(whole_u, total)
    product = rest[row] * weight
    part_u = each[row] * weight + product // total[row]
    left_u = whole_u - (np.add.reduceat(part_u, starts) if starts.size else part_u)
    order = np.lexsort((np.arange(row.size), -(product % total[row]), row))
    place = np.empty(row.size, np.int64)
    place[order] = np.arange(row.size) - starts[row]  # rows stand in order, so sorting moves parts within their own
    return np.asarray(part_u + (place < left_u[row]))


def _cut(weight: Int64s, starts: Int64s, row: Int64s) -> Int64s:
    """Weights whose sum per row fits WEIGHT_BITS; ones where all of them are zero."""
    if not starts.size:
        return weight
    weight = np.where(np.add.reduceat(weight, starts)[row] == 0, 1, weight)
    _, bits = np.frexp(np.add.reduceat(weight, starts).astype(np.float64))
    cut = weight >> np.maximum(bits - WEIGHT_BITS, 0).astype(np.int64)[row]
    return np.where(np.add.reduceat(cut, starts)[row] == 0, 1, cut)


def times_ppm(amount_u: Int64s, ppm: Int64s) -> Int64s:
    """round_half_even(amount × ppm / 10^6), exactly; |ppm| at most 10^9."""
    whole, rest = np.divmod(amount_u, PPM)
    quotient, remainder = np.divmod(rest * ppm, PPM)
    total = whole * ppm + quotient
    up = (2 * remainder > PPM) | ((2 * remainder == PPM) & (total % 2 != 0))
    return np.asarray(total + up)
