"""Product footprints as they are served, published and exchanged: live from the ledger, or a published version.

What stays true: a published footprint never changes; the same figures again publish nothing, other figures make the
next version, which names those before it. Grams are allocated in `gateway.carbon.footprint`; this gives them a form.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
from sqlalchemy import Engine

from gateway.accounts.documents import Bilingual, instant, kilo
from gateway.accounts.output import outputs_of
from gateway.accounts.periods import Period
from gateway.carbon.allocation import NotAllocable, kilograms_per_unit
from gateway.carbon.cbam import Defaults, Embedded, embedded_of
from gateway.carbon.factors import FactorBook
from gateway.carbon.footprint import BOUNDARIES, Boundary, Contribution, Footprint, footprint_of
from gateway.carbon.model import Factor
from gateway.registry.model import Enterprise, Product
from gateway.store.canonical_json import canonical, sha256_of
from gateway.store.footprints_repository import StoredFootprint
from gateway.store.ledger_repository import LedgerRepository

SERIES = "grid.footprint"
# Makes ids out of content: the same footprint always has the same id (RFC 9562, version 5).
NAMESPACE = uuid.UUID("6f0c1a52-6f3d-5b1e-9d54-7a1a3f5d2c10")


class ContributionDocument(msgspec.Struct, frozen=True, kw_only=True):
    stage: str
    source: str
    activity: str
    scope: int
    plant_kg: float  # of the whole source
    emission_kg: float  # the product's part
    kg_per_unit: float
    share_percent: float
    primary: bool
    factor: str
    edition: str


class EmbeddedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """kgCO2e per tonne as CBAM cuts it, beside the default value. A view, not a declaration."""

    good: str
    name: str
    direct: float
    indirect: float
    precursors: float
    total: float
    default_direct: float | None
    default_indirect: float | None
    default_total: float
    of_default_percent: float
    markup_percent: dict[str, float]
    source: str


class FootprintDocument(msgspec.Struct, frozen=True, kw_only=True):
    enterprise: str
    product: str
    name: Bilingual | None
    unit: str
    period: str
    boundary: str
    version: int  # 0 = computed now, not published
    id: str  # UUID; "" while it is not published
    preceding: tuple[str, ...]
    published_at: str | None
    output: float
    emission_kg: float
    kg_per_unit: float
    allocation: str
    gwp: str
    electricity: tuple[str, ...]  # factors of the footprint series; empty = the account's own
    primary_share: float
    contributions: tuple[ContributionDocument, ...]
    silent_sources: tuple[str, ...]  # that serve the product within the boundary, without an entry in the period
    notes: tuple[Bilingual, ...]
    cbam: EmbeddedDocument | None
    last_seq: int  # newest entry of the chain that it contains


class SignedFootprint(msgspec.Struct, frozen=True, kw_only=True):
    """A published version with what proves it: a JWS over `body`, whose payload is left out."""

    footprint: FootprintDocument
    body: str  # canonical JSON, byte for byte what is signed
    signature: str
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FootprintSource:
    """What footprints are made from."""

    engine: Engine
    factors: FactorBook
    defaults: Defaults

    def live(
        self, enterprise: Enterprise, product: Product, period: Period, boundary: Boundary, as_of: date
    ) -> FootprintDocument:
        """The footprint as the ledger has it now; raises NotAllocable."""
        outputs = outputs_of(self.engine, [enterprise.id], period).get(enterprise.id, {})
        made_u = {subject: amount.amount_u for (kind, subject), amount in outputs.items() if kind == "product"}
        if made_u.get(product.id, 0) <= 0:
            raise NotAllocable(
                f"no output of {product.id} was reported for {period.text}: send activity records of the product; "
                f"`tanmai records template --enterprise {enterprise.id} --period {period.text}` gives a file to fill in"
            )
        book = LedgerRepository(self.engine)
        entries = book.standing(enterprise.id, None, period.start, period.end)
        footprint = footprint_of(enterprise, product.id, entries, made_u, self._life_cycle(as_of), boundary)
        heard = {entry.draft.source for entry in entries}
        serving = [
            own
            for own in enterprise.sources
            if own.stage in BOUNDARIES[boundary] and (not own.products or product.id in own.products)
        ]
        newest = book.newest(enterprise.id)
        return _document(
            enterprise,
            product,
            period,
            footprint,
            silent=[own.id for own in serving if own.id not in heard],
            cbam=self._embedded(product, footprint),
            last_seq=0 if newest is None else newest.seq,
        )

    def _life_cycle(self, as_of: date) -> Callable[[date], Factor | None]:
        def of(day: date) -> Factor | None:
            pick = self.factors.pick(SERIES, "CN", day, as_of)
            return None if pick is None else pick.factor

        return of

    def _embedded(self, product: Product, footprint: Footprint) -> EmbeddedDocument | None:
        mass_kg = kilograms_per_unit(product)
        if product.cbam_good not in self.defaults.goods or not mass_kg:
            return None
        tonnes = Fraction(footprint.output_u, 1_000_000) * mass_kg / 1000
        embedded = embedded_of(str(product.cbam_good), self.defaults, footprint.contributions, tonnes)
        return _embedded_document(embedded)


def _document(
    enterprise: Enterprise,
    product: Product,
    period: Period,
    footprint: Footprint,
    *,
    silent: Sequence[str],
    cbam: EmbeddedDocument | None,
    last_seq: int,
) -> FootprintDocument:
    return FootprintDocument(
        enterprise=enterprise.id,
        product=product.id,
        name=None if product.name is None else Bilingual(zh=product.name.zh, en=product.name.en),
        unit=product.unit,
        period=period.text,
        boundary=footprint.boundary,
        version=0,
        id="",
        preceding=(),
        published_at=None,
        output=footprint.output_u / 1_000_000,
        emission_kg=kilo(footprint.emission_g),
        kg_per_unit=_rounded(footprint.kg_per_unit),
        allocation=footprint.allocation,
        gwp=enterprise.method.gwp,
        electricity=footprint.electricity,
        primary_share=round(footprint.primary_share, 6),
        contributions=tuple(_contribution(own, footprint) for own in footprint.contributions),
        silent_sources=tuple(silent),
        notes=tuple(Bilingual(zh=zh, en=en) for zh, en in footprint.notes),
        cbam=cbam,
        last_seq=last_seq,
    )


def _contribution(own: Contribution, footprint: Footprint) -> ContributionDocument:
    return ContributionDocument(
        stage=own.stage,
        source=own.source,
        activity=own.activity,
        scope=own.scope,
        plant_kg=kilo(own.plant_g),
        emission_kg=kilo(own.emission_g),
        kg_per_unit=_rounded(Fraction(own.emission_g * 1000, footprint.output_u)),
        share_percent=round(100 * own.emission_g / footprint.emission_g, 4) if footprint.emission_g else 0.0,
        primary=own.primary,
        factor=own.factor,
        edition=own.edition,
    )


def _embedded_document(own: Embedded) -> EmbeddedDocument:
    def kg(tonnes_per_tonne: Any) -> float | None:
        return None if tonnes_per_tonne is None else float(tonnes_per_tonne * 1000)

    return EmbeddedDocument(
        good=own.good.id,
        name=own.good.name,
        direct=_rounded(own.kg_per_tonne("direct")),
        indirect=_rounded(own.kg_per_tonne("indirect")),
        precursors=_rounded(own.kg_per_tonne("precursors")),
        total=_rounded(own.total_kg_per_tonne),
        default_direct=kg(own.good.direct),
        default_indirect=kg(own.good.indirect),
        default_total=float(own.good.total * 1000),
        of_default_percent=round(float(100 * own.of_default), 2),
        markup_percent={year: float(percent) for year, percent in own.file.markup_percent.items()},
        source=own.file.source,
    )


def _rounded(value: Fraction) -> float:
    """Nine significant digits: a display value of an exact quotient."""
    return float(f"{float(value):.9g}")


def published(document: FootprintDocument, stored: Sequence[StoredFootprint], now_ms: int) -> FootprintDocument | None:
    """The next version of a live footprint; None if the newest published one says the same."""
    if stored and _content(footprint_from(stored[-1].body)) == _content(document):
        return None
    version = len(stored) + 1
    named = f"{document.enterprise}/{document.product}/{document.period}/{document.boundary}/{version}"
    return msgspec.structs.replace(
        document,
        version=version,
        id=str(uuid.uuid5(NAMESPACE, f"{named}/{sha256_of(canonical(msgspec.to_builtins(document)))}")),
        preceding=tuple(one.id for one in reversed(stored)),
        published_at=instant(now_ms),
    )


def signed_footprint(stored: Sequence[StoredFootprint], version: int | None) -> SignedFootprint | None:
    """One of the published versions, the newest unless one is named."""
    wanted = next((one for one in reversed(stored) if version in (None, one.version)), None)
    if wanted is None:
        return None
    return SignedFootprint(
        footprint=footprint_from(wanted.body),
        body=wanted.body,
        signature=wanted.signature,
        versions=tuple(one.version for one in stored),
    )


def footprint_from(body: str) -> FootprintDocument:
    """A published footprint as it was kept."""
    return msgspec.json.decode(body, type=FootprintDocument)


def _content(document: FootprintDocument) -> FootprintDocument:
    """What another version must differ in: not its own names, nor how far the chain has grown elsewhere."""
    return msgspec.structs.replace(document, version=0, id="", preceding=(), published_at=None, last_seq=0)
