"""What may stand in a registry file: its keys, their types and closed choices. `docs/registry.md` explains them.

Checks of one value against another are in `checks`; the meaning of what was read is in `model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from gateway.registry.model import COMPLIANCE_GROUPS, GAP_MAX_S, GROUPS, Group, Name, Quota

Stage = Literal["raw_material", "production", "distribution", "use", "end_of_life"]  # model.STAGES; a test compares


@dataclass(frozen=True)
class FileShape:
    """The whole file; its items are read one by one, so that a broken one hides nothing of the others."""

    parks: tuple[Any, ...] = ()
    enterprises: tuple[Any, ...] = ()


@dataclass(frozen=True)
class RetiredShape:
    """A park or enterprise that leaves the registry."""

    id: str
    retired: bool


@dataclass(frozen=True)
class ParkShape:
    id: str
    name: Name
    region: str
    timezone: str
    area_km2: float | None = None
    retired: bool = False


@dataclass(frozen=True)
class MethodShape:
    """A method written out; a name in its place is a file in config/methods."""

    electricity: Literal["national", "provincial", "regional"] = "national"
    fuel_set: str = "gbt32151-34-2024"
    gwp: Literal["ar4", "ar5", "ar6"] = "ar5"
    market: Literal["", "national", "provincial", "regional", "national_without_traded_nonfossil"] = ""
    booked: Literal["location", "market"] = "market"
    compliance: tuple[Group, ...] = COMPLIANCE_GROUPS
    lifecycle: tuple[Group, ...] = GROUPS


@dataclass(frozen=True)
class AgentKeyShape:
    key: str
    valid_until: datetime | None = None


@dataclass(frozen=True)
class AgentShape:
    id: str
    public_keys: tuple[str | AgentKeyShape, ...] = ()


@dataclass(frozen=True)
class PointShape:
    id: str
    quantity: str | None = None  # None = the quantity is named as the point is
    modulus: float | None = None
    rated_per_hour: float | None = None
    gap_max_s: int = GAP_MAX_S


@dataclass(frozen=True)
class DeviceShape:
    id: str
    profile: str | None = None
    rated_power_kw: float | None = None
    points: tuple[str | PointShape, ...] | None = None  # None = all points of the profile
    name: Name | None = None


@dataclass(frozen=True)
class FeedShape:
    point: str  # device.point
    share: Decimal = Decimal(1)
    sign: Literal[1, -1] = 1


@dataclass(frozen=True)
class EvidenceShape:
    kind: Literal["certificate", "contract", "settlement"]
    id: str
    valid_from: date  # inclusive
    valid_to: date  # exclusive


@dataclass(frozen=True)
class AnalysisShape:
    """What the plant's own laboratory found, for some days."""

    quantity: str  # heat_value, carbon_content, density …
    value: Decimal
    unit: str
    valid_from: date  # inclusive
    valid_to: date  # exclusive
    document: str


@dataclass(frozen=True)
class FootprintShape:
    """What a supplier declares, for some days."""

    value: Decimal
    unit: str
    valid_from: date  # inclusive
    valid_to: date  # exclusive
    document: str


@dataclass(frozen=True)
class SourceShape:
    id: str
    activity: str
    scope: Literal[1, 2, 3]
    stage: Stage
    feeds: tuple[str | FeedShape, ...] = field(default=(), metadata={"key": "from"})
    records: bool = False
    unit: str | None = None
    category: Literal[1, 2, 3, 4, 5, 6] | None = None
    factor: str | None = None
    evidence: tuple[EvidenceShape, ...] = ()
    analyses: tuple[AnalysisShape, ...] = ()
    footprints: tuple[FootprintShape, ...] = ()
    products: tuple[str, ...] = ()
    name: Name | None = None


@dataclass(frozen=True)
class ProductShape:
    id: str
    unit: str
    name: Name | None = None
    limits: tuple[str, ...] = ()
    traits: dict[str, Decimal] = field(default_factory=dict)
    mass_kg: Decimal | None = None
    value_cny: Decimal | None = None
    share: Decimal | None = None
    cbam_good: str | None = None
    fossil_carbon_kg: Decimal | None = None


@dataclass(frozen=True)
class ReplacementShape:
    device: str
    at: datetime
    final: dict[str, float]
    initial: dict[str, float]


@dataclass(frozen=True)
class DerivedShape:
    """One formula, and the keys that go with it; `gateway.registry.formulas` says which."""

    id: str
    sum: tuple[str | FeedShape, ...] | None = None
    first_of: tuple[str, ...] | None = None
    split: str | None = None
    mass_of: str | None = None
    normal_volume_of: str | None = None
    steam_heat_of: str | None = None
    co2_mass_of: str | None = None
    shares: dict[str, Decimal] | None = None  # of a split: part -> share
    by: dict[str, str] | None = None  # of a split: part -> the sub-meter that says its share
    pressure: str | None = None
    pressure_kpa: Decimal | None = None
    temperature: str | None = None
    temperature_degc: Decimal | None = None
    concentration: str | None = None
    density_t_per_m3: Decimal | None = None
    compressibility: Decimal | None = None
    less_kj_per_kg: Decimal | None = None
    name: Name | None = None


@dataclass(frozen=True)
class BalanceShape:
    id: str
    parent: str
    children: tuple[str | FeedShape, ...]
    tolerance: Decimal
    name: Name | None = None


@dataclass(frozen=True)
class EnterpriseShape:
    id: str
    name: Name
    park: str
    industry: str
    method: str | MethodShape = MethodShape()
    rating_policy: str = "four-colour-demo"
    consents: tuple[str, ...] = ()
    agents: tuple[AgentShape, ...] = ()
    require_signed_batches: bool = False
    devices: tuple[DeviceShape, ...] = ()
    sources: tuple[SourceShape, ...] = ()
    products: tuple[ProductShape, ...] = ()
    replacements: tuple[ReplacementShape, ...] = ()
    derived: tuple[DerivedShape, ...] = ()
    balances: tuple[BalanceShape, ...] = ()
    allocation: Literal["mass", "value", "shares"] = "mass"
    quota: Quota = field(default_factory=Quota)
    reconcile_within: Decimal = Decimal("0.02")
    retired: bool = False
