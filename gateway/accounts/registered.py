"""An enterprise as registered, for people and platforms: without integer keys and without anything secret."""

from __future__ import annotations

import msgspec

from collectors.quantities import QUANTITIES
from gateway.accounts.documents import Bilingual
from gateway.accounts.rating_documents import Colour
from gateway.carbon.activities import ACTIVITIES
from gateway.registry.model import Balance, Derived, Device, Enterprise, Name, Source


class EnterpriseItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # Unified Social Credit Code
    name: Bilingual
    park: str
    industry: str
    colour: Colour


class PointDocument(msgspec.Struct, frozen=True, kw_only=True):
    point: str  # device.point
    quantity: str
    unit: str


class DeviceItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual | None
    profile: str | None
    rated_power_kw: float | None
    points: list[PointDocument]


class FeedDocument(msgspec.Struct, frozen=True, kw_only=True):
    point: str
    share: str  # signed decimal


class DerivedItem(msgspec.Struct, frozen=True, kw_only=True):
    """Points that are computed from others."""

    id: str
    name: Bilingual | None
    formula: str  # key of the registry file: sum, split, steam_heat_of …
    inputs: list[str]  # device.point
    points: list[PointDocument]


class BalanceItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual | None
    parent: str
    children: list[FeedDocument]
    tolerance: float


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    id: str
    valid_from: str
    valid_to: str


class SourceItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual
    activity: str
    scope: int
    stage: str
    records: bool
    unit: str | None
    feeds: list[FeedDocument]
    evidence: list[EvidenceDocument]


class ProductItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual | None
    unit: str


class MethodDocument(msgspec.Struct, frozen=True, kw_only=True):
    electricity: str
    fuel_set: str
    gwp: str


class EnterpriseDocument(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: Bilingual
    park: str
    industry: str
    method: MethodDocument
    rating_policy: str
    consents: list[str]
    agents: list[str]
    devices: list[DeviceItem]
    derived: list[DerivedItem]
    balances: list[BalanceItem]
    sources: list[SourceItem]
    products: list[ProductItem]


def enterprise_item(enterprise: Enterprise, colour: Colour) -> EnterpriseItem:
    return EnterpriseItem(
        id=enterprise.id,
        name=bilingual(enterprise.name),
        park=enterprise.park,
        industry=enterprise.industry,
        colour=colour,
    )


def enterprise_document(enterprise: Enterprise) -> EnterpriseDocument:
    method = enterprise.method
    return EnterpriseDocument(
        id=enterprise.id,
        name=bilingual(enterprise.name),
        park=enterprise.park,
        industry=enterprise.industry,
        method=MethodDocument(electricity=method.electricity, fuel_set=method.fuel_set, gwp=method.gwp),
        rating_policy=enterprise.rating_policy,
        consents=list(enterprise.consents),
        agents=[agent.id for agent in enterprise.agents],
        devices=[_device(device) for device in enterprise.devices],
        derived=[_derived(derived) for derived in enterprise.derived],
        balances=[_balance(balance) for balance in enterprise.balances],
        sources=[_source(source) for source in enterprise.sources],
        products=[
            ProductItem(id=own.id, name=None if own.name is None else bilingual(own.name), unit=own.unit)
            for own in enterprise.products
        ],
    )


def _derived(derived: Derived) -> DerivedItem:
    return DerivedItem(
        id=derived.id,
        name=None if derived.name is None else bilingual(derived.name),
        formula=derived.formula,
        inputs=list(dict.fromkeys(one.name for one in derived.inputs)),
        points=[
            PointDocument(
                point=f"{point.device}.{point.id}",
                quantity=point.quantity,
                unit=QUANTITIES[point.quantity].usage_unit or "",
            )
            for point in derived.points
        ],
    )


def _balance(balance: Balance) -> BalanceItem:
    return BalanceItem(
        id=balance.id,
        name=None if balance.name is None else bilingual(balance.name),
        parent=f"{balance.parent.device}.{balance.parent.point}",
        children=[FeedDocument(point=f"{own.device}.{own.point}", share=own.share) for own in balance.children],
        tolerance=float(balance.tolerance),
    )


def bilingual(name: Name) -> Bilingual:
    return Bilingual(zh=name.zh, en=name.en)


def source_name(source: Source) -> Bilingual:
    """The source's own name, or that of what it does."""
    if source.name is not None:
        return bilingual(source.name)
    kind = ACTIVITIES[source.activity]
    return Bilingual(zh=kind.zh, en=kind.en)


def _device(device: Device) -> DeviceItem:
    return DeviceItem(
        id=device.id,
        name=None if device.name is None else bilingual(device.name),
        profile=device.profile,
        rated_power_kw=device.rated_power_kw,
        points=[
            PointDocument(
                point=f"{device.id}.{point.id}", quantity=point.quantity, unit=QUANTITIES[point.quantity].unit
            )
            for point in device.points
        ],
    )


def _source(source: Source) -> SourceItem:
    return SourceItem(
        id=source.id,
        name=source_name(source),
        activity=source.activity,
        scope=source.scope,
        stage=source.stage,
        records=source.records,
        unit=source.unit,
        feeds=[FeedDocument(point=f"{feed.device}.{feed.point}", share=feed.share) for feed in source.feeds],
        evidence=[
            EvidenceDocument(kind=own.kind, id=own.id, valid_from=own.valid_from, valid_to=own.valid_to)
            for own in source.evidence
        ],
    )
