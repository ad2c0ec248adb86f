"""Operations on activity records: import files, list, make templates, keep and give evidence.

They stand in the table of `gateway.operations`. Bytes go as base64, because operations speak JSON.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from collectors.clock import now_ms
from gateway.accounts.activity_records import MAX_RECORDS, RecordError, check_records
from gateway.accounts.periods import Period, parse_period
from gateway.accounts.record_files import RecordFile, UnreadableFile, read_records, with_evidence
from gateway.accounts.record_keeping import RecordConflict, keep_records
from gateway.accounts.record_lists import record_document
from gateway.accounts.record_templates import template_of
from gateway.control import OperationFailed
from gateway.registry.model import Enterprise
from gateway.store.evidence_store import EvidenceRefused
from gateway.store.records_repository import RecordsRepository

if TYPE_CHECKING:
    from gateway.wiring import House

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

FORMS = ("csv", "xlsx")
MAX_LISTED = 10_000


def import_records(house: House, arguments: Arguments) -> Answer:
    """All records of a file (`name`, `content`), or of a list (`records`), with the files (`evidence`) behind them."""
    enterprise = _enterprise(house, arguments)
    sent = {str(name): _bytes(content) for name, content in dict(arguments.get("evidence") or {}).items()}
    file = with_evidence(_file(arguments), sent)
    if len(file.records) > MAX_RECORDS:
        raise OperationFailed(f"{len(file.records)} records are too many for one file: give at most {MAX_RECORDS}")
    records, errors = check_records(file.records, enterprise)
    if errors or file.faults:
        raise _refused(file, errors)
    try:
        named = {own.record.evidence for own in records}
        for name, content in sent.items():
            stored = house.evidence.put(enterprise.id, content, name, now_ms())
            if stored.sha256 not in named:
                raise OperationFailed(f"nothing was imported: no record names {name} as its evidence")
        outcomes = keep_records(house.engine, records, now_ms())
    except EvidenceRefused as error:
        raise OperationFailed(f"nothing was imported: {error}") from error
    except RecordConflict as conflict:
        raise _refused(file, conflict.errors) from conflict
    return {
        "added": outcomes.count("stored"),
        "unchanged": outcomes.count("duplicate"),
        "left_out": file.left_out,
    }


def _file(arguments: Arguments) -> RecordFile:
    given = arguments.get("records")
    if isinstance(given, list):
        return RecordFile(given, [f"record {number}" for number in range(1, len(given) + 1)])
    if not isinstance(arguments.get("content"), str):
        raise OperationFailed("records must be a list, or a file's name and content")
    try:
        return read_records(_bytes(arguments["content"]), str(arguments.get("name") or ""))
    except UnreadableFile as error:
        raise OperationFailed(f"nothing was imported: {error}") from error


def _refused(file: RecordFile, errors: list[RecordError]) -> OperationFailed:
    lines = [f"{place}: {message}" for place, message in file.placed(errors)]
    return OperationFailed("nothing was imported:\n" + "\n".join(lines))


def list_records(house: House, arguments: Arguments) -> Answer:
    """Records in the order of their days, superseded ones too."""
    enterprise = _enterprise(house, arguments)
    period = _period(arguments) if arguments.get("period") else None
    found = RecordsRepository(house.engine).page(
        enterprise.id,
        subject=str(arguments["subject"]) if arguments.get("subject") else None,
        days=None if period is None else (period.start, period.end),
        limit=MAX_LISTED,
    )
    return {"items": [record_document(one) for one in found]}


def template(house: House, arguments: Arguments) -> Answer:
    """A file to fill in, made from the registry."""
    form = arguments.get("form", FORMS[0])
    if form not in FORMS:
        raise OperationFailed(f"form must be one of {', '.join(FORMS)}")
    made = template_of(_enterprise(house, arguments), _period(arguments), form)
    return {"name": made.name, "content": base64.b64encode(made.content).decode()}


def put_evidence(house: House, arguments: Arguments) -> Answer:
    """Keep a file; refused if it is not what `sha256` says."""
    stated = arguments.get("sha256")
    try:
        stored = house.evidence.put(
            _enterprise(house, arguments).id,
            _bytes(arguments.get("content")),
            str(arguments.get("name") or ""),
            now_ms(),
            stated=None if stated is None else str(stated),
        )
    except EvidenceRefused as error:
        raise OperationFailed(f"nothing was stored: {error}") from error
    return {"sha256": stored.sha256, "name": stored.name, "size_bytes": stored.size_bytes}


def get_evidence(house: House, arguments: Arguments) -> Answer:
    digest = str(arguments.get("sha256") or "")
    found = house.evidence.read(_enterprise(house, arguments).id, digest)
    if found is None:
        raise OperationFailed(f"there is no evidence {digest[:64]!r} of this enterprise")
    file, content = found
    return {"name": file.name, "content": base64.b64encode(content).decode()}


def _enterprise(house: House, arguments: Arguments) -> Enterprise:
    name = arguments.get("enterprise")
    found = house.registry().enterprises.get(name) if isinstance(name, str) else None
    if found is None:
        raise OperationFailed(f"enterprise {name!r} is not registered; `tanmai registry show` lists those that are")
    return found


def _period(arguments: Arguments) -> Period:
    try:
        return parse_period(str(arguments.get("period") or ""))
    except ValueError as error:
        raise OperationFailed(str(error)) from error


def _bytes(content: Any) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise OperationFailed("content must be base64") from error
