"""The nouns of carbon accounting, frozen. Terms follow GHG Protocol and ISO 14064-1.

Amounts that are booked are integers: activity in millionths of its unit (`_u`), emission in grams CO2e (`_g`),
energy in grams of standard coal equivalent (`_gce`). Sums are exact and order does not matter. The one function that
rounds is `gateway.carbon.emission.round_half_even`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from gateway.registry.model import Method

Basis = Literal[
    "exact",  # published for this year and region, or bound to no year
    "older_edition",  # the newest published one; the right one is not out yet
    "regional_fallback",  # the region has none: the national one
    "default",  # a general default where a supplier's or the plant's own figure would be right
    "supplier_specific",  # named in the registry for this source
    "own_analysis",  # the plant's own laboratory, for at least one number of the formula
    "stoichiometric",  # follows from molar masses alone
    "measured",  # the emission itself was measured
    "zero_with_evidence",  # green power covered by a certificate, contract or settlement
    "measured_elsewhere",  # energy only: the emission is in the stack's measurement
    "operator",  # no factor: an adjustment that a person asked for
]
OPERATOR_BASIS: Basis = "operator"
Reason = Literal["automatic", "late-data", "restated-factor", "operator"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in the data: named, with the values that show it. Never a silent edit."""

    name: str  # dotted: counter.rollover, counter.reset, counter.glitch, factor.missing …
    enterprise: str
    subject: str  # what it is about: a point "incomer-1.energy_import", a source id, a device id
    at_ms: int  # the instant, or the start of the day or period, it belongs to
    severity: Literal["info", "warning", "error"]
    values: dict[str, Any]  # JSON values: the readings, limits and amounts that show it
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One published value. Nothing ships without its source."""

    id: str  # such as grid.national.2023
    series: str  # editions of one series replace each other; series are never mixed: grid.national
    region: str  # "CN", "fujian" …
    valid_from: date  # first day it is meant for
    valid_to: date  # first day it is no longer meant for
    published_on: date
    value: Decimal
    unit: str  # such as kgCO2/kWh
    source: str
    edition: str  # the file it stands in, such as mee-nbs-grid-2023
    confidence: str  # A | B


@dataclass(frozen=True, slots=True)
class ChosenFactor:
    """What a day's activity is multiplied with, and why.

    `terms` are the named numbers of the formula in its order, such as
    {"EF": Term("0.5306", "kgCO2/kWh", "grid.national.2023", "mee-nbs-grid-2023")}.
    """

    id: str
    edition: str
    basis: Basis
    formula: str  # such as "AD × EF" or "AD × NCV × CC × OF × 44/12"
    terms: dict[str, Term]
    g_per_unit: Decimal  # grams CO2e per unit of activity to 28 digits, to be shown; booking computes from the terms
    gce_per_unit: Decimal  # grams of standard coal per unit of activity, likewise
    gwp: str
    provisional: bool = False  # an older edition stands in until the right one is published
    note: str = ""
    energy_formula: str = ""  # "" = the activity carries no energy of its own
    energy_terms: dict[str, Term] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()  # names out of gateway.carbon.choices.DOUBTS: what has been assumed
    sides: dict[str, Side] = field(default_factory=dict)  # location | market, where it differs from what is booked


@dataclass(frozen=True, slots=True)
class MissingFactor:
    """Nothing to multiply with: a hole in the account that can be seen."""

    kind: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Side:
    """The same electricity by the other of the two methods of the GHG Protocol's scope 2 guidance."""

    formula: str
    terms: dict[str, Term]


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A number of the plant's laboratory or of a supplier that stands in the place of a default."""

    term: str  # name in the formula: NCV, CC, OF, W, RHO, I, H, EF
    value: str  # decimal text as reported
    unit: str
    document: str  # the report, contract or statement it stands in


@dataclass(frozen=True, slots=True)
class Term:
    """One number of a formula, with where it comes from."""

    value: str  # decimal text as published
    unit: str
    factor: str  # factor id, or "" for a constant such as 44/12
    edition: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """What one source did on one local day."""

    enterprise: str
    source: str
    kind: str  # activity kind
    day: date  # in the enterprise's zone
    amount_u: int  # millionths of `unit`; exported amounts are positive here, the activity's sign makes them negative
    unit: str
    scope: int
    stage: str
    category: int
    region: str
    coverage_ppm: int = 1_000_000
    estimated_ppm: int = 0
    digest: str = ""  # SHA-256 (hex) over the readings or records it was made of
    evidenced: bool = False  # a certificate, contract or settlement covers this day
    factor_override: str | None = None
    own: tuple[OwnValue, ...] = ()  # in force on this day
    footprint_expired: bool = False  # a supplier's footprint was given, none for this day


