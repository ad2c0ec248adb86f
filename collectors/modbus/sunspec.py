"""Meters that describe themselves: SunSpec models 201 to 204, found on the device and written down as a profile.

A SunSpec device has the marker "SunS" at one of three addresses, and after it a chain of models, each with its number
and length (SunSpec Device Information Model Specification). The scale of a value stands in a register of its own, so
the register table of such a meter is only known once it was asked. Offsets are those of the model definitions, which
are the same for the four models (pysunspec2 1.3.7, models/json/model_201.json to model_204.json).

What stays true:
- Nothing is read but the marker, the chain, and the two models looked for; the chain is followed for MAX_MODELS.
- A value that the meter does not have (marked "not implemented", or without scale) is not in the profile. The totals of
  energy are, even at 0: a new meter begins there.
- The profile found is text for a file: it is checked by the same loader as every other.

Limit: reactive energy by quadrant is no quantity here. The sign of power differs between makers; the profile says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from collectors.quantities import QUANTITIES

Read = Callable[[int, int], "list[int] | None"]  # (address, count) -> holding registers, None if not given

BASES = (40_000, 50_000, 0)
MARKER = [0x5375, 0x6E53]  # "SunS"
COMMON = 1
METERS = {201: "single phase", 202: "split phase", 203: "three phase, star", 204: "three phase, delta"}
MAX_MODELS = 40
_END = 0xFFFF
_MODEL_WORDS = 72  # up to the last scale that is needed
_NOT_IMPLEMENTED = 0x8000


@dataclass(frozen=True, slots=True)
class ModelAt:
    """A model of the chain, and where its number stands."""

    number: int
    address: int


@dataclass(frozen=True, slots=True)
class _Point:
    quantity: str
    offset: int  # from the model's number on
    scale_at: int
    to_unit: str = "1"  # from SunSpec's unit to ours
    is_counter: bool = False


def _phases(quantity: str, offset: int, scale_at: int, to_unit: str = "1", step: int = 1) -> Iterator[_Point]:
    for index, phase in enumerate(("l1", "l2", "l3")):
        yield _Point(f"{quantity}_{phase}", offset + step * index, scale_at, to_unit, step == 2)


_POINTS = (
    _Point("current", 2, 6),
    *_phases("current", 3, 6),
    _Point("voltage", 7, 15),
    *_phases("voltage", 8, 15),
    _Point("voltage_l1_l2", 12, 15),
    _Point("voltage_l2_l3", 13, 15),
    _Point("voltage_l3_l1", 14, 15),
    _Point("frequency", 16, 17),
    _Point("power", 18, 22, "0.001"),
    *_phases("power", 19, 22, "0.001"),
    _Point("apparent_power", 23, 27, "0.001"),
    *_phases("apparent_power", 24, 27, "0.001"),
    _Point("reactive_power", 28, 32, "0.001"),
    *_phases("reactive_power", 29, 32, "0.001"),
    _Point("power_factor", 33, 37, "0.01"),
    *_phases("power_factor", 34, 37, "0.01"),
    _Point("energy_export", 38, 54, "0.001", True),
    *_phases("energy_export", 40, 54, "0.001", step=2),
    _Point("energy_import", 46, 54, "0.001", True),
    *_phases("energy_import", 48, 54, "0.001", step=2),
    _Point("apparent_energy", 63, 71, "0.001", True),
)


_TOTALS = ("energy_import", "energy_export")


@dataclass(frozen=True, slots=True)
class SunSpecMeter:
    """A meter found, as the profile it would be read by."""

    profile: str  # id
    text: str  # of the profile's file


def discover(read: Read) -> SunSpecMeter | None:
    """The first meter model of a device; None if it is no SunSpec device or has none."""
    models = find_models(read)
    meter = next((model for model in models if model.number in METERS), None)
    if meter is None:
        return None
    words = read(meter.address, _MODEL_WORDS)
    if words is None:
        return None
    maker, product = _names(read, models)
    points = list(_implemented(words))
    return SunSpecMeter(_id(maker, product), _text(maker, product, meter, points)) if points else None


def find_models(read: Read) -> list[ModelAt]:
    """The chain of models, in order; empty without the marker."""
    base = next((base for base in BASES if read(base, 2) == MARKER), None)
    if base is None:
        return []
    models: list[ModelAt] = []
    address = base + 2
    while len(models) < MAX_MODELS and address < 65_534:
        header = read(address, 2)
        if header is None or header[0] == _END:
            break
        models.append(ModelAt(header[0], address))
        address += 2 + header[1]
    return models


def _names(read: Read, models: Sequence[ModelAt]) -> tuple[str, str]:
    """Maker and product out of the common model: 32 bytes of text each."""
    common = next((model for model in models if model.number == COMMON), None)
    words = None if common is None else read(common.address + 2, 32)
    if words is None:
        return "unknown", "meter"
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    texts = [part.split(b"\0")[0].decode("ascii", "replace").strip() for part in (raw[:32], raw[32:])]
    return texts[0] or "unknown", texts[1] or "meter"


def _implemented(words: Sequence[int]) -> Iterator[tuple[_Point, Decimal]]:
    """The points that the meter has, with the scale to our unit."""
    for point in _POINTS:
        exponent = words[point.scale_at]
        if exponent == _NOT_IMPLEMENTED:
            continue
        exponent -= (exponent & 0x8000) << 1  # a signed number
        raw = words[point.offset : point.offset + (2 if point.is_counter else 1)]
        is_there = raw not in ([0, 0], [_NOT_IMPLEMENTED]) or point.quantity in _TOTALS
        if is_there and -10 <= exponent <= 10:  # 10 is the most the models allow
            yield point, (Decimal(point.to_unit).scaleb(exponent)).normalize()


def _id(maker: str, product: str) -> str:
    return "sunspec-" + (re.sub(r"[^a-z0-9]+", "-", f"{maker} {product}".lower()).strip("-") or "meter")


def _text(maker: str, product: str, meter: ModelAt, points: Sequence[tuple[_Point, Decimal]]) -> str:
    lines = [
        f"id: {_id(maker, product)}",
        f"maker: {_quoted(maker)}",
        f"model: {_quoted(product)}",
        "source:",
        f"  document: SunSpec model {meter.number} ({METERS[meter.number]}) as the meter itself describes it",
        "timing: {timeout_s: 1, retries: 1, pause_s: 0.05, max_registers: 125, latency_s: 0.05, baud: 9600}",
        "defaults: {function_code: 3, dtype: int16, word_order: big}",
        "not_available: {int16: [0x8000], uint32: [0]}",
        "registers:",
    ]
    for point, scale in points:
        unit = QUANTITIES[point.quantity].unit
        dtype = ", dtype: uint32" if point.is_counter else ""
        where = f"quantity: {point.quantity}, address: {meter.address + point.offset}"
        lines.append(f'- {{{where}, unit: "{unit}"{dtype}, scale: {scale:f}}}')
    lines += [
        "notes:",
        f"- Written by a scan. Addresses and scales are of this meter as found, model at {meter.address}.",
        "- The sign of power differs between makers; compare it and the direction of energy with the display once.",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + re.sub(r'["\\\x00-\x1f]', "_", text) + '"'
