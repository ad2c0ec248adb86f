"""Activity records: what business systems know and meters do not (output, purchases, economic figures).

Sending the same record again is fine (`duplicate`). All records of a request are kept or none is: the answer to a
faulty one names every error of every record. A body is JSON, CSV, XLSX, or a form (multipart/form-data) with one of
these under `records` and the files that back them beside it, each under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from gateway.accounts.activity_records import MAX_RECORDS, RecordError, check_records
from gateway.accounts.record_files import RecordFile, UnreadableFile, read_records, with_evidence
from gateway.accounts.record_keeping import RecordConflict, keep_records
from gateway.accounts.record_lists import record_document
from gateway.accounts.record_templates import template_of
from gateway.api.auth import allowed, enterprise_or_404, parts
from gateway.api.evidence import download
from gateway.api.openapi import SPEC, answers
from gateway.api.paging import limit_of
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.api.queries import RecordsQuery, TemplateQuery, period_of
from gateway.store.evidence_store import EvidenceRefused
from gateway.store.records_repository import RecordsRepository

blueprint = Blueprint("records", __name__, url_prefix="/api/v1/enterprises")

MAX_BODY_BYTES = 8 * 1024 * 1024  # of records; files of evidence have their own limit
MAX_ERRORS = 1_000  # listed in one answer
RECORDS_PART = "records"  # of a form
# media type -> ending of a file in that form
FORMS = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


class RecordOutcome(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    outcome: str  # stored | duplicate


class RecordsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    stored: int
    duplicates: int
    items: list[RecordOutcome]
    left_out: list[str] = []  # rows of a table that have no amount


class RecordPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[dict[str, Any]]
    next: str | None = None


@blueprint.post("/<enterprise>/activity-records")
@allowed("enterprise", "platform", "admin")
@SPEC.validate(
    resp=answers(
        RecordsAnswer,
        HTTP_400=ProblemDocument,
        HTTP_409=ProblemDocument,
        HTTP_413=ProblemDocument,
        HTTP_422=ProblemDocument,
    ),
    tags=("records",),
)
def add_records(enterprise: str) -> RecordsAnswer:
    """Keep a list of records, each {id, one of the kinds, from, to (exclusive), amount, unit, note}."""
    known = enterprise_or_404(enterprise)
    file, sent = _body()
    file = with_evidence(file, sent)
    records, errors = check_records(file.records, known)
    if errors or file.faults:
        count = len(errors) + len(file.faults)
        faults = [{"place": place, "id": "", "field": "", "message": message} for place, message in file.faults]
        raise ApiProblem(
            422,
            "faulty-records",
            f"Nothing was kept: {count} errors, listed by record.",
            errors=[*faults, *_listed(file, errors)][:MAX_ERRORS],
        )
    now_ms = parts().clock()
    try:
        for name, content in sent.items():
            parts().evidence.put(known.id, content, name, now_ms)
        outcomes = keep_records(parts().engine, records, now_ms)
    except EvidenceRefused as refused:
        raise ApiProblem(422, "evidence-refused", f"Nothing was kept: {refused}.") from refused
    except RecordConflict as conflict:
        raise ApiProblem(
            409, "conflicting-records", f"Nothing was kept: {conflict}.", errors=_listed(file, conflict.errors)
        ) from conflict
    return RecordsAnswer(
        stored=outcomes.count("stored"),
        duplicates=outcomes.count("duplicate"),
        items=[
            RecordOutcome(id=own.record.record_id, outcome=outcome)
            for own, outcome in zip(records, outcomes, strict=True)
        ],
        left_out=file.left_out,
    )


@blueprint.get("/<enterprise>/activity-records")
@allowed("enterprise", "platform", "park", "admin")
@SPEC.validate(resp=answers(RecordPage, HTTP_400=ProblemDocument), tags=("records",))
def list_records(enterprise: str, query: RecordsQuery) -> RecordPage:
    """Records in the order of their first days, corrected ones too; `superseded_by` is empty while one counts."""
    known = enterprise_or_404(enterprise)
    limit = limit_of(query.limit)
    period = None if query.period is None else period_of(query.period)
    found = RecordsRepository(parts().engine).page(
        known.id,
        subject=query.subject,
        days=None if period is None else (period.start, period.end),
        after=_after(query.cursor),
        limit=limit + 1,
    )
    last = found[limit - 1].record if len(found) > limit else None
    following = None if last is None else f"{last.start_day.isoformat()}~{last.record_id}"
    return RecordPage(items=[record_document(one) for one in found[:limit]], next=following)


@blueprint.get("/<enterprise>/activity-records/template")
@allowed("enterprise", "platform", "park", "admin")
@SPEC.validate(resp=answers(None, HTTP_400=ProblemDocument), tags=("records",))
def records_template(enterprise: str, query: TemplateQuery) -> Response:
    """A file to fill in, made from the registry: `period=`, `form=` csv or xlsx."""
    made = template_of(enterprise_or_404(enterprise), period_of(query.period), query.form)
    return download(made.content, made.name, made.media_type)


def _after(cursor: str | None) -> tuple[str, str]:
    """(first day, id) of the last record seen."""
    if cursor is None:
        return "", ""
    day, sign, record_id = cursor.partition("~")
    if not sign:
        raise ApiProblem(400, "bad-parameter", "cursor must be the `next` of the page before.")
    return day, record_id


def _body() -> tuple[RecordFile, dict[str, bytes]]:
    """The records, and the files that came with them by name."""
    if request.mimetype == "multipart/form-data":
        return _form()
    ending = FORMS.get(request.mimetype, "json")  # a list of records needs no media type
    return _records(request.get_data(), f"body.{ending}"), {}


def _form() -> tuple[RecordFile, dict[str, bytes]]:
    sent: dict[str, bytes] = {}
    records: RecordFile | None = None
    text = request.form.get(RECORDS_PART)
    if text is not None:
        records = _records(text.encode(), "records.json")
    for part, file in request.files.items(multi=True):
        content = file.read()
        if part == RECORDS_PART and records is None:
            name = file.filename or f"records.{FORMS.get(file.mimetype, 'json')}"
            records = _records(content, name)
        elif len(sent) < MAX_RECORDS:
            sent[file.filename or part] = content
    if records is None:
        raise ApiProblem(400, "bad-body", f"The form has no part `{RECORDS_PART}` with the records.")
    return records, sent


def _records(content: bytes, name: str) -> RecordFile:
    if len(content) > MAX_BODY_BYTES:
        raise ApiProblem(413, "too-large", f"Send at most {MAX_BODY_BYTES // 2**20} MiB of records at once.")
    try:
        file = read_records(content, name)
    except UnreadableFile as error:
        raise ApiProblem(400, "bad-body", f"The body must be records: {error}.") from error
    if not file.records and not file.faults:
        raise ApiProblem(400, "bad-body", "The body must hold at least one record.")
    if len(file.records) > MAX_RECORDS:
        raise ApiProblem(413, "too-large", f"Send at most {MAX_RECORDS:,} records at once.")
    return file


def _listed(file: RecordFile, errors: Sequence[RecordError]) -> list[dict[str, Any]]:
    return [
        {
            "index": own.index,
            "place": file.places[own.index],
            "id": own.id,
            "field": own.field,
            "message": own.message,
        }
        for own in errors[:MAX_ERRORS]
    ]
