"""Activity records: what business systems know and meters do not (output, purchases, economic figures).

Sending the same record again is fine (`duplicate`). All records of a request are kept or none is: the answer to a
faulty one names every error of every record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Blueprint, request

from gateway.accounts.activity_records import MAX_RECORDS, RecordConflict, RecordError, check_records, keep_records
from gateway.api.auth import allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem, ProblemDocument

blueprint = Blueprint("records", __name__, url_prefix="/api/v1/enterprises")

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_ERRORS = 1_000  # listed in one answer


class RecordOutcome(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    outcome: str  # stored | duplicate


class RecordsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    stored: int
    duplicates: int
    items: list[RecordOutcome]


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
    """Keep a list of records, each {id, source or product or economic, from, to (exclusive), amount, unit, note}."""
    known = enterprise_or_404(enterprise)
    records, errors = check_records(_records(), known)
    if errors:
        raise ApiProblem(
            422, "faulty-records", f"Nothing was kept: {len(errors)} errors, listed by record.", errors=_listed(errors)
        )
    try:
        outcomes = keep_records(parts().engine, records, parts().clock())
    except RecordConflict as conflict:
        raise ApiProblem(
            409, "conflicting-records", f"Nothing was kept: {conflict}.", errors=_listed(conflict.errors)
        ) from conflict
    return RecordsAnswer(
        stored=outcomes.count("stored"),
        duplicates=outcomes.count("duplicate"),
        items=[
            RecordOutcome(id=record.record_id, outcome=outcome)
            for record, outcome in zip(records, outcomes, strict=True)
        ],
    )


def _records() -> list[Any]:
    """The list in the body; a single object is a list of one."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise ApiProblem(413, "too-large", f"Send at most {MAX_BODY_BYTES // 2**20} MiB at once.")
    try:
        body = msgspec.json.decode(request.get_data())
    except msgspec.DecodeError as error:
        raise ApiProblem(400, "bad-body", f"The body must be a JSON list of records: {error}.") from error
    records = [body] if isinstance(body, dict) else body
    if not isinstance(records, list) or not records:
        raise ApiProblem(400, "bad-body", "The body must be a JSON list of at least one record.")
    if len(records) > MAX_RECORDS:
        raise ApiProblem(413, "too-large", f"Send at most {MAX_RECORDS:,} records at once.")
    return records


def _listed(errors: Sequence[RecordError]) -> list[dict[str, Any]]:
    return [
        {"index": own.index, "id": own.id, "field": own.field, "message": own.message} for own in errors[:MAX_ERRORS]
    ]
