"""The plants of a world: what they measure, what they account for, and their registry file as of a moment.

A plant changes during its life: meters are declared replaced, certificates arrive, a method or a rating policy is
chosen anew. `registry_text` says what the registry would be told at that moment; the oracle reads the same objects as
they are at the end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction

from tests.plant_life.instruments import Counter, Point

PointKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Feed:
    """A point that feeds a source or a sum; its share is negative where it is taken off."""

    point: PointKey
    share: Fraction = Fraction(1)

    @property
    def halved(self) -> Feed:
        return replace(self, share=self.share / 2)

    def text(self) -> dict[str, object]:
        name = ".".join(self.point)
        return {"point": name, "share": float(abs(self.share)), "sign": -1 if self.share < 0 else 1}


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the account; without feeds it is fed by records."""

    id: str
    activity: str
    scope: int
    stage: str
    unit: str
    feeds: tuple[Feed, ...] = ()


@dataclass(frozen=True, slots=True)
class SumPoint:
    """A derived point: points together, some of them taken off."""

    id: str
    parts: tuple[Feed, ...]

    def text(self) -> dict[str, object]:
        return {"id": self.id, "sum": [part.text() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class NormalVolume:
    """A derived point: gas as metered, at fixed conditions, to 0 °C and 101.325 kPa."""

    id: str
    of: PointKey
    pressure_kpa: Fraction
    temperature_degc: Fraction

    def text(self) -> dict[str, object]:
        return {
            "id": self.id,
            "normal_volume_of": ".".join(self.of),
            "pressure_kpa": float(self.pressure_kpa),
            "temperature_degc": float(self.temperature_degc),
        }


Derived = SumPoint | NormalVolume


@dataclass
class Plant:
    """An enterprise as it is now."""

    id: str
    name: str
    park: str
    zone: str
    region: str
    industry: str
    method: str
    policy: str
    points: dict[PointKey, Point]
    sources: tuple[Source, ...]
    derived: tuple[Derived, ...] = ()
    balance: tuple[PointKey, tuple[PointKey, ...]] | None = None
    registered: bool = True
    left: bool = False  # it was registered once and is not now
    declared: list[str] = field(default_factory=list)  # devices whose replacement is declared
    papers: dict[str, list[tuple[date, date]]] = field(default_factory=dict)  # source -> days proven green
    consents: tuple[str, ...] = ()  # platforms that may see its account

    def __post_init__(self) -> None:
        self.ever = {source.id: source for source in self.sources}  # also those that were dropped

    def drop(self, source: str) -> None:
        """Account for it no longer."""
        self.sources = tuple(own for own in self.sources if own.id != source)

    def halve(self, source: str) -> None:
        """Take its last feed by half."""
        self.sources = tuple(
            replace(own, feeds=(*own.feeds[:-1], own.feeds[-1].halved)) if own.id == source and own.feeds else own
            for own in self.sources
        )

    def halve_sums(self) -> None:
        """Take the last part of every derived sum by half."""
        self.derived = tuple(
            replace(own, parts=(*own.parts[:-1], own.parts[-1].halved)) if isinstance(own, SumPoint) else own
            for own in self.derived
        )

    def text(self) -> dict[str, object]:
        """As the registry is told."""
        devices: dict[str, list[Point]] = {}
        for point in self.points.values():
            devices.setdefault(point.device, []).append(point)
        text: dict[str, object] = {
            "id": self.id,
            "name": {"zh": self.name, "en": self.name},
            "park": self.park,
            "industry": self.industry,
            "method": self.method,
            "rating_policy": self.policy,
            "consents": list(self.consents),
            "agents": [{"id": "edge-1"}],
            "devices": [{"id": name, "points": [_point(one) for one in own]} for name, own in devices.items()],
            "sources": [self._source(source) for source in self.sources],
            "products": [{"id": "plate", "unit": "t"}],
            "replacements": [self._replacement(device) for device in self.declared],
            "derived": [one.text() for one in self.derived],
        }
        if self.balance is not None:
            parent, children = self.balance
            names = [".".join(child) for child in children]
            text["balances"] = [{"id": "site", "parent": ".".join(parent), "children": names, "tolerance": 0.03}]
        return text

    def _source(self, source: Source) -> dict[str, object]:
        text: dict[str, object] = {
            "id": source.id, "activity": source.activity, "scope": source.scope, "stage": source.stage,
        }  # fmt: skip
        if source.feeds:
            text["from"] = [feed.text() for feed in source.feeds]
        else:
            text |= {"records": True, "unit": source.unit}
        papers = self.papers.get(source.id, [])
        if papers:
            text["evidence"] = [_certificate(number, *days) for number, days in enumerate(papers, 1)]
        return text

    def _replacement(self, device: str) -> dict[str, object]:
        text: dict[str, object] = {"device": device}
        for (own, name), point in self.points.items():
            meter = point.instrument
            if own == device and isinstance(meter, Counter):
                text["at"] = _instant(meter.turn_ms)
                text |= {"final": {name: meter.final}, "initial": {name: meter.initial / 100}}
        return text


def _certificate(number: int, first: date, end: date) -> dict[str, str]:
    days = {"valid_from": first.isoformat(), "valid_to": end.isoformat()}
    return {"kind": "certificate", "id": f"GEC-{number}", **days}


def _point(point: Point) -> dict[str, object]:
    text: dict[str, object] = {"id": point.name, "quantity": point.quantity, "gap_max_s": point.gap_max_ms // 1000}
    if point.rated_per_hour is not None:
        text["rated_per_hour"] = point.rated_per_hour
    if isinstance(point.instrument, Counter) and point.instrument.modulus:
        text["modulus"] = point.instrument.modulus // 100
    return text


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def registry_text(plants: list[Plant]) -> str:
    """The registry file for those plants that are registered, and those that left."""
    own = [plant for plant in plants if plant.registered]
    parks = {
        plant.park: {
            "id": plant.park, "name": {"zh": plant.park, "en": plant.park}, "region": plant.region,
            "timezone": plant.zone,
        }
        for plant in plants
        if plant.registered or plant.left
    }  # fmt: skip
    lines = ["parks:", *(f"- {json.dumps(park)}" for park in parks.values()), "enterprises:"]
    for plant in own:
        first, *others = [
            f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plant.text().items() if value != []
        ]
        lines += [f"- {first}", *(f"  {line}" for line in others)]
    lines += [f"- {json.dumps({'id': plant.id, 'retired': True})}" for plant in plants if plant.left]
    return "\n".join(lines).replace('"at": "', '"at": ').replace('+00:00"', "+00:00") + "\n"
