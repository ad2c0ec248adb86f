"""A published footprint as PACT exchanges it: `ProductFootprint` of the PACT Technical Specifications 3.0.3.

What stays true: every figure is the published footprint's own; what the specification requires and nobody reported is
asked for (CannotExchange), not filled in. Decimals are text, as the specification wants them.

Source: PACT Technical Specifications for PCF Data Exchange 3.0.3, WBCSD, 2025, sections ProductFootprint and
CarbonFootprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from gateway.accounts.footprints import FootprintDocument
from gateway.accounts.periods import Period
from gateway.carbon.allocation import kilograms_per_unit
from gateway.carbon.factors import FactorBook
from gateway.registry.model import Enterprise, Product

SPECIFICATION = "3.0.3"

# unit of a product -> (unit of the specification, how many of them)
DECLARED: Mapping[str, tuple[str, str]] = {
    "g": ("kilogram", "0.001"),
    "kg": ("kilogram", "1"),
    "t": ("kilogram", "1000"),
    "L": ("liter", "1"),
    "m3": ("cubic meter", "1"),
    "kWh": ("kilowatt hour", "1"),
    "MWh": ("kilowatt hour", "1000"),
    "MJ": ("megajoule", "1"),
    "GJ": ("megajoule", "1000"),
    "tkm": ("ton kilometer", "1"),
    "m2": ("square meter", "1"),
    "piece": ("piece", "1"),
}

ALLOCATION = {
    "mass": "Sources that serve one product are attributed to it; the rest is allocated by mass of output.",
    "value": "Sources that serve one product are attributed to it; the rest is allocated by value of output.",
    "shares": "Sources that serve one product are attributed to it; the rest is allocated by stated shares.",
}


class CannotExchange(Exception):
    """Something that the specification requires is not registered; the message says what."""


def product_footprint(
    document: FootprintDocument,
    enterprise: Enterprise,
    product: Product,
    period: Period,
    timezone: str,
    factors: FactorBook,
) -> dict[str, Any]:
    """The JSON of a published footprint; raises CannotExchange."""
    unit, amount = _declared(product)
    mass_kg = kilograms_per_unit(product)
    if mass_kg is None:
        raise CannotExchange(f"register mass_kg of {product.id}: the mass of one {product.unit}, 0 where it has none")
    if product.fossil_carbon_kg is None:
        raise CannotExchange(f"register fossil_carbon_kg of {product.id}: fossil carbon in one {product.unit}, or 0")
    if document.silent_sources:
        raise CannotExchange(
            f"nothing says what {', '.join(document.silent_sources)} brought in {document.period}: send their records "
            "(0 where there was nothing) or take them out of the registry, then publish again"
        )
    kg_per_unit = sum((Decimal(repr(own.kg_per_unit)) for own in document.contributions), Decimal(0))
    editions = {own.edition for own in document.contributions if own.edition}
    sources = {factor.edition: factor.source for factor in factors.factors.values()}
    return {
        "id": document.id,
        "specVersion": SPECIFICATION,
        **({"precedingPfIds": list(document.preceding)} if document.preceding else {}),
        "created": document.published_at,
        "status": "Active",
        "companyName": enterprise.name.en,
        "companyIds": [f"urn:pact:gsxt.gov.cn:unified-social-credit-code:{enterprise.id}"],
        "productDescription": _description(document, product),
        "productIds": [f"urn:pact:gsxt.gov.cn:product-of-{enterprise.id}:{product.id}"],
        "productNameCompany": product.name.en if product.name is not None else product.id,
        "comment": " ".join(note.en for note in document.notes),
        "pcf": {
            "declaredUnitOfMeasurement": unit,
            "declaredUnitAmount": amount,
            "productMassPerDeclaredUnit": _decimal(mass_kg),
            "referencePeriodStart": _midnight(period.start, timezone),
            "referencePeriodEnd": _midnight(period.end, timezone),
            "geographyCountry": "CN",
            "boundaryProcessesDescription": "; ".join(
                f"{own.stage}: {own.source} ({own.activity})" for own in document.contributions
            ),
            "pcfExcludingBiogenicUptake": f"{kg_per_unit:f}",
            "pcfIncludingBiogenicUptake": f"{kg_per_unit:f}",  # no uptake is booked
            "fossilGhgEmissions": f"{kg_per_unit:f}",
            "fossilCarbonContent": product.fossil_carbon_kg,
            "ipccCharacterizationFactors": [document.gwp.upper()],
            "crossSectoralStandards": ["ISO14067"],
            "exemptedEmissionsPercent": "0",
            "exemptedEmissionsDescription": "",
            "allocationRulesDescription": ALLOCATION[document.allocation],
            "secondaryEmissionFactorSources": [
                {"name": sources.get(edition, edition), "version": edition} for edition in sorted(editions)
            ],
            "primaryDataShare": _decimal(Fraction(repr(document.primary_share)) * 100),
        },
    }


def _declared(product: Product) -> tuple[str, str]:
    if product.unit not in DECLARED:
        raise CannotExchange(f"{product.unit} is no unit of the specification; it knows {', '.join(DECLARED)}")
    return DECLARED[product.unit]


def _description(document: FootprintDocument, product: Product) -> str:
    boundary = document.boundary.replace("_", " ")
    return f"{product.id}, {boundary}, out of the plant's metered account of {document.period}"


def _midnight(day: Any, timezone: str) -> str:
    at = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _decimal(value: Fraction) -> str:
    return f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
