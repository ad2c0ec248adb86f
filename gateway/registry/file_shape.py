"""What may stand in a registry file: its keys, their types and closed choices. `docs/registry.md` explains them.

Checks of one value against another are in `checks`; the meaning of what was read is in `model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from gateway.registry.model import GAP_MAX_S, Name

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
    electricity: Literal["national", "provincial"] = "national"
    fuel_set: str = "gbt32151-34-2024"
    gwp: Literal["ar5", "ar6"] = "ar5"


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
    name: Name | None = None


@dataclass(frozen=True)
class ProductShape:
    id: str
    unit: str
    name: Name | None = None


@dataclass(frozen=True)
class ReplacementShape:
    device: str
    at: datetime
    final: dict[str, float]
    initial: dict[str, float]


@dataclass(frozen=True)
class EnterpriseShape:
    id: str
    name: Name
    park: str
    industry: str
    method: MethodShape = MethodShape()
    rating_policy: str = "four-colour-demo"
    consents: tuple[str, ...] = ()
    agents: tuple[AgentShape, ...] = ()
    require_signed_batches: bool = False
    devices: tuple[DeviceShape, ...] = ()
    sources: tuple[SourceShape, ...] = ()
    products: tuple[ProductShape, ...] = ()
    replacements: tuple[ReplacementShape, ...] = ()
    retired: bool = False
