"""A registry -> the text of a registry file that says the same. Reading it back gives the same registry.

What the file format fills in by itself (a profile's points, a rated power's limit) is written only where it differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from collectors.clock import from_ms
from gateway.registry.derived import written_balance, written_derived
from gateway.registry.feeds import written_form
from gateway.registry.file_shape import DeviceShape
from gateway.registry.knowledge import Knowledge, KnownProfile
from gateway.registry.model import (
    GAP_MAX_S,
    Agent,
    AgentKey,
    DatedValue,
    Device,
    Enterprise,
    Method,
    Name,
    Park,
    Point,
    Product,
    Quota,
    Registry,
    Replacement,
    Source,
)
from gateway.registry.points import points_of

FOOTPRINT = "footprint"  # the quantity of a value under `footprints`; all others stand under `analyses`
WIDTH = 140  # columns before a line is broken


def dump_registry(registry: Registry, knowledge: Knowledge, only: Iterable[str] | None = None) -> str:
    """YAML in the form of a registry file; `only` = just these enterprises, with their parks."""
    chosen = [registry.enterprises[own] for own in (registry.enterprises if only is None else only)]
    parks = registry.parks.values() if only is None else {own.park: registry.parks[own.park] for own in chosen}.values()
    content = {
        "parks": [_park(park) for park in parks],
        "enterprises": [_enterprise(enterprise, knowledge) for enterprise in chosen],
    }
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Decimals as they are, and no anchors for values that stand in several places."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain_number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    """With its own digits; a whole number as YAML's int, or it would be quoted and come back as text."""
    text = f"{value:f}"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_Dumper.add_representer(Decimal, _plain_number)


def _given(**values: Any) -> dict[str, Any]:
    """Without the keys that have nothing to say."""
    return {key.rstrip("_"): value for key, value in values.items() if value not in (None, [], (), False)}


def _name(name: Name | None) -> dict[str, str] | None:
    return None if name is None else {"zh": name.zh, "en": name.en}


def _park(park: Park) -> dict[str, Any]:
    return _given(id=park.id, name=_name(park.name), region=park.region, timezone=park.timezone, area_km2=park.area_km2)


def _enterprise(enterprise: Enterprise, knowledge: Knowledge) -> dict[str, Any]:
    return _given(
        id=enterprise.id,
        name=_name(enterprise.name),
        park=enterprise.park,
        industry=enterprise.industry,
        method=_method(enterprise.method, knowledge),
        rating_policy=enterprise.rating_policy,
        consents=list(enterprise.consents),
        agents=[_agent(agent) for agent in enterprise.agents],
        require_signed_batches=enterprise.require_signed_batches,
        devices=[_device(device, knowledge) for device in enterprise.devices],
        sources=[_source(source) for source in enterprise.sources],
        products=[_product(product) for product in enterprise.products],
        replacements=[_replacement(replacement) for replacement in enterprise.replacements],
        derived=[written_derived(derived) for derived in enterprise.derived],
        balances=[written_balance(balance) for balance in enterprise.balances],
        allocation=None if enterprise.allocation == "mass" else enterprise.allocation,
        quota=_quota(enterprise.quota),
        reconcile_within=None if enterprise.reconcile_within == "0.02" else Decimal(enterprise.reconcile_within),
    )


def _quota(quota: Quota) -> dict[str, Any] | None:
    """0 is a quota too: that there is none."""
    rates = {name: getattr(quota, name) for name in ("readings_per_s", "bytes_per_s", "points")}
    senders = {
        name: {"readings_per_s": own.readings_per_s, "bytes_per_s": own.bytes_per_s}
        for name, own in quota.senders.items()
    }
    stated = {name: value for name, value in rates.items() if value is not None}
    if senders:
        stated["senders"] = {
            name: {key: value for key, value in own.items() if value is not None} for name, own in senders.items()
        }
    if quota.devices:
        stated["devices"] = {name: {"readings_per_s": own.readings_per_s} for name, own in quota.devices.items()}
    return stated or None


