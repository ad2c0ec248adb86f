"""Activity records from business systems, checked against the registry before any of them is kept.

A record: {"id", "source" | "product" | "economic" | "bill" | "reading", "from" and "to" (exclusive) or "date",
"amount", "unit", "note"?, "supersedes"?, "parallel"?, "evidence"?, "evidence_sha256"?}. All errors of all records are
found in one pass, each with the record's index, its id where it has one, and what would mend it. What needs those
already stored is `gateway.accounts.record_keeping`'s business.

What stays true: an amount is kept in the unit it came in; amounts over a period are spread over its days evenly and add
up exactly (`gateway.scheduler.activities.share_of_day`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from collectors.quantities import QUANTITIES
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.units import read_unit
from gateway.registry.model import DERIVED, Enterprise
from gateway.store.evidence_store import HASH
from gateway.store.records_repository import ActivityRecord, RecordKind

MAX_RECORDS = 5_000  # of one request
MAX_DAYS = 1_100  # three years: a longer record is a slip
MAX_AMOUNT = 1_000_000_000_000  # millionths of it fit 64 bits
MAX_NOTE = 500
ECONOMIC_UNIT = "10k_cny"  # 万元
ECONOMIC_FIGURES = ("output_value", "added_value")

KINDS: tuple[RecordKind, ...] = ("source", "product", "economic", "bill", "reading")
MAX_SUBJECT = 64  # characters, as in the table of the store
COLUMNS = (
    *("id", *KINDS, "from", "to", "date", "amount", "unit", "note"),
    *("supersedes", "parallel", "evidence", "evidence_sha256"),
)
_KEYS = frozenset(COLUMNS)
_ID = re.compile(r"[\w.:/+-]{1,80}", re.ASCII)
# Units as business systems write them -> as the table of units has them.
UNIT_NAMES = {
    "吨": "t",
    "公斤": "kg",
    "千克": "kg",
    "克": "g",
    "升": "L",
    "立方米": "m3",
    "万立方米": "1e4m3",
    "标方": "Nm3",
    "标准立方米": "Nm3",
    "万标方": "1e4Nm3",
    "万标准立方米": "1e4Nm3",
    "m³": "m3",
    "Nm³": "Nm3",
    "千瓦时": "kWh",
    "度": "kWh",
    "万千瓦时": "1e4kWh",
    "万kWh": "1e4kWh",
    "兆瓦时": "MWh",
    "kwh": "kWh",
    "吉焦": "GJ",
    "兆焦": "MJ",
    "百万千焦": "GJ",
    "太焦": "TJ",
    "吨公里": "tkm",
    "万吨公里": "1e4tkm",
    "人公里": "pkm",
    "间夜": "night",
    "件": "piece",
    "个": "piece",
    "平方米": "m2",
    "m²": "m2",
    "万元": "10k_cny",
}
_YES, _NO = ("true", "yes", "1", "是"), ("false", "no", "0", "否", "")


@dataclass(frozen=True, slots=True)
class RecordError:
    """One thing wrong with one record."""

    index: int  # place in the list, from 0
    id: str  # "" where it has none
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that is right in itself."""

    record: ActivityRecord
    parallel: bool  # it comes on top of other records of the same days


