"""Formulas of accounts as text, and their exact value.

A formula is `AD` (the activity) and named terms joined by × and ÷, such as `AD × NCV × CC × OF × 44/12`. Its terms
carry value and unit as published; the units are multiplied too, so a formula that does not give grams is refused. The
ledger keeps formula and terms, and the same function that books an entry computes it again years later.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

from gateway.carbon.model import Term
from gateway.carbon.units import Unit, WrongDimensions, read_unit

ACTIVITY = "AD"

# Numbers that are no factor: the ratio of the molar masses of CO2 and carbon, never rounded to 3.67.
CONSTANTS: dict[str, Unit] = {"44/12": Unit(Fraction(44, 12), {"co2e": 1, "carbon": -1})}

_EXPONENTS = {"×": 1, "÷": -1}
DIGITS = 28


def per_unit(formula: str, terms: Mapping[str, Term], unit: str, target: Unit) -> Fraction:
    """`target`s (such as grams CO2e) per one `unit` of activity, exact.

    Raises WrongDimensions if the units do not multiply to the target, KeyError for a name without a term.
    """
    first, *rest = formula.split(" ")
    if first != ACTIVITY or len(rest) % 2:
        raise ValueError(f"{formula!r} is no formula: it begins with {ACTIVITY} and joins names by × or ÷")
    result = read_unit(unit)
    for operator, name in zip(rest[::2], rest[1::2], strict=True):
        result = result.times(_factor(name, terms), _EXPONENTS[operator])
    if result.dimensions != target.dimensions:
        raise WrongDimensions(f"{formula} with {unit} and {_units(terms)} gives {dict(result.dimensions)}")
    return result.scale / target.scale


def _factor(name: str, terms: Mapping[str, Term]) -> Unit:
    if name in CONSTANTS:
        return CONSTANTS[name]
    unit = read_unit(terms[name].unit)
    return Unit(unit.scale * Fraction(terms[name].value), unit.dimensions)


def _units(terms: Mapping[str, Term]) -> str:
    return ", ".join(f"{name} in {term.unit}" for name, term in terms.items())


def shown(value: Fraction) -> Decimal:
    """A fraction as a decimal of DIGITS digits, to be shown."""
    with localcontext() as context:
        context.prec = DIGITS
        return Decimal(value.numerator) / Decimal(value.denominator)
