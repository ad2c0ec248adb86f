"""The registry as frozen values: who is in the park, what is measured, what it feeds.

Pure data. `registry.loading` makes it from a file, `registry.repository` keeps it, and everything else reads a
`Registry` snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from gateway.store.timeseries import PointRef

DERIVED = "derived"  # what stands in a derived point's name where a measured one has its device: derived.own-use
STAGES = ("raw_material", "production", "distribution", "use", "end_of_life")
# What belongs together in a total; gateway.carbon.activities.group_of says which group a source is in.
Group = Literal["direct", "purchased_energy", "exported_energy", "fixed_carbon", "other_indirect"]
GROUPS: tuple[Group, ...] = ("direct", "purchased_energy", "exported_energy", "fixed_carbon", "other_indirect")
COMPLIANCE_GROUPS: tuple[Group, ...] = GROUPS[:4]  # GB/T 32150 family: direct + purchased - exported - fixed
GAP_MAX_S = 900  # unless a point says otherwise


@dataclass(frozen=True, slots=True)
class Name:
    """A name in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Park:
    id: str
    name: Name
    region: str  # key of a grid region in the factor files, such as "fujian"
    timezone: str  # IANA zone; account days are cut in it
    area_km2: float | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """Which factor series an account uses; series are never mixed inside one account."""

    electricity: str = "national"  # by location: national | provincial | regional
    fuel_set: str = "gbt32151-34-2024"
    gwp: str = "ar5"
    id: str = ""  # the file in config/methods that this is; "" = written out in the registry
    market: str = ""  # by market, for electricity that no contract covers; "" = as by location
    booked: Literal["location", "market"] = "market"  # which of the two figures goes into the totals
    compliance: tuple[Group, ...] = COMPLIANCE_GROUPS  # groups of activities that the compliance total counts
    lifecycle: tuple[Group, ...] = GROUPS


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A public key that an agent's batches may be signed with."""

    key: str  # as collectors.seals.PublicKey writes it
    valid_until_ms: int | None = None  # batches that come from then on are not signed with it; None = no end


