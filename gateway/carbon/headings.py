"""What entries of a chain have in common: the *heading* under which a source books day after day.

Twelve of an entry's members repeat from day to day: its source, activity, factor and so on. They are read as one key,
and understood once for each chain. What a heading gives is the canonical text of `gateway.carbon.ledger` with places
for the members that change, so that an entry's text costs one formatting.

What stays true: the text that a heading gives is the one that `ledger.text_of` gives for the same values, as long as
the values are of the types that `Row` names and its texts need no escaping (`gateway.carbon.quick_chain` looks at
both). Two keys that differ are two headings: a key is a JSON array, which spells different values differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from gateway.carbon.evidence import canonical_json
from gateway.carbon.ledger import FORMAT

# The members that repeat, in the order of a key.
STEADY = (
    "activity", "basis", "category", "edition", "factor", "gwp", "provisional", "reason", "scope", "source", "stage",
    "unit",
)  # fmt: skip

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

# An entry as the store gives it to the quick way: its key, the members of VARYING, and its own hash.
Row = tuple[str, int, int, bytes, int, str, str, int, int, int, str, int | None, int, str]


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

    @classmethod
    def of(cls, enterprise: str, key: str) -> Heading:
        """Raises what is wrong with a key."""
        steady = dict(zip(STEADY, msgspec.json.decode(key), strict=True))
        if steady["provisional"] in (0, 1):
            steady["provisional"] = bool(steady["provisional"])  # SQLite has no truth values
        fixed = {**steady, "enterprise": enterprise, "format": FORMAT}
        written = {name: canonical_json(value).replace("%", "%%") for name, value in fixed.items()} | _SPELT
        text = ",".join(f'"{name}":{written[name]}' for name in sorted(written))
        named = {name: steady[name] for name in ("source", "activity", "scope", "stage", "unit")}
        return cls(**named, template=f"{{{text}}}".encode())
