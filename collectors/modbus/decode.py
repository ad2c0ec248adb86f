"""Register words to values and back. Pure.

What stays true:
- value = raw × scale + offset, computed in decimal and rounded once, to the nearest float64.
- None means that the meter says "not available": a pattern listed in the profile, or a float that is not finite. It is
  never 0 and never an error.
- `encode` is for simulated meters; `decode(encode(v))` is what a meter can show of v (`quantise`), and showing that
  again changes nothing. (Of a float64 register with scale or offset, which has no bit to spare, the last bit may.)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

from collectors.errors import WrongReply
from collectors.profile import DTYPES, DType, RegisterSpec

# Enough digits for a 64-bit count times any scale a person writes, so that only the last step to float64 rounds.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_FLOAT_CODES = {2: ">f", 4: ">d"}
_NAN_PATTERNS = {2: 0x7FC00000, 4: 0x7FF8000000000000}


def decode(words: Sequence[int], spec: RegisterSpec) -> float | None:
    """Words as they stand in the reply -> value in the canonical unit, or None = not available.

    Raises WrongReply for a wrong number of words or digits that are no BCD.
    """
    dtype = DTYPES[spec.dtype]
    if len(words) != dtype.words:
        raise WrongReply(f"{spec.point}: {len(words)} words, {spec.dtype} has {dtype.words}")
    pattern = _join(words, spec)
    if pattern in spec.not_available:
        return None
    raw = _RAW[dtype.kind](pattern, dtype, spec)
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    if spec.scale == 1 and spec.offset == 0:
        return float(raw)
    value = float(_EXACT.add(_EXACT.multiply(Decimal(raw), spec.scale), spec.offset))
    return value if math.isfinite(value) else None


def encode(value: float | None, spec: RegisterSpec) -> tuple[int, ...]:
    """Value in the canonical unit -> words as a meter would send them, rounded half to even.

    A counter beyond its modulus starts again from 0. Raises ValueError for a value the register cannot hold, and for
    None where the register has no way to say "not available".
    """
    dtype = DTYPES[spec.dtype]
    if value is None:
        return _split(_not_available(spec, dtype), spec)
    if not math.isfinite(value):
        raise ValueError(f"{spec.point}: {value} cannot be shown; use None for “not available”")
    exact = Decimal(str(value))
    if spec.modulus is not None and exact >= 0:
        exact = _EXACT.remainder(exact, spec.modulus)
    raw = _EXACT.divide(_EXACT.subtract(exact, spec.offset), spec.scale)
    if dtype.kind == "float":
        return _split(_pack_float(raw, dtype, spec), spec)
    count = int(raw.to_integral_value(rounding=ROUND_HALF_EVEN))
    if spec.modulus is not None and exact >= 0:
        count %= int(_EXACT.divide(spec.modulus, spec.scale))  # rounding up just below the modulus
    return _split(_pack_integer(count, dtype, spec), spec)


def quantise(value: float | None, spec: RegisterSpec) -> float | None:
    """What a meter with this register can show of a value."""
    return decode(encode(value, spec), spec)


def _join(words: Sequence[int], spec: RegisterSpec) -> int:
    ordered = words if spec.word_order == "big" else tuple(reversed(words))
    pattern = 0
    for word in ordered:
        pattern = pattern << 16 | word
    return pattern


def _split(pattern: int, spec: RegisterSpec) -> tuple[int, ...]:
    words = tuple(pattern >> (16 * place) & 0xFFFF for place in reversed(range(spec.words)))
    return words if spec.word_order == "big" else words[::-1]


def _unsigned(pattern: int, _dtype: DType, _spec: RegisterSpec) -> int:
    return pattern


def _signed(pattern: int, dtype: DType, _spec: RegisterSpec) -> int:
    bits = 16 * dtype.words
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


def _float(pattern: int, dtype: DType, _spec: RegisterSpec) -> float:
    return float(struct.unpack(_FLOAT_CODES[dtype.words], pattern.to_bytes(2 * dtype.words, "big"))[0])


def _bcd(pattern: int, dtype: DType, spec: RegisterSpec) -> int:
    digits = f"{pattern:0{4 * dtype.words}x}"
    if not digits.isdecimal():
        raise WrongReply(f"{spec.point}: {digits} is no BCD number; check dtype and word_order in the profile")
    return int(digits)


def _low_byte(pattern: int, _dtype: DType, _spec: RegisterSpec) -> int:
    return pattern & 0xFF


_RAW: dict[str, Callable[[int, DType, RegisterSpec], int | float]] = {
    "unsigned": _unsigned,
    "signed": _signed,
    "float": _float,
    "bcd": _bcd,
    "low_byte": _low_byte,
}


def _not_available(spec: RegisterSpec, dtype: DType) -> int:
    if spec.not_available:
        return spec.not_available[0]
    if dtype.kind == "float":
        return _NAN_PATTERNS[dtype.words]
    raise ValueError(f"{spec.point}: {spec.dtype} without not_available cannot say “not available”")


def _pack_float(raw: Decimal, dtype: DType, spec: RegisterSpec) -> int:
    try:
        return int.from_bytes(struct.pack(_FLOAT_CODES[dtype.words], float(raw)), "big")
    except OverflowError as error:
        raise ValueError(f"{spec.point}: {raw} does not fit {spec.dtype}") from error


def _pack_integer(count: int, dtype: DType, spec: RegisterSpec) -> int:
    bits = 8 if dtype.kind == "low_byte" else 16 * dtype.words
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if dtype.kind == "signed" else (0, dtype.capacity or 1 << bits)
    if not low <= count < high:
        raise ValueError(f"{spec.point}: the count {count} does not fit {spec.dtype}")
    return int(str(count), 16) if dtype.kind == "bcd" else count & ((1 << bits) - 1)