@dataclass(frozen=True, slots=True)
class Emission:
    """An activity multiplied with its factor."""

    emission_g: int  # negative for exported energy
    energy_gce: int
    calculation: dict[str, Any]  # formula, terms and amounts as text; goes into the entry and its hash


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that should stand, before it has a place in the chain."""

    enterprise: str
    source: str
    day: date
    activity: str
    scope: int
    stage: str
    category: int
    amount_u: int
    unit: str
    factor: str
    edition: str
    basis: str
    gwp: str
    emission_g: int
    energy_gce: int
    provisional: bool
    coverage_ppm: int
    estimated_ppm: int
    digest: str
    calculation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger. Immutable; a correction is a reversal and a new entry."""

    draft: Draft  # a reversal carries the reversed entry's draft with amounts negated
    seq: int  # 1, 2, 3 … per enterprise, without gaps
    reason: Reason
    reverses: int | None  # seq of the entry that this one takes back
    booked_at_ms: int
    previous_hash: str  # hex; 64 zeros for the first
    hash: str  # hex SHA-256, see gateway.carbon.ledger.hash_of
    format: int = 1  # what its hash covers, see gateway.carbon.ledger.text_of

    @property
    def id(self) -> str:
        return f"{self.draft.enterprise}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the data are; see gateway.carbon.quality."""

    activity_score: float  # 1 measured continuously … 4 mostly estimated
    factor_score: float  # 1 measured or analysed … 4 a general default
    uncertainty_percent: float  # ±, half of a 95 % interval


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source's share of a statement."""

    source: str
    activity: str
    scope: int
    stage: str
    amount_u: int
    unit: str
    emission_g: int
    energy_gce: int
    factor: str  # the factor of the newest entry
    basis: str
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Sums of an enterprise's entries over a period; every figure is an exact integer."""

    enterprise: str
    period: str  # 2026-10-05, 2026-10, 2026-Q4 or 2026
    days: int  # days of the period that have ended by the time of the sum
    compliance_g: int  # scope 1 + 2 (GB/T 32150 boundary)
    lifecycle_g: int  # all stages
    energy_gce: int
    by_scope_g: dict[int, int]
    by_stage_g: dict[str, int]
    by_source: tuple[SourceLine, ...]
    coverage: float  # 0..1, mean over measured sources and ended days
    estimated_share: float  # 0..1 of gross emission
    provisional_share: float  # 0..1 of gross emission
    findings_open: int
    last_seq: int  # newest entry of the enterprise's chain that it contains
    notes: tuple[str, ...] = field(default=())
    by_location: SideTotals | None = None  # electricity by the grid's average, whatever was contracted
    by_market: SideTotals | None = None  # electricity by contracts and certificates
    method: Method | None = None  # what it was made by, and which groups its totals count
    quality: Quality | None = None  # of the lifecycle total; None without emission


@dataclass(frozen=True, slots=True)
class SideTotals:
    """The totals that depend on how electricity is counted, by one of the two methods of scope 2."""

    scope_2_g: int
    compliance_g: int
    lifecycle_g: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a rating against its benchmark."""

    metric: str
    value: float | None
    unit: str
    benchmark: float | None
    ratio: float | None
    colour: str
    source: str  # where the benchmark comes from


@dataclass(frozen=True, slots=True)
class Influence:
    """What one source brings to a metric of a rating."""

    source: str
    metric: str
    share: float  # of the metric's amount; below zero where it is taken off
    alone_cut_share: float | None  # how much of this source alone must go for the next colour; None: it is not enough


@dataclass(frozen=True, slots=True)
class Rating:
    """红橙黄绿, or grey with the reason."""

    enterprise: str
    period: str
    policy: str
    colour: Literal["green", "yellow", "orange", "red", "grey"]
    metrics: tuple[Metric, ...]
    reasons_zh: tuple[str, ...]
    reasons_en: tuple[str, ...]
    to_next_colour: str | None  # None for green and grey
    to_next_cut_g: int | None
    to_next_cut_gce: int | None = None
    to_next_cut_wh: int | None = None
    to_next_cut_share: float | None = None  # of the amount that must fall most
    influences: tuple[Influence, ...] = ()
    official: bool = False  # shipped presets are no official local rule
