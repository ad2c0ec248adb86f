"""From an entry back to what caused it, as data: entry -> formula -> factors -> hours -> readings -> registers.

Pure: the caller hands over what it has read of hours, readings, registers and records; this puts the chain of causes
together and says it in words. Every number is the one that was booked, every factor carries where it was published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.clock import from_ms
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.emission import decimal_text
from gateway.carbon.model import Entry, Factor

BASES: dict[str, tuple[str, str]] = {
    "exact": ("因子的年份与地区相符", "the factor is of this year and region"),
    "older_edition": (
        "该年因子尚未公布,暂用最近已公布的版本",
        "this year's factor is not out yet; the newest one is used",
    ),
    "regional_fallback": ("该地区无因子,采用全国值", "the region has no factor; the national one is used"),
    "default": (
        "采用通用缺省值,宜以供应商或实测数据替代",
        "a general default; the supplier's or an own figure is better",
    ),
    "supplier_specific": ("采用登记中指定的供应商因子", "the supplier's factor named in the registry"),
    "measured": ("排放量为实测", "the emission itself was measured"),
    "zero_with_evidence": ("有凭证的绿色电力按零计", "green power with evidence counts zero"),
}


@dataclass(frozen=True, slots=True)
class ReadingSeen:
    """A reading as the store has it."""

    at_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class HourUsed:
    """One hour of a point's usage."""

    hour_ms: int
    amount_u: int
    estimated_u: int
    covered_ms: int


@dataclass(frozen=True, slots=True)
class FeedTrace:
    """What one point gave to the day: its hours, its readings at both ends, and the register they came from."""

    point: str  # device.point
    quantity: str
    unit: str
    share: str  # signed decimal
    hours: tuple[HourUsed, ...] = ()
    first: ReadingSeen | None = None
    last: ReadingSeen | None = None
    readings: int = 0
    register: Mapping[str, Any] | None = None  # maker, model, address … of the profile


@dataclass(frozen=True, slots=True)
class RecordTrace:
    """An activity record that covers the day."""

    record: str
    start_day: str
    end_day: str  # exclusive
    amount_u: int
    unit: str
    note: str = ""


def explain(
    entry: Entry,
    factors: Mapping[str, Factor],
    feeds: Sequence[FeedTrace] = (),
    records: Sequence[RecordTrace] = (),
) -> dict[str, Any]:
    """The chain of causes of an entry as JSON values."""
    draft = entry.draft
    calculation = draft.calculation
    kind = ACTIVITIES.get(draft.activity)
    names = (kind.zh, kind.en) if kind else (draft.activity, draft.activity)
    return {
        "entry": entry.id,
        "enterprise": draft.enterprise,
        "source": draft.source,
        "day": draft.day.isoformat(),
        "activity": {"kind": draft.activity, "zh": names[0], "en": names[1]},
        "amount": decimal_text(draft.amount_u),
        "unit": draft.unit,
        "scope": draft.scope,
        "stage": draft.stage,
        "category": draft.category,
        "emission_g": draft.emission_g,
        "energy_gce": draft.energy_gce,
        "formula": calculation.get("formula", ""),
        "computed": filled(calculation, draft.emission_g, "gCO2e"),
        "energy_computed": _energy(calculation, draft.energy_gce),
        "note": calculation.get("note", ""),
        "basis": _basis(draft.basis, draft.provisional),
        "gwp": draft.gwp,
        "factors": [_factor(name, term, factors) for name, term in _terms(calculation)],
        "coverage": draft.coverage_ppm / 1_000_000,
        "estimated_share": draft.estimated_ppm / 1_000_000,
        "digest": draft.digest,
        "feeds": [_feed(feed) for feed in feeds],
        "records": [_record(record) for record in records],
        "reason": entry.reason,
        "reverses": None if entry.reverses is None else f"{draft.enterprise}-{entry.reverses}",
        "booked_at": from_ms(entry.booked_at_ms).isoformat(),
        "hash": entry.hash,
        "previous_hash": entry.previous_hash,
    }


def filled(calculation: Mapping[str, Any], result: int, unit: str) -> str:
    """A formula with its numbers: `120.5 kWh × 0.5306 kgCO2/kWh = 63937 gCO2e`."""
    if not calculation.get("formula"):
        return ""
    words = []
    for word in calculation["formula"].split(" "):
        if word == "AD":
            words.append(f"{calculation['amount']} {calculation['unit']}")
        elif word in calculation["terms"]:
            term = calculation["terms"][word]
            words.append(f"{term['value']} {term['unit']}" if term["unit"] != "%" else f"{term['value']} %")
        else:
            words.append(word)
    sign = "-" if calculation.get("sign", 1) < 0 else ""
    body = " ".join(words)
    return f"{sign}({body}) = {result} {unit}" if sign else f"{body} = {result} {unit}"


def _energy(calculation: Mapping[str, Any], energy_gce: int) -> str:
    energy = calculation.get("energy")
    return "" if energy is None else filled({**calculation, **energy}, energy_gce, "gce")


def _basis(basis: str, provisional: bool) -> dict[str, Any]:
    zh, en = BASES.get(basis, (basis, basis))
    return {"name": basis, "provisional": provisional, "zh": zh, "en": en}


def _terms(calculation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str]]]:
    energy = calculation.get("energy") or {}
    return [*calculation.get("terms", {}).items(), *energy.get("terms", {}).items()]


def _factor(name: str, term: Mapping[str, str], factors: Mapping[str, Factor]) -> dict[str, Any]:
    """A term with where it was published; a factor that is no longer in the files keeps what the entry says."""
    published: dict[str, Any] = {"name": name, **term}
    known = factors.get(term["factor"])
    if known is not None:
        published |= {
            "source": known.source,
            "published_on": known.published_on.isoformat(),
            "valid_from": known.valid_from.isoformat(),
            "valid_to": known.valid_to.isoformat(),
            "region": known.region,
            "confidence": known.confidence,
        }
    return published


def _feed(feed: FeedTrace) -> dict[str, Any]:
    return {
        "point": feed.point,
        "quantity": feed.quantity,
        "unit": feed.unit,
        "share": feed.share,
        "amount": decimal_text(sum(hour.amount_u for hour in feed.hours)),
        "hours": [
            {
                "hour": from_ms(hour.hour_ms).isoformat(),
                "amount": decimal_text(hour.amount_u),
                "estimated": decimal_text(hour.estimated_u),
                "covered_s": hour.covered_ms / 1000,
            }
            for hour in feed.hours
        ],
        "readings": feed.readings,
        "first": _reading(feed.first),
        "last": _reading(feed.last),
        "register": None if feed.register is None else dict(feed.register),
    }


def _reading(seen: ReadingSeen | None) -> dict[str, Any] | None:
    return None if seen is None else {"at": from_ms(seen.at_ms).isoformat(), "value": seen.value}


def _record(record: RecordTrace) -> dict[str, Any]:
    return {
        "record": record.record,
        "from": record.start_day,
        "to": record.end_day,
        "amount": decimal_text(record.amount_u),
        "unit": record.unit,
        "note": record.note,
    }
