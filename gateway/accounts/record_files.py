"""Activity records from a file: JSON (a list, or {"records": [...]}), CSV or XLSX with the same names as columns.

Only the form is read here; whether a record is right is `gateway.accounts.activity_records`' business. Every record
keeps the place it has in its file, so that errors of form and of sense are listed together, row by row. Rows of a
table without an amount, as in a template that nobody filled in there, are no records; they are counted and named.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.accounts.activity_records import COLUMNS, RecordError
from gateway.accounts.record_sheets import is_sheet, read_sheet
from gateway.store.evidence_store import sha256_of_bytes

Row = tuple[int, Sequence[str]]  # place in the file, cells as text


class UnreadableFile(ValueError):
    """A file that holds no records; the message says why."""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """Records as JSON values, with where each stands."""

    records: list[Any]
    places: list[str]  # of each record: "row 7", "record 3"
    faults: list[tuple[str, str]] = field(default_factory=list)  # (place, message) of rows that could not be read
    left_out: list[str] = field(default_factory=list)  # places of rows without an amount

    def placed(self, errors: Iterable[RecordError]) -> list[tuple[str, str]]:
        """(place with id and field, message) of every fault and error, for people."""
        lines = [(" ".join(filter(None, (self.places[one.index], one.id, one.field))), one.message) for one in errors]
        return [*self.faults, *lines]


def read_records(content: bytes, name: str) -> RecordFile:
    """A file's records by the ending of its name; raises UnreadableFile."""
    ending = name.rpartition(".")[2].lower()
    if ending not in READERS:
        raise UnreadableFile(f"{name}: must end in one of {', '.join(f'.{one}' for one in READERS)}")
    try:
        return READERS[ending](content)
    except UnreadableFile as error:
        raise UnreadableFile(f"{name}: {error}") from error


def with_evidence(file: RecordFile, sent: Mapping[str, bytes]) -> RecordFile:
    """Names of files that came along replaced by the SHA-256 of their bytes."""
    hashes = {name: sha256_of_bytes(content) for name, content in sent.items()}
    records = [
        {**record, "evidence": hashes.get(record["evidence"], record["evidence"])}
        if isinstance(record, dict) and isinstance(record.get("evidence"), str)
        else record
        for record in file.records
    ]
    return replace(file, records=records)


def _json(content: bytes) -> RecordFile:
    try:
        decoded = json.loads(_text(content), object_pairs_hook=_object, parse_constant=_no_number)
    except ValueError as error:
        raise UnreadableFile(f"is not JSON of records: {error}") from error
    records = decoded.get("records", decoded) if isinstance(decoded, dict) else decoded
    records = [records] if isinstance(records, dict) else records
    if not isinstance(records, list):
        raise UnreadableFile('must be a list of records, or {"records": [...]}')
    return RecordFile(records, [f"record {number}" for number in range(1, len(records) + 1)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice would be one figure silently instead of two (RFC 8259, clause 4, leaves it open)."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} stands twice in one object")
    return dict(pairs)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _csv(content: bytes) -> RecordFile:
    rows = csv.reader(io.StringIO(_text(content), newline=""))
    return _table([(rows.line_num, cells) for cells in rows])


def _xlsx(content: bytes) -> RecordFile:
    if not is_sheet(content):
        raise UnreadableFile("is no spreadsheet: save it as .xlsx")
    return _table(read_sheet(content))


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"cannot be read as UTF-8 text: {error}; save it as UTF-8") from error


def _table(rows: Sequence[Row]) -> RecordFile:
    """Rows under a header; the header must be right, or nothing of the table means anything."""
    filled = [(place, [cell.strip() for cell in cells]) for place, cells in rows if any(cell.strip() for cell in cells)]
    if not filled:
        raise UnreadableFile(f"is empty; its first line names columns out of {', '.join(COLUMNS)}")
    header = filled[0][1]
    unknown = [name for name in header if name not in COLUMNS]
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if unknown or twice:
        wrong = [f"unknown column {name!r}" for name in unknown] + [f"{name} stands twice" for name in twice]
        raise UnreadableFile(f"header: {'; '.join(wrong)}; known are {', '.join(COLUMNS)}")
    records: list[Any] = []
    places: list[str] = []
    faults: list[tuple[str, str]] = []
    left_out: list[str] = []
    for place, cells in filled[1:]:
        if len(cells) != len(header):
            faults.append((f"row {place}", f"has {len(cells)} cells, the header {len(header)}"))
            continue
        record: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        if "amount" not in record:
            left_out.append(" ".join(filter(None, (f"row {place}", record.get("id")))))
            continue
        records.append({**record, "amount": _number(record["amount"])})
        places.append(f"row {place}")
    return RecordFile(records, places, faults, left_out)


def _number(text: str) -> float | str:
    """Text that is no number stays as it is, and is refused with the record's other errors."""
    try:
        return float(text)
    except ValueError:
        return text


READERS: dict[str, Callable[[bytes], RecordFile]] = {"json": _json, "csv": _csv, "xlsx": _xlsx}