def _product(product: Product) -> dict[str, Any]:
    return _given(
        id=product.id,
        unit=product.unit,
        name=_name(product.name),
        limits=list(product.limits),
        traits={trait: Decimal(value) for trait, value in product.traits.items()},
        mass_kg=_number(product.mass_kg),
        value_cny=_number(product.value_cny),
        share=_number(product.share),
        cbam_good=product.cbam_good,
        fossil_carbon_kg=_number(product.fossil_carbon_kg),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _agent(agent: Agent) -> dict[str, Any]:
    return _given(id=agent.id, public_keys=[_agent_key(key) for key in agent.public_keys])


def _agent_key(key: AgentKey) -> str | dict[str, Any]:
    if key.valid_until_ms is None:
        return key.key
    return {"key": key.key, "valid_until": from_ms(key.valid_until_ms).isoformat()}


def _method(method: Method, knowledge: Knowledge) -> str | dict[str, Any]:
    """The file's name while the file still says the same, else written out."""
    if method.id and knowledge.methods.get(method.id) == method:
        return method.id
    usual = Method()
    always = {"electricity": method.electricity, "fuel_set": method.fuel_set, "gwp": method.gwp}
    rest = {key: getattr(method, key) for key in ("market", "booked", "compliance", "lifecycle")}
    return always | {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in rest.items()
        if value != getattr(usual, key)
    }


def _device(device: Device, knowledge: Knowledge) -> dict[str, Any]:
    profile = knowledge.profiles.get(device.profile) if device.profile else None
    return _given(
        id=device.id,
        profile=device.profile,
        rated_power_kw=device.rated_power_kw,
        points=_points(device, profile),
        name=_name(device.name),
    )


def _points(device: Device, profile: KnownProfile | None) -> list[Any] | None:
    """None where the profile and the rated power say all of it already."""
    plain = DeviceShape(device.id, device.profile, device.rated_power_kw)
    usual = {point.id: point for point in points_of(plain, profile)[0]}
    if profile is not None and [_key(point) for point in device.points] == [_key(point) for point in usual.values()]:
        return None
    return [point.id if _key(point) == _key(usual.get(point.id)) else _point(point) for point in device.points]


def _key(point: Point | None) -> tuple[Any, ...] | None:
    """What a file can say about a point."""
    if point is None:
        return None
    return point.id, point.quantity, point.modulus, point.rated_per_hour, point.gap_max_s


def _point(point: Point) -> dict[str, Any]:
    return _given(
        id=point.id,
        quantity=point.quantity,
        modulus=point.modulus,
        rated_per_hour=point.rated_per_hour,
        gap_max_s=None if point.gap_max_s == GAP_MAX_S else point.gap_max_s,
    )


def _source(source: Source) -> dict[str, Any]:
    return _given(
        id=source.id,
        activity=source.activity,
        scope=source.scope,
        stage=source.stage,
        from_=[written_form(feed) for feed in source.feeds],
        records=source.records,
        unit=source.unit,
        category=source.category,
        factor=source.factor,
        evidence=[
            {
                "kind": paper.kind,
                "id": paper.id,
                "valid_from": date.fromisoformat(paper.valid_from),
                "valid_to": date.fromisoformat(paper.valid_to),
            }
            for paper in source.evidence
        ],
        analyses=[
            {"quantity": own.quantity} | _own_value(own) for own in source.own_values if own.quantity != FOOTPRINT
        ],
        footprints=[_own_value(own) for own in source.own_values if own.quantity == FOOTPRINT],
        products=list(source.products),
        name=_name(source.name),
    )


def _own_value(own: DatedValue) -> dict[str, Any]:
    return {
        "value": Decimal(own.value),
        "unit": own.unit,
        "valid_from": date.fromisoformat(own.valid_from),
        "valid_to": date.fromisoformat(own.valid_to),
        "document": own.document,
    }


def _replacement(replacement: Replacement) -> dict[str, Any]:
    at = from_ms(replacement.at_ms).isoformat()
    return {"device": replacement.device, "at": at, "final": replacement.final, "initial": replacement.initial}
