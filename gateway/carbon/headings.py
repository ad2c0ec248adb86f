"""What entries of a chain have in common: the *heading* under which a source books day after day.

Twelve of an entry's members repeat from day to day: its source, activity, factor and so on. They are read as one key,
and understood once for each chain. What a heading gives is the canonical text of `gateway.carbon.ledger` with places
for the members that change, so that an entry's text costs one formatting.

An entry of the second format has its own, shorter key: the name of its frame stands for most of the twelve.

What stays true: the text that a heading gives is the one that `ledger.text_of` gives for the same values, as long as
the values are of the types that `Row` names and its texts need no escaping (`gateway.carbon.quick_chain` looks at
both). Two keys that differ are two headings: a key is a JSON array, which spells different values differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from gateway.carbon.evidence import canonical_json
from gateway.carbon.frames import Frame
from gateway.carbon.ledger import FRAMED, WHOLE

# The members that repeat, in the order of a key.
STEADY = (
    "activity", "basis", "category", "edition", "factor", "gwp", "provisional", "reason", "scope", "source", "stage",
    "unit",
)  # fmt: skip

# Those of an entry of the second format.
STEADY_BESIDE_FRAME = ("frame", "reason", "scope", "source", "unit")

# The members that change, sorted, as they stand in a text; `reverses` is null or a number.
_SPELT = {
    "amount_u": "%d",
    "booked_at_ms": "%d",
    "calculation": "%b",
    "coverage_ppm": "%d",
    "day": '"%b"',
    "digest": '"%b"',
    "emission_g": "%d",
    "energy_gce": "%d",
    "estimated_ppm": "%d",
    "previous_hash": '"%b"',
    "reverses": "%b",
    "seq": "%d",
}
VARYING = tuple(_SPELT)
_SPELT_BESIDE_FRAME = {name: spelt for name, spelt in _SPELT.items() if name != "calculation"}

# An entry as the store gives it to the quick way: its key, the members of VARYING, and its own hash. The calculation of
# the second format is None: it follows from the frame.
Row = tuple[str, int, int, bytes | None, int, str, str, int, int, int, str, int | None, int, str]

Rate = tuple[int, int]  # grams per millionth of a unit of activity, as numerator and denominator


class Rates(NamedTuple):
    """What calculations that differ in figures alone give for a millionth of their unit."""

    sign: int
    emission: Rate
    energy: Rate
    sides: tuple[tuple[str, Rate], ...]  # by location, by market, where the calculation has them


class Usual(NamedTuple):
    """How the newest calculation under a heading was written; the next one most likely differs in figures alone."""

    tail: bytes  # all that follows the figures
    cut: int  # where that begins, from the end
    figures: bytes  # emission and energy, as they stand before it
    emission: float  # grams per unit of activity
    energy: float


UNKNOWN = Usual(b"\0", -1, b"", 0.0, 0.0)  # no calculation ends like this


@dataclass(slots=True)
class Heading:
    """What statements ask of an entry besides its figures, and its text with places for the rest."""

    source: str
    activity: str
    scope: int
    stage: str
    unit: str
    template: bytes
    usual: Usual = UNKNOWN
    rates: Rates | None = None  # of the frame, in the second format

    @classmethod
    def of(cls, enterprise: str, key: str) -> Heading:
        """Of the first format. Raises what is wrong with a key."""
        steady = dict(zip(STEADY, msgspec.json.decode(key), strict=True))
        if steady["provisional"] in (0, 1):
            steady["provisional"] = bool(steady["provisional"])  # SQLite has no truth values
        return cls(**_named(steady), template=_template({**steady, "enterprise": enterprise, "format": WHOLE}, _SPELT))

    @classmethod
    def beside_frame(cls, enterprise: str, key: str, frame: Frame, rates: Rates) -> Heading:
        """Of the second format, under the frame that the key names."""
        steady = dict(zip(STEADY_BESIDE_FRAME, msgspec.json.decode(key), strict=True))
        template = _template({**steady, "enterprise": enterprise, "format": FRAMED}, _SPELT_BESIDE_FRAME)
        return cls(**_named({**frame.members, **steady}), template=template, rates=rates)


def _named(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: members[name] for name in ("source", "activity", "scope", "stage", "unit")}


def _template(fixed: Mapping[str, Any], places: Mapping[str, str]) -> bytes:
    """Canonical text with these members, and places for the others."""
    written = {name: canonical_json(value).replace("%", "%%") for name, value in fixed.items()} | dict(places)
    text = ",".join(f'"{name}":{written[name]}' for name in sorted(written))
    return f"{{{text}}}".encode()
