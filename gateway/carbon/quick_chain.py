"""The quick way to find that a chain holds: the same checks as `ledger.verify_chain`, on rows in place of entries.

What stays true: it holds a chain for good only if `verify_chain` would. An entry's hash covers its canonical text; here
that text is put together from the very values that are checked and summed, and their types are looked at, so that no
other value is spelled alike. Whatever does not fit at once is left to `verify_chain`, which says what is wrong where.

Calculations of a source repeat from day to day but for their figures. What stands around those, the *frame*, is
understood once. An entry whose calculation is written as the one before it under its heading then costs the hash, one
formatting, and two products (`_as_usual`); any other one is taken apart (`_figures_hold`).
Limits: MAX_FRAMES of them are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from gateway.carbon.emission import SIDES, recomputed
from gateway.carbon.evidence import canonical_json
from gateway.carbon.formula import per_unit
from gateway.carbon.frames import Frame, frame_from, frame_hash
from gateway.carbon.headings import STEADY_BESIDE_FRAME, Heading, Rate, Rates, Row, Usual
from gateway.carbon.ledger import NO_HASH
from gateway.carbon.model import Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, Unit

MAX_FRAMES = 10_000
MICRO = 1_000_000

# Below this many grams a product of two floats is off by less than 0.0004 (three roundings of 2^-53 each). So what is
# within NEAR of a figure rounds to it, by exact arithmetic too; what is not is worked out exactly.
FLOAT_G = 2**40
NEAR = 0.499

NOTHING: Rate = (0, 1)


class Booked(msgspec.Struct, gc=False):
    """What the checks of chains, sums and roots need of an entry; `hash` is that of the text with these values."""

    heading: Heading
    seq: int
    day: str
    amount_u: int
    emission_g: int
    energy_gce: int
    digest: str
    hash: str
    location_g: int
    market_g: int


class Days(dict[str, bytes]):
    """Days as they stand in a text; asking for what is no day, or one that is spelled otherwise, raises ValueError."""

    def __missing__(self, day: str) -> bytes:
        if date.fromisoformat(day).isoformat() != day:
            raise ValueError(f"{day!r} is no day as it is booked")
        self[day] = day.encode()
        return self[day]


# How a calculation begins: {"amount":"…","emission_g":"…","energy":{"energy_gce":"…" and then the terms of its energy;
# one without energy goes on after the second figure. Cut at quotation marks, figures are the pieces 3, 7 and 13.
_AMOUNT = [b"{", b"amount", b":"]
_EMISSION = [b",", b"emission_g", b":"]
_ENERGY = [b",", b"energy", b":{", b"energy_gce", b":"]
_CUTS = 14
_BEGIN, _STATES = b'{"amount":"', b'","emission_g":"'
_NO_ENERGY, _ENERGY_TOO = b"%d", b'%d","energy":{"energy_gce":"%d'
# Where the figure of a side stands: the only members of that name that are the first of their object.
_SIDE = b'{"emission_g":"'


@dataclass(frozen=True, slots=True)
class QuickChecks:
    """Checks chains one after another, and remembers frames between them."""

    rates: dict[bytes, Rates] = field(default_factory=dict)  # by what stands around the figures of a calculation
    frames: dict[str, tuple[Frame, Rates]] = field(default_factory=dict)  # by name
    days: Days = field(default_factory=Days)

    def booked(self, enterprise: str, rows: Iterable[Row], body_of: Callable[[str], str]) -> list[Booked] | None:
        """A whole chain by seq, checked; None if some of it does not hold, or is not as usual.

        `body_of` gives the text of a frame by its name, and raises KeyError if there is none.
        """
        try:
            return self._booked(enterprise, rows, body_of)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, msgspec.MsgspecError):
            return None

    def _booked(self, enterprise: str, rows: Iterable[Row], body_of: Callable[[str], str]) -> list[Booked] | None:
        found: list[Booked] = []
        taken: set[int] = set()  # reversals, and what they took back
        headings: dict[str, Heading] = {}
        previous, sha256, days = NO_HASH, hashlib.sha256, self.days
        for row in rows:
            key, amount_u, at_ms, calculation, cover, day, digest, grams, coal, guess, before, back, own, own_hash = row
            heading = headings.get(key)
            if heading is None:
                heading = headings[key] = self._heading(enterprise, key, body_of)
            seq = len(found) + 1
            whole = int is type(own) is type(amount_u) is type(at_ms) is type(cover) is type(grams) is type(coal)
            if not whole or type(guess) is not int or own != seq or before != previous:
                return None
            reverses = b"null" if back is None else b"%d" % back
            if calculation is None:
                text = heading.template % (
                    amount_u, at_ms, cover, days[day], _spelt(digest), grams, coal, guess, previous.encode(), reverses,
                    seq,
                )  # fmt: skip
            else:
                text = heading.template % (
                    amount_u, at_ms, calculation, cover, days[day], _spelt(digest), grams, coal, guess,
                    previous.encode(), reverses, seq,
                )  # fmt: skip
            if sha256(text).hexdigest() != own_hash:
                return None
            previous = own_hash
            one = Booked(heading, seq, day, amount_u, grams, coal, digest, own_hash, grams, grams)
            if back is not None and not _taken_back(one, back, found, taken):
                return None
            if calculation is None:
                if not _frame_gives(heading, one):
                    return None
            elif back is not None:
                if not self._figures_hold(one, -1, calculation):
                    return None
            elif not (_as_usual(calculation, heading.usual, grams, coal) or self._figures_hold(one, 1, calculation)):
                return None
            found.append(one)
        return found

    def _heading(self, enterprise: str, key: str, body_of: Callable[[str], str]) -> Heading:
        """What a key says; raises what is wrong with it, or with the frame that it names."""
        named = msgspec.json.decode(key)
        if len(named) != len(STEADY_BESIDE_FRAME):
            return Heading.of(enterprise, key)
        known = self.frames.get(named[0])
        if known is None:
            body = body_of(named[0])
            if frame_hash(body) != named[0]:
                raise ValueError(f"the frame {named[0]} was changed")
            frame = frame_from(body)
            known = frame, _rates(frame.skeleton)
            if len(self.frames) >= MAX_FRAMES:
                self.frames.clear()
            self.frames[named[0]] = known
        heading = Heading.beside_frame(enterprise, key, *known)
        heading.usual = _usual(known[1], b"", False)
        return heading

    def _figures_hold(self, one: Booked, sign: int, calculation: bytes) -> bool:
        """Whether the figures follow from the calculation; notes those by location and by market.

        `sign` is -1 for a reversal, which carries the calculation of what it takes back.
        """
        pieces = calculation.split(b'"', _CUTS)
        if pieces[:3] != _AMOUNT or pieces[4:7] != _EMISSION or pieces[7] != b"%d" % (sign * one.emission_g):
            return _holds_as_read(one, sign, calculation)
        with_energy = pieces[8:13] == _ENERGY and pieces[13] == b"%d" % (sign * one.energy_gce)
        around = pieces[_CUTS] if with_energy else b'"'.join(pieces[8:])
        stated: list[bytes] = []
        if _SIDE in around:
            around, stated = _without_sides(around)
        rates = self.rates.get(around) or self._understood(around, calculation)
        booked_u = rates.sign * _micro(pieces[3])
        signed_u = sign * booked_u
        if not _follows(one.emission_g, signed_u, rates.emission):
            return False
        if not _follows(one.energy_gce, signed_u, rates.energy):
            return False
        if not rates.sides and not stated:
            one.heading.usual = _usual(rates, around, with_energy)
            return True
        for (name, rate), text in zip(rates.sides, stated, strict=True):
            side_g = int(text)
            if b"%d" % side_g != text or not _follows(side_g, booked_u, rate):
                return False
            setattr(one, f"{name}_g", sign * side_g)
        return True

    def _understood(self, around: bytes, calculation: bytes) -> Rates:
        """The rates of a calculation, read as `ledger.verify_chain` reads it; raises what is wrong with it."""
        rates = _rates(_read(calculation))
        if len(self.rates) >= MAX_FRAMES:
            self.rates.clear()
        self.rates[around] = rates
        return rates


def _rates(given: Mapping[str, Any]) -> Rates:
    """What a calculation gives, whatever its figures; raises what is wrong with it."""
    energy = given.get("energy")
    if type(given["sign"]) is not int:
        raise TypeError(f"the sign {given['sign']!r} of a calculation is no whole number")
    return Rates(
        sign=given["sign"],
        emission=_rate(given, given["unit"], GRAM_CO2E) if given["formula"] else NOTHING,
        energy=NOTHING if energy is None else _rate(energy, given["unit"], GRAM_STANDARD_COAL),
        sides=tuple(
            (name, _rate(given[name], given["unit"], GRAM_CO2E) if given[name]["formula"] else NOTHING)
            for name in SIDES
            if name in given
        ),
    )


def _frame_gives(heading: Heading, one: Booked) -> bool:
    """Whether an entry's figures follow from its amount under its frame; notes those by location and by market."""
    rates = heading.rates
    if rates is None:
        return False
    units, grams, coal = one.amount_u / MICRO, one.emission_g, one.energy_gce
    quickly = (
        -NEAR < units * heading.usual.emission - grams < NEAR
        and -NEAR < units * heading.usual.energy - coal < NEAR
        and -FLOAT_G < grams < FLOAT_G
        and -FLOAT_G < coal < FLOAT_G
    )
    if quickly and not rates.sides:
        return True
    signed_u = rates.sign * one.amount_u
    if not (_follows(grams, signed_u, rates.emission) and _follows(coal, signed_u, rates.energy)):
        return False
    for name, (numerator, denominator) in rates.sides:
        setattr(one, f"{name}_g", round(Fraction(signed_u * numerator, denominator)))
    return True


