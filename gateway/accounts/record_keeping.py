"""Activity records into the store: all of a request or none, beside those that are there already.

What stays true:
- The id stands for one content. The same again is a duplicate and changes nothing.
- Two records of one subject do not cover the same day, unless the later one says that it comes on top (`parallel`) or
  corrects the other one (`supersedes`): a purchase that is booked twice looks just like an overlap.
- A correction is of the same subject, and a record is corrected once; to correct again, correct the correction.
- The file that a record names as its evidence is there before the record is.
- The days of a new record, and of the one it corrects, are booked anew at the next roll-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from sqlalchemy import Connection, Engine, select

from gateway.accounts.activity_records import Checked, RecordError
from gateway.accounts.periods import months_after
from gateway.store.database import take_turns, writing
from gateway.store.dirty_days_repository import DirtyDaysRepository, SourceDay
from gateway.store.records_repository import ActivityRecord, Outcome, RecordKind, RecordsRepository, StoredRecord
from gateway.store.schema import activity_records, evidence_files

NEW_DATA = "late-data"
CORRECTED = "operator"  # reason of the entries that a correction takes back

Placed = tuple[int, Checked]  # place in the request
Subject = tuple[RecordKind, str]


class RecordConflict(Exception):
    """Records that do not go with what is stored; carries each error."""

    def __init__(self, errors: list[RecordError]) -> None:
        super().__init__(f"{len(errors)} records do not go with those that are stored")
        self.errors = errors


def keep_records(engine: Engine, records: Sequence[Checked], now_ms: int) -> list[Outcome]:
    """Store records and mark the days they bear on, in one transaction: all of them or, on a conflict, none.

    A record of a source marks its days under the source. Output and economic figures change no entry but ratings; they
    mark one day of each month they cover under the empty source, so that the month is rated again. Bills and hand
    readings change nothing at all; their mark lets them be compared with what was metered.
    """
    with writing(engine) as connection:
        take_turns(connection, activity_records)
        repository = RecordsRepository(connection)
        before = repository.get(_enterprise(records), [own.record.supersedes for own in records])
        outcomes = repository.add([own.record for own in records], now_ms)
        new = [(place, own) for place, own in enumerate(records) if outcomes[place] == "stored"]
        errors = [
            _error(place, own, "id", "stands for another content already: send a correction under a new id")
            for place, own in enumerate(records)
            if outcomes[place] == "conflict"
        ]
        errors += _wrong_corrections(new, {**before, **_named_in_request(records)})
        errors += _missing_evidence(connection, new)
        errors = errors or list(_overlaps(repository, new))
        if errors:
            raise RecordConflict(errors)
        dirty = DirtyDaysRepository(connection)
        corrected = {mark for _, own in new if own.record.supersedes for mark in _marks(own.record)}
        corrected |= {
            mark
            for _, own in new
            if own.record.supersedes in before
            for mark in _marks(before[own.record.supersedes].record)
        }
        added = {mark for _, own in new for mark in _marks(own.record)} - corrected
        for days, reason in ((added, NEW_DATA), (corrected, CORRECTED)):
            if days:
                dirty.mark(days, reason)
        return outcomes


def _enterprise(records: Sequence[Checked]) -> str:
    return records[0].record.enterprise if records else ""


def _named_in_request(records: Sequence[Checked]) -> dict[str, StoredRecord]:
    """A request may hold a record and its correction."""
    superseded = {own.record.supersedes: own.record.record_id for own in records if own.record.supersedes}
    return {
        own.record.record_id: StoredRecord(own.record, 0, "") for own in records if own.record.record_id in superseded
    }


def _error(place: int, own: Checked, field: str, message: str) -> RecordError:
    return RecordError(place, own.record.record_id, field, message)


def _wrong_corrections(new: Sequence[Placed], known: dict[str, StoredRecord]) -> Iterator[RecordError]:
    taken: dict[str, str] = {}
    for place, own in new:
        name = own.record.supersedes
        if not name:
            continue
        other = known.get(name)
        newer = taken.setdefault(name, own.record.record_id)
        if other is None:
            yield _error(place, own, "supersedes", f"there is no record {name} to correct")
        elif (other.record.kind, other.record.subject) != (own.record.kind, own.record.subject):
            yield _error(place, own, "supersedes", f"{name} is of {other.record.subject}: correct it with one of that")
        elif other.superseded_by or newer != own.record.record_id:
            by = other.superseded_by or newer
            yield _error(place, own, "supersedes", f"{name} was corrected by {by} already: correct that one")


def _missing_evidence(connection: Connection, new: Sequence[Placed]) -> Iterator[RecordError]:
    wanted = sorted({own.record.evidence for _, own in new if own.record.evidence})
    if not wanted:
        return
    table = evidence_files.c
    enterprise = new[0][1].record.enterprise
    query = select(table.sha256).where(table.enterprise == enterprise, table.sha256.in_(wanted))
    there = set(connection.execute(query).scalars())
    for place, own in new:
        if own.record.evidence and own.record.evidence not in there:
            message = "no such file is stored: send it along, or first to …/evidence/{sha256}"
            yield _error(place, own, "evidence", message)


def _overlaps(repository: RecordsRepository, new: Sequence[Placed]) -> Iterator[RecordError]:
    """New records that cover a day of another one that counts."""
    by_subject: dict[Subject, dict[str, Placed]] = {}
    for place, own in new:
        key = own.record.kind, own.record.subject
        by_subject.setdefault(key, {})[own.record.record_id] = (place, own)
    for (kind, subject), own_new in by_subject.items():
        records = [own.record for _, own in own_new.values()]
        span = min(one.start_day for one in records), max(one.end_day for one in records)
        standing = repository.overlapping(records[0].enterprise, subject, *span, kind)
        for record, other in _pairs(standing, own_new):
            place, own = own_new[record.record_id]
            message = (
                f"covers days of {other.record_id} too ({other.start_day} to {other.end_day}): if it corrects that "
                f"one, write supersedes: {other.record_id}; if both are right, parallel: true"
            )
            yield _error(place, own, "from", message)


def _pairs(
    standing: Sequence[ActivityRecord], new: dict[str, Placed]
) -> Iterator[tuple[ActivityRecord, ActivityRecord]]:
    """(new record that does not say it is parallel, another one that it overlaps); each new one at most once.

    `standing` is in the order of first days, so what reaches furthest of those before is overlapped if any is.
    """

    def strict(record: ActivityRecord) -> bool:
        return record.record_id in new and not new[record.record_id][1].parallel

    furthest: ActivityRecord | None = None  # of all before
    furthest_strict: ActivityRecord | None = None  # of the new ones among them that stand alone
    reported: set[str] = set()
    for record in standing:
        if strict(record) and furthest is not None and furthest.end_day > record.start_day:
            reported.add(record.record_id)
            yield record, furthest
        elif (
            furthest_strict is not None
            and furthest_strict.end_day > record.start_day
            and furthest_strict.record_id not in reported
            and not _is_parallel(record, new)
        ):
            reported.add(furthest_strict.record_id)
            yield furthest_strict, record
        furthest = _further(furthest, record)
        if strict(record):
            furthest_strict = _further(furthest_strict, record)


def _is_parallel(record: ActivityRecord, new: dict[str, Placed]) -> bool:
    return record.record_id in new and new[record.record_id][1].parallel


def _further(first: ActivityRecord | None, second: ActivityRecord) -> ActivityRecord:
    return second if first is None or second.end_day > first.end_day else first


def _marks(record: ActivityRecord) -> Iterator[SourceDay]:
    day: date = record.start_day
    while day < record.end_day:
        yield record.enterprise, record.subject if record.kind == "source" else "", day
        day = day + timedelta(days=1) if record.kind == "source" else months_after(day.replace(day=1), 1)
