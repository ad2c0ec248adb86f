"""The quick way to find that a chain holds: the same checks as `ledger.verify_chain`, on texts in place of entries.

What stays true: it holds a chain for good only if `verify_chain` would. An entry's hash covers its canonical text; here
the text comes from the database, and all that is checked and summed is read out of the very text that was hashed.
Whatever does not fit at once is left to `verify_chain`, which says what is wrong and where.

Calculations of a source repeat from day to day but for their figures. What stands around those, the *frame*, is
understood once; then an entry costs the hash, one reading of its text, and whole-number arithmetic.
Limits: MAX_FRAMES of them are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from gateway.carbon.emission import recomputed
from gateway.carbon.formula import per_unit
from gateway.carbon.ledger import NO_HASH, SIDES
from gateway.carbon.model import Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, Unit

MAX_FRAMES = 10_000
MICRO = 1_000_000

# Of an entry's text: the members before its calculation, the calculation, the members after it; and its hash.
Line = tuple[bytes, bytes, bytes, str]

Rate = tuple[int, int]  # grams per millionth of a unit of activity, as numerator and denominator
NOTHING: Rate = (0, 1)


class Booked(msgspec.Struct, gc=False):
    """What the checks of chains, sums and roots need of an entry; `hash` is that of the text it was read out of."""

    day: str
    seq: int
    source: str
    activity: str
    scope: int
    stage: str
    amount_u: int
    unit: str
    emission_g: int
    energy_gce: int
    previous_hash: str
    digest: str
    reverses: int | None
    location_g: int = 0
    market_g: int = 0
    hash: str = ""


class Frame(NamedTuple):
    """What calculations that differ in figures alone give for a millionth of their unit."""

    sign: int
    emission: Rate
    energy: Rate
    sides: tuple[tuple[str, Rate], ...]  # by location, by market, where the calculation has them


_booked = msgspec.json.Decoder(Booked).decode

# How a calculation begins: {"amount":"…","emission_g":"…","energy":{"energy_gce":"…" and then the terms of its energy;
# one without energy goes on after the second figure. Cut at quotation marks, figures are the pieces 3, 7 and 13.
_AMOUNT = [b"{", b"amount", b":"]
_EMISSION = [b",", b"emission_g", b":"]
_ENERGY = [b",", b"energy", b":{", b"energy_gce", b":"]
_CUTS = 14
# Where the figure of a side stands: the only members of that name that are the first of their object.
_SIDE = b'{"emission_g":"'


@dataclass(frozen=True, slots=True)
class QuickChecks:
    """Checks chains one after another, and remembers frames between them."""

    frames: dict[bytes, Frame] = field(default_factory=dict)

    def booked(self, lines: Iterable[Line]) -> list[Booked] | None:
        """A whole chain by seq, checked; None if some of it does not hold, or is not as usual."""
        found: list[Booked] = []
        open_entries: dict[int, Booked] = {}
        seq, previous, sha256 = 0, NO_HASH, hashlib.sha256
        try:
            for before, calculation, after, own_hash in lines:
                text = b"".join((before[:-1], b',"calculation":', calculation, b",", after[1:]))
                one = _booked(text)
                seq += 1
                if one.seq != seq or one.previous_hash != previous or sha256(text).hexdigest() != own_hash:
                    return None
                one.hash = previous = own_hash
                if not self._figures_hold(one, calculation):
                    return None
                if one.reverses is None:
                    open_entries[seq] = one
                elif not _taken_back(one, open_entries.pop(one.reverses, None)):
                    return None
                found.append(one)
        except (KeyError, TypeError, ValueError, ArithmeticError, msgspec.MsgspecError):
            return None
        return found

    def _figures_hold(self, one: Booked, calculation: bytes) -> bool:
        """Whether the figures follow from the calculation; notes those by location and by market."""
        pieces = calculation.split(b'"', _CUTS)
        if pieces[:3] != _AMOUNT or pieces[4:7] != _EMISSION:
            return _holds_as_read(one, calculation)
        around = pieces[_CUTS] if pieces[8:13] == _ENERGY else b'"'.join(pieces[8:])
        stated: list[bytes] = []
        if _SIDE in around:
            around, stated = _without_sides(around)
        frame = self.frames.get(around) or self._understood(around, calculation)
        sign = 1 if one.reverses is None else -1
        booked_u = frame.sign * _micro(pieces[3])
        signed_u = sign * booked_u
        if not _follows(one.emission_g, signed_u, frame.emission) or not _follows(
            one.energy_gce, signed_u, frame.energy
        ):
            return False
        one.location_g = one.market_g = one.emission_g
        if not frame.sides and not stated:
            return True
        for (name, rate), text in zip(frame.sides, stated, strict=True):
            side_g = int(text)
            if b"%d" % side_g != text or not _follows(side_g, booked_u, rate):
                return False
            setattr(one, f"{name}_g", sign * side_g)
        return True

    def _understood(self, around: bytes, calculation: bytes) -> Frame:
        """The frame of a calculation, read as `ledger.verify_chain` reads it; raises what is wrong with it."""
        given = msgspec.json.decode(calculation)
        energy = given.get("energy")
        frame = Frame(
            sign=_whole(given["sign"]),
            emission=_rate(given, given["unit"], GRAM_CO2E) if given["formula"] else NOTHING,
            energy=NOTHING if energy is None else _rate(energy, given["unit"], GRAM_STANDARD_COAL),
            sides=tuple(
                (name, _rate(given[name], given["unit"], GRAM_CO2E) if given[name]["formula"] else NOTHING)
                for name in SIDES
                if name in given
            ),
        )
        if len(self.frames) >= MAX_FRAMES:
            self.frames.clear()
        self.frames[around] = frame
        return frame


def _holds_as_read(one: Booked, calculation: bytes) -> bool:
    """The figures of a calculation that begins otherwise, as an operator's adjustment does: worked out one by one."""
    given = msgspec.json.decode(calculation)
    if any(name in given for name in SIDES):
        return False
    sign = 1 if one.reverses is None else -1
    emission_g, energy_gce = recomputed(given)
    one.location_g = one.market_g = one.emission_g
    return (one.emission_g, one.energy_gce) == (sign * emission_g, sign * energy_gce)