class _Wrong(Exception):
    """Ends the check of one field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_records(records: Sequence[Any], enterprise: Enterprise) -> tuple[list[Checked], list[RecordError]]:
    """The records, and everything that is wrong with them; use the first only if the second is empty."""
    checked: list[Checked] = []
    errors: list[RecordError] = []
    seen: dict[str, int] = {}
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            errors.append(RecordError(index, "", "", 'must be an object such as {"id": …, "source": …}'))
            continue
        name = record["id"] if isinstance(record.get("id"), str) else ""
        found, wrong = _check(record, enterprise)
        errors += [RecordError(index, name, field, message) for field, message in wrong]
        if name and name in seen:
            errors.append(RecordError(index, name, "id", f"is the id of record {seen[name]} too: each has its own"))
        seen.setdefault(name, index)
        if found is not None:
            checked.append(found)
    return checked, errors


def _check(record: Mapping[str, Any], enterprise: Enterprise) -> tuple[Checked | None, list[tuple[str, str]]]:
    wrong = [
        (str(key)[:40], f"is no key of a record; known are {', '.join(sorted(_KEYS))}") for key in record.keys() - _KEYS
    ]
    values: dict[str, Any] = {}
    for name, read in _READERS:
        try:
            values[name] = read(record)
        except _Wrong as error:
            wrong.append((error.field, str(error)))
    if "subject" in values:
        try:
            values["unit"] = _unit(record, enterprise, *values["subject"])
        except _Wrong as error:
            wrong.append((error.field, str(error)))
    if wrong:
        return None, wrong
    (kind, subject), (start, end) = values["subject"], values["days"]
    words = {name: values[name] for name in ("unit", "note", "supersedes", "evidence")}
    fitting = ActivityRecord(enterprise.id, values["id"], kind, subject, start, end, values["amount"], **words)
    return Checked(fitting, values["parallel"]), []


def _id(record: Mapping[str, Any]) -> str:
    value = record.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _Wrong(
            "id", "must be 1 to 80 letters, digits or . : / + - _, made by you and never used for another record"
        )
    return value


def _subject(record: Mapping[str, Any]) -> tuple[RecordKind, str]:
    named = [kind for kind in KINDS if kind in record]
    if len(named) != 1:
        raise _Wrong(named[1] if named else "source", f"exactly one of {', '.join(KINDS)} says what the amount is of")
    value = record[named[0]]
    if not isinstance(value, str):
        raise _Wrong(named[0], "must be text")
    return named[0], value


def _days(record: Mapping[str, Any]) -> tuple[date, date]:
    if "date" in record:
        if "from" in record or "to" in record:
            raise _Wrong("date", "stands for one day, in place of `from` and `to`")
        day = _day(record, "date")
        return day, day + timedelta(days=1)
    start, end = _day(record, "from"), _day(record, "to")
    if end <= start:
        raise _Wrong("to", "must be later than `from`: it is the first day that is no longer covered")
    if (end - start).days > MAX_DAYS:
        raise _Wrong("to", f"covers more than {MAX_DAYS} days: give one record per month")
    return start, end


def _day(record: Mapping[str, Any], key: str) -> date:
    value = record.get(key)
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError as error:
        raise _Wrong(key, f"{value!r} is no day of the calendar") from error
    raise _Wrong(key, "must be a date such as 2026-10-01")


def _amount(record: Mapping[str, Any]) -> int:
    """Millionths, rounded half to even: six decimals are kept."""
    value = record.get("amount")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Wrong("amount", "must be a number")
    if not 0 <= value <= MAX_AMOUNT:
        raise _Wrong("amount", f"must be 0 to {MAX_AMOUNT:,}")
    return int((Decimal(str(value)) * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def _note(record: Mapping[str, Any]) -> str:
    value = record.get("note", "")
    if not isinstance(value, str) or len(value) > MAX_NOTE:
        raise _Wrong("note", f"must be text of at most {MAX_NOTE} characters")
    return value


def _supersedes(record: Mapping[str, Any]) -> str:
    value = record.get("supersedes", "")
    if not isinstance(value, str) or (value and not _ID.fullmatch(value)):
        raise _Wrong("supersedes", "must be the id of the record that this one corrects")
    if value and value == record.get("id"):
        raise _Wrong("supersedes", "is this record's own id: a correction has an id of its own")
    return value


def _parallel(record: Mapping[str, Any]) -> bool:
    value = record.get("parallel", False)
    word = str(value).strip().lower()
    if word not in (*_YES, *_NO):
        raise _Wrong("parallel", "must be true or false: whether this amount comes on top of others of the same days")
    return word in _YES


def _evidence(record: Mapping[str, Any]) -> str:
    """The SHA-256 of the file that backs a record; names of files that came along are hashes by now."""
    value, stated = record.get("evidence", ""), record.get("evidence_sha256", "")
    for name, text in (("evidence", value), ("evidence_sha256", stated)):
        if not isinstance(text, str) or (text and not HASH.fullmatch(text)):
            if name == "evidence":
                raise _Wrong(
                    name, "no file of this name came along: send it too, or write its SHA-256 in 64 hex digits"
                )
            raise _Wrong(name, "must be the file's SHA-256 in 64 hex digits")
    if value and stated and value != stated:
        raise _Wrong("evidence_sha256", f"the file's SHA-256 is {value}: it was changed, or is another file")
    return str(value or stated)


_READERS: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("id", _id),
    ("subject", _subject),
    ("days", _days),
    ("amount", _amount),
    ("note", _note),
    ("supersedes", _supersedes),
    ("parallel", _parallel),
    ("evidence", _evidence),
)


def _unit(record: Mapping[str, Any], enterprise: Enterprise, kind: str, subject: str) -> str:
    """The unit, after the subject has been found in the registry."""
    accepted = units_of(enterprise, kind, subject)
    value = record.get("unit")
    if isinstance(value, str) and value not in accepted:
        value = UNIT_NAMES.get(value, value)
    if value not in accepted:
        raise _Wrong("unit", f"must be {' or '.join(accepted)} for {kind} {subject}")
    return str(value)


def units_of(enterprise: Enterprise, kind: str, subject: str) -> tuple[str, ...]:
    """The units in which amounts of a subject are taken, the usual one first."""
    if kind == "economic":
        if subject not in ECONOMIC_FIGURES:
            raise _Wrong(kind, f"must be {' or '.join(ECONOMIC_FIGURES)}")
        return (ECONOMIC_UNIT,)
    if kind == "product":
        units = {product.id: product.unit for product in enterprise.products}
        if subject not in units:
            raise _Wrong(
                kind, f"{subject[:64]!r} is no product of the registry; known are {', '.join(units) or 'none'}"
            )
        return (units[subject],)
    if kind in ("bill", "reading"):
        return _units_of_point(enterprise, kind, subject)
    source = enterprise.source(subject)
    by_records = [own.id for own in enterprise.sources if own.records]
    if source is None:
        raise _Wrong(
            kind, f"{subject[:64]!r} is no source of the registry; by records come {', '.join(by_records) or 'none'}"
        )
    if not source.records:
        raise _Wrong(kind, f"{subject} is fed by meters; by records come {', '.join(by_records) or 'none'}")
    # Records of one day are summed: m3 and Nm3 cannot be, so a source takes those that go with its own unit.
    known = ACTIVITIES[source.activity].units
    own = read_unit(source.unit if source.unit in known else known[0])
    return tuple(unit for unit in known if read_unit(unit).dimensions == own.dimensions)


def _units_of_point(enterprise: Enterprise, kind: str, subject: str) -> tuple[str, ...]:
    """A bill is about what went through a point, a hand reading about what its counter shows."""
    points = {f"{point.device}.{point.id}": point for point in enterprise.every_point()}
    if kind == "reading":
        points = {name: own for name, own in points.items() if own.device != DERIVED}
    point = points.get(subject)
    if point is None or len(subject) > MAX_SUBJECT:
        raise _Wrong(kind, f"{subject[:64]!r} is no point of the registry; known are {', '.join(points) or 'none'}")
    quantity = QUANTITIES[point.quantity]
    if quantity.usage_unit is None or (kind == "reading" and quantity.kind != "counter"):
        raise _Wrong(kind, f"{subject} is no counter" if kind == "reading" else f"{subject} cannot be billed")
    return (quantity.unit if kind == "reading" else quantity.usage_unit,)