@dataclass(frozen=True, slots=True)
class Agent:
    id: str
    public_keys: tuple[AgentKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity of one device."""

    point_id: int  # integer key of the time series; 0 before the registry is stored
    device: str
    id: str
    quantity: str  # a key of collectors.quantities.QUANTITIES
    modulus: float | None = None  # the counter starts again from 0 here, canonical unit
    rated_per_hour: float | None = None  # the most that can pass in an hour, usage unit (rated power × 1 h)
    gap_max_s: int = GAP_MAX_S  # readings farther apart than this are a gap: usage between them is estimated


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    points: tuple[Point, ...]
    profile: str | None = None
    rated_power_kw: float | None = None
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A point that feeds a source, with its sign and share: `incomer-1.energy_import`, `-tenant.energy_import`."""

    device: str
    point: str
    share: str = "1"  # signed decimal, exact, such as "-0.25"


@dataclass(frozen=True, slots=True)
class Input:
    """A point that a derived point is computed from, and what it is in the formula."""

    role: str  # a role of its formula, see gateway.registry.formulas
    device: str  # `derived` for another derived point
    point: str
    share: str = "1"  # signed decimal; other than 1 only in sums

    @property
    def name(self) -> str:
        return f"{self.device}.{self.point}"


@dataclass(frozen=True, slots=True)
class Derived:
    """Points that no instrument shows: computed hour by hour from the usage of others."""

    id: str
    formula: str  # a key of gateway.registry.formulas.FORMULAS
    inputs: tuple[Input, ...]
    points: tuple[Point, ...]  # one, named as this; of a split one per part
    shares: tuple[str, ...] = ()  # of a split with fixed shares: one decimal per part, together 1
    constants: dict[str, str] = field(default_factory=dict)  # key of the file -> decimal, such as pressure_kpa
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """A parent meter whose usage must be that of its children, day by day."""

    id: str
    parent: Feed
    children: tuple[Feed, ...]
    tolerance: str  # share of the parent's usage, decimal
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An emission source of an enterprise."""

    id: str
    activity: str  # key of gateway.carbon.activities.ACTIVITIES, such as electricity.purchased or fuel.natural_gas
    scope: int  # 1, 2 or 3 (GHG Protocol)
    stage: str  # one of STAGES (GB/T 24067 wording)
    feeds: tuple[Feed, ...] = ()
    records: bool = False  # fed by activity records in place of points
    unit: str | None = None  # unit of records; points bring their own
    category: int | None = None  # ISO 14064-1 category 1..6; None = the activity's usual one
    evidence: tuple[Evidence, ...] = ()  # for green power and self-used PV: zero only with evidence
    factor: str | None = None  # factor id that overrides the activity's own choice
    name: Name | None = None
    own_values: tuple[DatedValue, ...] = ()  # of a laboratory or a supplier: they come before defaults
    products: tuple[str, ...] = ()  # that it serves alone; none = all of them


@dataclass(frozen=True, slots=True)
class DatedValue:
    """A number that was measured or declared for some days."""

    quantity: str  # key of gateway.carbon.own_values.QUANTITIES: heat_value, density, footprint …
    value: str  # decimal text
    unit: str
    valid_from: str  # ISO date, inclusive
    valid_to: str  # ISO date, exclusive
    document: str  # laboratory report, supplier's statement


@dataclass(frozen=True, slots=True)
class Evidence:
    """A document that backs a claim, such as a green electricity certificate, for the days it covers."""

    kind: str  # certificate | contract | settlement
    id: str
    valid_from: str  # ISO date, inclusive
    valid_to: str  # ISO date, exclusive


@dataclass(frozen=True, slots=True)
class Product:
    id: str
    unit: str
    name: Name | None = None
    limits: tuple[str, ...] = ()  # rows of config/benchmarks that a standard judges this product by
    traits: dict[str, str] = field(default_factory=dict)  # decimal text, such as clinker_ratio_percent: "78"
    mass_kg: str | None = None  # of one unit; a unit of mass says it itself
    value_cny: str | None = None  # of one unit
    share: str | None = None  # stated share of what is allocated; of all products together 1
    cbam_good: str | None = None  # row of config/cbam
    fossil_carbon_kg: str | None = None  # fossil carbon in one unit of the product itself


@dataclass(frozen=True, slots=True)
class Replacement:
    """A declared change of a meter: exact, so nothing has to be guessed."""

    device: str
    at_ms: int
    final: dict[str, float]  # point -> last value of the old meter
    initial: dict[str, float]  # point -> first value of the new meter


@dataclass(frozen=True, slots=True)
class Rates:
    """How much may be sent, on average over a minute. None = what the settings say; 0 = no limit."""

    readings_per_s: float | None = None
    bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """How much may be measured of one device, on average over each minute of the readings' own time. 0 = no limit."""

    readings_per_s: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What an enterprise may send and measure; None = what the settings say, 0 = no limit."""

    readings_per_s: float | None = None  # of all its senders together
    bytes_per_s: float | None = None
    points: int | None = None  # that instruments show
    senders: dict[str, Rates] = field(default_factory=dict)  # agent, or device that sends telemetry -> its own
    devices: dict[str, DeviceRate] = field(default_factory=dict)  # device, whoever sends its readings -> its own


@dataclass(frozen=True, slots=True)
class Enterprise:
    id: str  # Unified Social Credit Code, GB 32100-2015
    name: Name
    park: str
    industry: str  # GB/T 4754-2017 code
    method: Method = field(default_factory=Method)
    rating_policy: str = "four-colour-demo"
    consents: tuple[str, ...] = ()  # who may pull this account besides the park: "platform"
    agents: tuple[Agent, ...] = ()
    require_signed_batches: bool = False  # readings that no registered key of the agent signed are set aside
    devices: tuple[Device, ...] = ()
    sources: tuple[Source, ...] = ()
    products: tuple[Product, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    derived: tuple[Derived, ...] = ()
    balances: tuple[Balance, ...] = ()
    allocation: str = "mass"  # how products share the account: mass, value or shares
    quota: Quota = field(default_factory=Quota)
    reconcile_within: str = "0.02"  # share by which a bill or hand reading may differ from what was metered

    def source(self, source_id: str) -> Source | None:
        return next((source for source in self.sources if source.id == source_id), None)

    def points(self) -> list[Point]:
        """The points that instruments show."""
        return [point for device in self.devices for point in device.points]

    def derived_points(self) -> list[Point]:
        return [point for derived in self.derived for point in derived.points]

    def every_point(self) -> list[Point]:
        """Measured and derived ones."""
        return [*self.points(), *self.derived_points()]


@dataclass(frozen=True)
class Registry:
    """A consistent snapshot of everything registered. `version` grows with every applied change."""

    version: int
    parks: dict[str, Park]
    enterprises: dict[str, Enterprise]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Of all enterprises, in order."""
        return tuple(sorted(self.enterprises))

    @cached_property
    def chosen(self) -> dict[tuple[str, str], Mapping[str, Enterprise]]:
        """Room to remember whom a role and subject may see, as long as nothing is applied (`gateway.access`)."""
        return {}

    @cached_property
    def points_by_name(self) -> dict[tuple[str, str, str], Point]:
        """(enterprise, device, point) -> Point, of those that instruments show: readings can come for these only."""
        return {
            (enterprise.id, point.device, point.id): point
            for enterprise in self.enterprises.values()
            for point in enterprise.points()
        }

    @cached_property
    def refs_by_id(self) -> dict[int, PointRef]:
        """point_id -> who it is, derived points among them."""
        return {
            point.point_id: PointRef(point.point_id, enterprise.id, point.device, point.id, point.quantity)
            for enterprise in self.enterprises.values()
            for point in enterprise.every_point()
        }

    def park_of(self, enterprise: str) -> Park:
        return self.parks[self.enterprises[enterprise].park]