def _as_usual(calculation: bytes, usual: Usual, emission_g: int, energy_gce: int) -> bool:
    """Whether a calculation differs from the newest of its heading in figures alone, and these follow from it."""
    tail, cut, figures, emission, energy = usual
    if not (calculation.endswith(tail) and calculation.startswith(_BEGIN)):
        return False
    amount, _, rest = calculation[len(_BEGIN) : cut].partition(_STATES)
    if rest != figures % ((emission_g, energy_gce) if figures is _ENERGY_TOO else emission_g):
        return False
    units = float(amount)
    return (
        -NEAR < units * emission - emission_g < NEAR
        and -NEAR < units * energy - energy_gce < NEAR
        and -FLOAT_G < emission_g < FLOAT_G
        and -FLOAT_G < energy_gce < FLOAT_G
    )


def _usual(rates: Rates, around: bytes, with_energy: bool) -> Usual:
    """How a calculation was written that fits a frame; `around` is what follows its last figure and quotation mark."""
    tail = b'"' + around
    emission, energy = (rates.sign * MICRO * top / bottom for top, bottom in (rates.emission, rates.energy))
    return Usual(tail, -len(tail), _ENERGY_TOO if with_energy else _NO_ENERGY, emission, energy)


def _read(calculation: bytes) -> dict[str, Any]:
    """A calculation; ValueError if it is not spelled as what is hashed of it would be."""
    given: dict[str, Any] = msgspec.json.decode(calculation)
    if canonical_json(given).encode() != calculation:
        raise ValueError("a calculation is not written canonically")
    return given


