"""The quick way to find that a chain holds: the same checks as `ledger.verify_chain`, on rows in place of entries.

What stays true: it holds a chain for good only if `verify_chain` would. An entry's hash covers its canonical text, and
canonical text of stored columns is written down in one go, with the calculation as it is stored. Whatever does not fit
at once is left to `verify_chain`, which says what is wrong and where.

Factors repeat from day to day, so what one unit of an activity gives is worked out once for each formula with its
terms. Limits: MAX_RATES of them are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

import msgspec

from gateway.carbon.emission import round_half_even
from gateway.carbon.formula import per_unit
from gateway.carbon.ledger import FORMAT, NO_HASH
from gateway.carbon.model import Term
from gateway.carbon.units import GRAM_CO2E, GRAM_STANDARD_COAL, Unit

MAX_RATES = 10_000
MICRO = 1_000_000

# The columns of a row, in this order.
LINE_COLUMNS = (
    "activity", "amount_u", "basis", "booked_at_ms", "calculation", "category", "coverage_ppm", "day", "digest",
    "edition", "emission_g", "energy_gce", "enterprise", "estimated_ppm", "factor", "gwp", "previous_hash",
    "provisional", "reason", "reverses", "scope", "seq", "source", "stage", "unit", "hash",
)  # fmt: skip


class Booked(NamedTuple):
    """What the checks of sums and of roots need of an entry."""

    day: str
    seq: int
    source: str
    activity: str
    scope: int
    stage: str
    amount_u: int
    unit: str
    emission_g: int
    location_g: int
    market_g: int
    energy_gce: int
    hash: str


class _Side(msgspec.Struct):
    formula: str
    terms: msgspec.Raw
    emission_g: str


class _Energy(msgspec.Struct):
    formula: str
    terms: msgspec.Raw


class _Calculation(msgspec.Struct):
    amount: str
    unit: str
    sign: int
    formula: str
    terms: msgspec.Raw
    energy: _Energy | None = None
    location: _Side | None = None
    market: _Side | None = None


_decoded = msgspec.json.Decoder(_Calculation).decode
_terms = msgspec.json.Decoder(dict[str, Term]).decode

Rate = tuple[int, int]  # grams per millionth of a unit of activity, as numerator and denominator


@dataclass(frozen=True, slots=True)
class QuickChecks:
    """Checks chains one after another, and remembers rates between them."""

    rates: dict[tuple[str, str, bytes, int], Rate] = field(default_factory=dict)

    def booked(self, lines: Iterable[Any]) -> list[Booked] | None:
        """A whole chain by seq, checked; None if some of it does not hold, or is not as usual."""
        found: list[Booked] = []
        open_entries: dict[int, tuple[Any, ...]] = {}
        seq, previous = 0, NO_HASH
        try:
            for line in lines:
                one = self._held(line, seq, previous)
                if one is None or not _taken_back(line, open_entries):
                    return None
                found.append(one)
                seq, previous = one.seq, one.hash
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError):
            return None
        return found

    def _held(self, line: Any, seq: int, previous: str) -> Booked | None:
        (
            activity, amount_u, basis, booked_at_ms, calculation, category, coverage_ppm, day, digest,
            edition, emission_g, energy_gce, enterprise, estimated_ppm, factor, gwp, previous_hash,
            provisional, reason, reverses, scope, own_seq, source, stage, unit, own_hash,
        ) = line  # fmt: skip
        text = (
            f'{{"activity":{quoted(activity)},"amount_u":{amount_u},"basis":{quoted(basis)},'
            f'"booked_at_ms":{booked_at_ms},"calculation":{calculation},"category":{category},'
            f'"coverage_ppm":{coverage_ppm},"day":{quoted(day)},"digest":{quoted(digest)},'
            f'"edition":{quoted(edition)},"emission_g":{emission_g},"energy_gce":{energy_gce},'
            f'"enterprise":{quoted(enterprise)},"estimated_ppm":{estimated_ppm},"factor":{quoted(factor)},'
            f'"format":{FORMAT},"gwp":{quoted(gwp)},"previous_hash":{quoted(previous_hash)},'
            f'"provisional":{"true" if provisional else "false"},"reason":{quoted(reason)},'
            f'"reverses":{"null" if reverses is None else reverses},"scope":{scope},"seq":{own_seq},'
            f'"source":{quoted(source)},"stage":{quoted(stage)},"unit":{quoted(unit)}}}'
        )
        if own_seq != seq + 1 or previous_hash != previous or hashlib.sha256(text.encode()).hexdigest() != own_hash:
            return None
        given = _decoded(calculation)
        booked_u = given.sign * _micro(given.amount)
        sign = 1 if reverses is None else -1
        energy = given.energy
        grams = self._amount(booked_u, given.formula, given.unit, given.terms, GRAM_CO2E, 0)
        coal = (
            0
            if energy is None
            else self._amount(booked_u, energy.formula, given.unit, energy.terms, GRAM_STANDARD_COAL, 1)
        )
        if sign * grams != emission_g or sign * coal != energy_gce:
            return None
        sides = []
        for side in (given.location, given.market):
            if side is None:
                sides.append(emission_g)
                continue
            side_g = self._amount(booked_u, side.formula, given.unit, side.terms, GRAM_CO2E, 0)
            if str(side_g) != side.emission_g:
                return None
            sides.append(sign * side_g)
        return Booked(
            day, own_seq, source, activity, scope, stage, amount_u, unit,
            emission_g, sides[0], sides[1], energy_gce, own_hash,
        )  # fmt: skip

    def _amount(self, booked_u: int, formula: str, unit: str, terms: msgspec.Raw, target: Unit, kind: int) -> int:
        """Grams, rounded as they are when booked."""
        if not formula:
            return 0
        key = formula, unit, bytes(terms), kind
        rate = self.rates.get(key)
        if rate is None:
            exact = per_unit(formula, _terms(terms), unit, target) / MICRO
            if len(self.rates) >= MAX_RATES:
                self.rates.clear()
            rate = self.rates[key] = exact.numerator, exact.denominator
        whole, rest = divmod(booked_u * rate[0], rate[1])
        if 2 * rest == rate[1]:
            return round_half_even(Fraction(booked_u * rate[0], rate[1]))
        return whole + (2 * rest > rate[1])


def _taken_back(line: Any, open_entries: dict[int, tuple[Any, ...]]) -> bool:
    """Notes an entry, or takes back the one that this reverses; False if there is none that is just so."""
    amount_u, day, digest, emission_g, energy_gce = line[1], line[7], line[8], line[10], line[11]
    reverses, seq, source = line[19], line[21], line[22]
    if reverses is None:
        open_entries[seq] = source, day, amount_u, emission_g, energy_gce, digest
        return True
    return open_entries.pop(reverses, None) == (source, day, -amount_u, -emission_g, -energy_gce, digest)


def _micro(text: str) -> int:
    """Decimal text in millionths; ValueError if that is no whole number of them."""
    whole, _, rest = text.partition(".")
    if len(rest) > 6 or (not rest.isdigit() and rest):
        raise ValueError(f"{text!r} is not in millionths")
    amount_u = abs(int(whole)) * MICRO + int(rest.ljust(6, "0"))
    return -amount_u if whole.startswith("-") else amount_u
