"""Words to values and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import WrongReply
from collectors.modbus.decode import decode, encode, quantise
from collectors.profile import DTYPES, RegisterSpec

MakeSpec = Callable[..., RegisterSpec]

SPECS = st.builds(
    lambda dtype, word_order, scale, offset: RegisterSpec(
        "power", "power", 0, 3, dtype, word_order, scale, offset, (), "kW", None
    ),
    st.sampled_from(sorted(DTYPES)),
    st.sampled_from(["big", "little"]),
    st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("0.01"), Decimal("0.001"), Decimal("-0.5"), Decimal(1000)]),
    st.sampled_from([Decimal(0), Decimal("-273.15"), Decimal(100)]),
)


@pytest.mark.parametrize(
    ("dtype", "words", "value"),
    [
        ("int16", [0xFFFE], -2),
        ("uint16", [0xFFFE], 65534),
        ("int32", [0xFFFF, 0xFFFE], -2),
        ("uint32", [0xFFFF, 0xFFFE], 4294967294),
        ("int64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
        ("uint64", [0x0001, 0x0000, 0x0000, 0x0000], 281474976710656),
        ("float32", [0x4248, 0x0000], 50),
        ("float64", [0x4049, 0x0000, 0x0000, 0x0000], 50),
        ("bcd16", [0x1234], 1234),
        ("bcd32", [0x1234, 0x5678], 12345678),
        ("bcd64", [0x0000, 0x0000, 0x1234, 0x5678], 12345678),
        ("uint16_low_byte", [0x033D], 61),
    ],
)
def test_each_dtype_reads_its_words(make_spec: MakeSpec, dtype: str, words: list[int], value: float) -> None:
    assert decode(words, make_spec(dtype=dtype)) == value
    assert decode(words[::-1], make_spec(dtype=dtype, word_order="little")) == value


def test_the_scale_is_exact(make_spec: MakeSpec) -> None:
    spec = make_spec(dtype="uint32", scale=Decimal("0.01"))

    assert decode([0x0000, 0x0073], spec) == 1.15  # 115 × 0.01 in floats is 1.1500000000000001
    assert decode([0x0000, 0x0073], make_spec(dtype="uint32", scale=Decimal("0.01"), offset=Decimal("-0.15"))) == 1.0


def test_not_available_is_neither_zero_nor_an_error(make_spec: MakeSpec) -> None:
    spec = make_spec(dtype="int32", not_available=(0x7FFFFFFF, 0x80000000))

    assert decode([0x7FFF, 0xFFFF], spec) is None
    assert decode([0x8000, 0x0000], spec) is None
    assert decode([0x0000, 0x0000], spec) == 0
    assert decode([0xFFFF, 0x7FFF], make_spec(dtype="int32", word_order="little", not_available=(0x7FFFFFFF,))) is None


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0], [0xFFFF, 0xFFFF]])
def test_a_float_that_is_not_finite_is_not_available(make_spec: MakeSpec, words: list[int]) -> None:
    assert decode(words, make_spec(dtype="float32")) is None


def test_digits_that_are_no_bcd_are_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(WrongReply, match="123f is no BCD number"):
        decode([0x123F], make_spec(dtype="bcd16"))


def test_a_wrong_number_of_words_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(WrongReply, match="1 words, uint32 has 2"):
        decode([1], make_spec(dtype="uint32"))


def test_a_counter_starts_again_at_its_modulus(make_spec: MakeSpec) -> None:
    kwh: dict[str, Any] = {"quantity": "energy_import", "unit": "kWh"}
    u32 = make_spec(dtype="uint32", scale=Decimal("0.1"), modulus=Decimal("429496729.6"), **kwh)
    display = make_spec(dtype="float32", modulus=Decimal(1000000), **kwh)
    bcd = make_spec(dtype="bcd16", modulus=Decimal(10000), **kwh)

    assert quantise(429496729.5, u32) == 429496729.5
    assert quantise(429496729.58, u32) == 0  # rounds up to the modulus
    assert quantise(429496730.0, u32) == 0.4
    assert quantise(1000002.5, display) == 2.5
    assert quantise(10001, bcd) == 1


@pytest.mark.parametrize("value", [70000, -1, math.nan, math.inf, None])
def test_what_a_register_cannot_hold_is_refused(make_spec: MakeSpec, value: float | None) -> None:
    with pytest.raises(ValueError, match="power"):
        encode(value, make_spec(dtype="uint16"))


def test_a_float_too_large_for_its_type_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(ValueError, match="does not fit float32"):
        encode(1e40, make_spec(dtype="float32"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_simulated_float_can_say_not_available(make_spec: MakeSpec, dtype: str) -> None:
    assert quantise(None, make_spec(dtype=dtype)) is None
    assert quantise(None, make_spec(dtype="uint16", not_available=(0xFFFF,))) is None


@given(SPECS, st.integers(-(10**6), 10**6))
def test_showing_a_shown_value_again_changes_nothing(spec: RegisterSpec, thousandths: int) -> None:
    try:
        shown = quantise(thousandths / 1000, spec)
    except ValueError:
        return  # does not fit this register
    assert shown is not None
    again = quantise(shown, spec)
    if spec.dtype == "float64":  # as precise as the value itself: scale and offset may cost the last bit
        assert again == pytest.approx(shown, rel=1e-15, abs=1e-12)
    else:
        assert again == shown


@given(SPECS, st.data())
def test_every_integer_pattern_survives_decoding_and_encoding(spec: RegisterSpec, data: st.DataObject) -> None:
    kind = DTYPES[spec.dtype].kind
    if kind in ("float", "bcd", "low_byte") or spec.words == 4:
        return  # 64-bit counts beyond 2^53 are rounded to float64, by contract
    words = tuple(data.draw(st.lists(st.integers(0, 0xFFFF), min_size=spec.words, max_size=spec.words)))

    assert encode(decode(words, spec), spec) == words
