"""Activity records from business systems, checked against the registry before any of them is kept.

A record: {"id", "source" | "product" | "economic", "from", "to" (exclusive), "amount", "unit", "note"?}. All errors of
all records are found in one pass, each with the record's index, its id where it has one, and what would mend it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sqlalchemy import Engine

from gateway.accounts.periods import months_after
from gateway.carbon.activities import ACTIVITIES
from gateway.carbon.units import read_unit
from gateway.registry.model import Enterprise
from gateway.store.database import writing
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.records_repository import ActivityRecord, Outcome, RecordKind, RecordsRepository

MAX_RECORDS = 5_000  # of one request
MAX_DAYS = 1_100  # three years: a longer record is a slip
MAX_AMOUNT = 1_000_000_000_000  # millionths of it fit 64 bits
MAX_NOTE = 500
DIRTY_REASON = "late-data"
ECONOMIC_UNIT = "10k_cny"  # 万元
ECONOMIC_FIGURES = ("output_value", "added_value")

KINDS: tuple[RecordKind, ...] = ("source", "product", "economic")
_KEYS = frozenset({"id", *KINDS, "from", "to", "amount", "unit", "note"})
_ID = re.compile(r"[\w.:/+-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordError:
    """One thing wrong with one record."""

    index: int  # place in the list, from 0
    id: str  # "" where it has none
    field: str
    message: str


class RecordConflict(Exception):
    """An id that stands for another content already; carries each such record."""

    def __init__(self, errors: list[RecordError]) -> None:
        super().__init__(f"{len(errors)} records have an id that stands for another content already")
        self.errors = errors


def keep_records(engine: Engine, records: Sequence[ActivityRecord], now_ms: int) -> list[Outcome]:
    """Store records and mark the days they bear on, in one transaction: all of them or, on a conflict, none.

    A record of a source marks its days under the source. Output and economic figures change no entry but ratings; they
    mark one day of each month they cover under the empty source, so that the month is rated again.
    """
    with writing(engine) as connection:
        outcomes = RecordsRepository(connection).add(records, now_ms)
        pairs = list(zip(records, outcomes, strict=True))
        conflicts = [
            RecordError(
                index, record.record_id, "id", "stands for another content already: send a correction under a new id"
            )
            for index, (record, outcome) in enumerate(pairs)
            if outcome == "conflict"
        ]
        if conflicts:
            raise RecordConflict(conflicts)
        days = {mark for record, outcome in pairs if outcome == "stored" for mark in _marks(record)}
        if days:
            DirtyDaysRepository(connection).mark(days, DIRTY_REASON)
        return outcomes


def _marks(record: ActivityRecord) -> Iterator[tuple[str, str, date]]:
    day = record.start_day
    while day < record.end_day:
        yield record.enterprise, record.subject if record.kind == "source" else "", day
        day = day + timedelta(days=1) if record.kind == "source" else months_after(day.replace(day=1), 1)


class _Wrong(Exception):
    """Ends the check of one field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_records(records: Sequence[Any], enterprise: Enterprise) -> tuple[list[ActivityRecord], list[RecordError]]:
    """The records, and everything that is wrong with them; use the first only if the second is empty."""
    checked: list[ActivityRecord] = []
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


def _check(record: Mapping[str, Any], enterprise: Enterprise) -> tuple[ActivityRecord | None, list[tuple[str, str]]]:
    wrong = [
        (str(key)[:40], f"is no key of a record; known are {', '.join(sorted(_KEYS))}") for key in record.keys() - _KEYS
    ]
    values: dict[str, Any] = {}
    for name, read in (("id", _id), ("subject", _subject), ("days", _days), ("amount", _amount), ("note", _note)):
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
    fitting = ActivityRecord(
        enterprise.id, values["id"], kind, subject, start, end, values["amount"], values["unit"], values["note"]
    )
    return fitting, []


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


def _unit(record: Mapping[str, Any], enterprise: Enterprise, kind: str, subject: str) -> str:
    """The unit, after the subject has been found in the registry."""
    accepted = _units_of(enterprise, kind, subject)
    value = record.get("unit")
    if value not in accepted:
        raise _Wrong("unit", f"must be {' or '.join(accepted)} for {kind} {subject}")
    return str(value)


def _units_of(enterprise: Enterprise, kind: str, subject: str) -> tuple[str, ...]:
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
