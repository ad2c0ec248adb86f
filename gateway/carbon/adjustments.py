"""Operators' adjustments: emission and energy that a person adds to a source's day, with a reason and evidence.

What stays true: an adjustment is booked beside its source, on a line of its own (`grid/adjustment`; a slash occurs in
no id), never into the source's figure. Its entry carries author, reason, evidence and who approved it, so that the
entry's hash covers them. All that stand on one line and day are one entry, the exact sum. It moves no activity amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from gateway.carbon.emission import recomputed
from gateway.carbon.evidence import canonical_json, combined_digest
from gateway.carbon.model import OPERATOR_BASIS, Draft

SUFFIX = "/adjustment"
MILLI = 1000

Decided = Literal["approved", "withdrawn"]
Status = Literal["pending", "standing", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about an adjustment."""

    decision: Decided
    at_ms: int
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What somebody asked to be adjusted, with the place in the account that its source had then."""

    enterprise: str
    number: int  # 1, 2, 3 … of the enterprise
    source: str
    day: date  # in the enterprise's zone
    activity: str
    scope: int
    stage: str
    category: int
    unit: str  # of the source's amount, which stays as it is
    emission_g: int  # signed
    energy_gce: int  # signed
    author: str
    why: str
    evidence: str  # SHA-256 of a file in the evidence store
    needs_approval: bool  # as the threshold was when it was asked for
    at_ms: int
    decisions: tuple[Decision, ...] = ()

    @property
    def approval(self) -> Decision | None:
        """Who approved it; None if nobody did."""
        return next((one for one in self.decisions if one.decision == "approved"), None)

    @property
    def status(self) -> Status:
        """Only what stands is booked."""
        if any(one.decision == "withdrawn" for one in self.decisions):
            return "withdrawn"
        return "pending" if self.needs_approval and self.approval is None else "standing"


def line_of(source: str) -> str:
    """The line on which a source's adjustments are booked."""
    return f"{source}{SUFFIX}"


def source_behind(line: str) -> str:
    """The source that a line adjusts; a source's own line is itself."""
    return line.removesuffix(SUFFIX)


def is_line(source: str) -> bool:
    """Is this a line of adjustments?"""
    return source.endswith(SUFFIX)


def drafts_of(adjustments: Iterable[Adjustment]) -> list[Draft]:
    """The entries that should stand for these; those that do not stand give none."""
    by_day: dict[tuple[str, str, date], list[Adjustment]] = {}
    for one in sorted(adjustments, key=lambda own: own.number):
        if one.status == "standing":
            by_day.setdefault((one.enterprise, one.source, one.day), []).append(one)
    return [_draft(own) for own in by_day.values()]


def _draft(own: list[Adjustment]) -> Draft:
    """One entry for all that stands on one line and day; its place in the account is that of the newest."""
    newest = own[-1]
    parts = [_part(one) for one in own]
    calculation = {
        "amount": "1",
        "unit": "1",
        "sign": 1,
        "formula": "AD × ADJUSTED",
        "terms": {"ADJUSTED": _term(sum(one.emission_g for one in own), "kgCO2e")},
        "energy": {
            "formula": "AD × ADJUSTED",
            "terms": {"ADJUSTED": _term(sum(one.energy_gce for one in own), "kgce")},
        },
        "adjustments": parts,
    }
    emission_g, energy_gce = recomputed(calculation)
    return Draft(
        enterprise=newest.enterprise,
        source=line_of(newest.source),
        day=newest.day,
        activity=newest.activity,
        scope=newest.scope,
        stage=newest.stage,
        category=newest.category,
        amount_u=0,
        unit=newest.unit,
        factor="",
        edition="",
        basis=OPERATOR_BASIS,
        gwp="",
        emission_g=emission_g,
        energy_gce=energy_gce,
        provisional=False,
        coverage_ppm=1_000_000,
        estimated_ppm=0,
        digest=combined_digest((f"adjustment {part['number']}", canonical_json(part)) for part in parts),
        calculation=calculation,
    )


def _part(one: Adjustment) -> dict[str, object]:
    approval = one.approval
    return {
        "number": one.number,
        "emission_g": str(one.emission_g),
        "energy_gce": str(one.energy_gce),
        "author": one.author,
        "why": one.why,
        "evidence": one.evidence,
        "asked_at_ms": one.at_ms,
        "approved": None if approval is None else asdict(approval),
    }


def _term(milli: int, unit: str) -> dict[str, str]:
    """A sum in thousandths as a term of the formula, with exactly its digits."""
    whole, rest = divmod(abs(milli), MILLI)
    return {"value": f"{'-' if milli < 0 else ''}{whole}.{rest:03d}", "unit": unit, "factor": "", "edition": ""}
