"""Frames: what an entry's calculation repeats from day to day, kept once and named by its hash.

A calculation is a *frame* (formula, terms with their factors and editions, sign, unit) and figures (amount, grams,
grams of standard coal). An entry of the second format names the frame by the SHA-256 of its text, and the entry's hash
covers that name; so it covers the frame, and whoever holds both texts can walk from the amount to the hash.

What stays true: `Frame.calculation` gives, of a frame and an entry's figures, exactly the calculation that the frame
was taken from. A calculation of which that is not so, such as an operator's adjustment, has no frame: its entry is of
the first format, which carries it whole. Figures of sides (scope 2 by location, by market) follow from frame and
amount.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from gateway.carbon.emission import SIDES, decimal_text, side_recomputed
from gateway.carbon.evidence import canonical_json
from gateway.carbon.model import Draft

# Members of an entry that stand in its frame; none of them is another one tomorrow, unless the calculation is.
MEMBERS = ("activity", "stage", "category", "factor", "edition", "basis", "gwp", "provisional")

_FIGURE = "emission_g"
_ENERGY_FIGURE = "energy_gce"
_DECODED = 4_096  # frames that are remembered


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it was read: never changed."""

    members: Mapping[str, Any]  # by the names of MEMBERS
    skeleton: Mapping[str, Any]  # the calculation without its figures

    def calculation(self, amount_u: int, emission_g: int, energy_gce: int) -> dict[str, Any]:
        """The calculation with these figures: those of what was booked, for a reversal of what it takes back."""
        whole = {**self.skeleton, "amount": decimal_text(amount_u), _FIGURE: str(emission_g)}
        if "energy" in whole:
            whole["energy"] = {**whole["energy"], _ENERGY_FIGURE: str(energy_gce)}
        for name in SIDES:
            if name in whole:
                whole[name] = {**whole[name], _FIGURE: str(side_recomputed(whole, name))}
        return whole


def frame_text(draft: Draft, reverses: int | None) -> str | None:
    """The canonical text of a draft's frame; None if its calculation is anything but a frame with the draft's figures.

    `reverses` is given for a reversal, which carries the calculation of what it takes back.
    """
    sign = 1 if reverses is None else -1
    try:
        frame = Frame({name: getattr(draft, name) for name in MEMBERS}, _skeleton(draft.calculation))
        given = frame.calculation(sign * draft.amount_u, sign * draft.emission_g, sign * draft.energy_gce)
        fits = given == draft.calculation
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None
    return canonical_json({**frame.members, "calculation": frame.skeleton}) if fits else None


def frame_hash(text: str) -> str:
    """The name of a frame: hex SHA-256 of its text."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(_DECODED)
def frame_from(text: str) -> Frame:
    """A frame out of its text. Raises ValueError (msgspec's too) or TypeError if that is none."""
    members: dict[str, Any] = msgspec.json.decode(text)
    if members.keys() != {*MEMBERS, "calculation"}:
        raise ValueError(f"a frame has {', '.join(MEMBERS)} and calculation, and this one has {', '.join(members)}")
    skeleton = members.pop("calculation")
    if not isinstance(skeleton, dict):
        raise TypeError("the calculation of a frame is no object")
    return Frame(members, skeleton)


def _skeleton(calculation: Mapping[str, Any]) -> dict[str, Any]:
    """A calculation without its figures."""
    bare = {name: value for name, value in calculation.items() if name not in ("amount", _FIGURE)}
    if "energy" in bare:
        bare["energy"] = {name: value for name, value in bare["energy"].items() if name != _ENERGY_FIGURE}
    for side in SIDES:
        if side in bare:
            bare[side] = {name: value for name, value in bare[side].items() if name != _FIGURE}
    return bare