def _without_sides(around: bytes) -> tuple[bytes, list[bytes]]:
    """What stands around the figures of the sides, and those figures."""
    kept, *others = around.split(_SIDE)
    figures = []
    for other in others:
        figure, _, rest = other.partition(b'"')
        figures.append(figure)
        kept += _SIDE + rest
    return kept, figures


def _rate(part: dict[str, Any], unit: str, target: Unit) -> Rate:
    terms = {name: Term(**term) for name, term in part["terms"].items()}
    exact = per_unit(part["formula"], terms, unit, target) / MICRO
    return exact.numerator, exact.denominator


def _whole(sign: object) -> int:
    if not isinstance(sign, int):
        raise TypeError(f"the sign {sign!r} of a calculation is no whole number")
    return sign


def _follows(grams: int, amount_u: int, rate: Rate) -> bool:
    """Whether grams are what `round_half_even` makes of an amount; without a division, which costs more."""
    numerator, denominator = rate
    doubled = 2 * (amount_u * numerator - grams * denominator)  # by how much it was rounded, in 2 × denominators
    return -denominator < doubled < denominator or (abs(doubled) == denominator and grams % 2 == 0)


def _taken_back(one: Booked, old: Booked | None) -> bool:
    """Whether a reversal takes back just what an entry booked."""
    return old is not None and (
        (old.source, old.day, old.amount_u, old.emission_g, old.energy_gce, old.digest)
        == (one.source, one.day, -one.amount_u, -one.emission_g, -one.energy_gce, one.digest)
    )


def _micro(text: bytes) -> int:
    """Decimal text in millionths; ValueError if that is no whole number of them."""
    if text.isdigit():
        return int(text) * MICRO
    whole, _, rest = text.partition(b".")
    digits = whole.removeprefix(b"-") + rest
    if len(rest) > 6 or not digits.isdigit():
        raise ValueError(f"{text!r} is not in millionths")
    return int(whole + rest.ljust(6, b"0"))