def _holds_as_read(one: Booked, sign: int, calculation: bytes) -> bool:
    """The figures of a calculation that begins otherwise, as an operator's adjustment does: worked out one by one."""
    given = _read(calculation)
    if any(name in given for name in SIDES):
        return False
    emission_g, energy_gce = recomputed(given)
    return (one.emission_g, one.energy_gce) == (sign * emission_g, sign * energy_gce)


def _spelt(digest: str) -> bytes:
    """A digest as it stands between quotation marks; most are plain hexadecimal."""
    plain = digest.encode()
    return plain if plain.isalnum() else canonical_json(digest)[1:-1].encode()


def _without_sides(around: bytes) -> tuple[bytes, list[bytes]]:
    """What stands around the figures of the sides, and those figures."""
    kept, *others = around.split(_SIDE)
    figures = []
    for other in others:
        figure, _, rest = other.partition(b'"')
        figures.append(figure)
        kept += _SIDE + rest
    return kept, figures


def _rate(part: Mapping[str, Any], unit: str, target: Unit) -> Rate:
    terms = {name: Term(**term) for name, term in part["terms"].items()}
    exact = per_unit(part["formula"], terms, unit, target) / MICRO
    return exact.numerator, exact.denominator


def _follows(grams: int, amount_u: int, rate: Rate) -> bool:
    """Whether grams are what `round_half_even` makes of an amount; without a division, which costs more."""
    numerator, denominator = rate
    doubled = 2 * (amount_u * numerator - grams * denominator)  # by how much it was rounded, in 2 × denominators
    return -denominator < doubled < denominator or (abs(doubled) == denominator and grams % 2 == 0)


def _taken_back(one: Booked, back: int, found: list[Booked], taken: set[int]) -> bool:
    """Whether a reversal takes back just what an entry before it booked; notes both as taken."""
    if type(back) is not int or not 0 < back <= len(found) or back in taken:
        return False
    taken.update((back, one.seq))
    old = found[back - 1]
    return (old.heading.source, old.day, old.amount_u, old.emission_g, old.energy_gce, old.digest) == (
        one.heading.source, one.day, -one.amount_u, -one.emission_g, -one.energy_gce, one.digest,
    )  # fmt: skip


def _micro(text: bytes) -> int:
    """Decimal text in millionths; ValueError if that is no whole number of them."""
    if text.isdigit():
        return int(text) * MICRO
    whole, _, rest = text.partition(b".")
    digits = whole.removeprefix(b"-") + rest
    if len(rest) > 6 or not digits.isdigit():
        raise ValueError(f"{text!r} is not in millionths")
    return int(whole + rest.ljust(6, b"0"))
