"""The files that back activity records: kept under the SHA-256 of their bytes, given back only as they came.

A file is named by its hash when it is sent, so that one which was changed on its way is refused. Who may see an
enterprise's invoices: itself, its park and the administrator; not the platforms that pull its account.
"""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from gateway.accounts.documents import instant
from gateway.api.auth import allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.api.queries import EvidenceQuery, NoQuery
from gateway.store.evidence_store import HASH, EvidenceFile, EvidenceRefused

blueprint = Blueprint("evidence", __name__, url_prefix="/api/v1/enterprises")
TAGS = ("records",)


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    name: str
    size_bytes: int
    received_at: str


class EvidencePage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[EvidenceDocument]
    next: str | None = None


@blueprint.post("/<enterprise>/evidence/<sha256>")
@allowed("enterprise", "platform", "admin")
@SPEC.validate(
    resp=answers(EvidenceDocument, HTTP_400=ProblemDocument, HTTP_413=ProblemDocument, HTTP_422=ProblemDocument),
    tags=TAGS,
)
def put_evidence(enterprise: str, sha256: str, query: EvidenceQuery) -> EvidenceDocument:
    """Keep the body as a file; refused if its SHA-256 is another one. The same again changes nothing."""
    known = enterprise_or_404(enterprise)
    try:
        stored = parts().evidence.put(known.id, request.get_data(), query.name, parts().clock(), stated=_hash(sha256))
    except EvidenceRefused as refused:
        raise ApiProblem(422, "evidence-refused", f"Nothing was kept: {refused}.") from refused
    return _document(stored)


@blueprint.get("/<enterprise>/evidence")
@allowed("enterprise", "park", "admin")
@SPEC.validate(resp=answers(EvidencePage), tags=TAGS)
def list_evidence(enterprise: str, query: NoQuery) -> EvidencePage:
    """The files of an enterprise, in the order they came."""
    files = parts().evidence.all(enterprise_or_404(enterprise).id)
    return EvidencePage(items=[_document(file) for file in files.values()])


@blueprint.get("/<enterprise>/evidence/<sha256>")
@allowed("enterprise", "park", "admin")
@SPEC.validate(resp=answers(None, HTTP_400=ProblemDocument), tags=TAGS)
def get_evidence(enterprise: str, sha256: str, query: NoQuery) -> Response:
    """A file with the bytes that were sent."""
    known = enterprise_or_404(enterprise)
    found = parts().evidence.read(known.id, _hash(sha256))
    if found is None:
        raise ApiProblem(404, "unknown-evidence", f"{known.id} has sent no file with this SHA-256.")
    file, content = found
    return download(content, file.name, "application/octet-stream")


def download(content: bytes, name: str, media_type: str) -> Response:
    """A file to be saved, never to be shown or run by a browser."""
    answer = Response(content, content_type=media_type)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _hash(text: str) -> str:
    if not HASH.fullmatch(text):
        raise ApiProblem(400, "bad-hash", f"{text[:80]!r} is no SHA-256: write its 64 hex digits in lower case.")
    return text


def _document(file: EvidenceFile) -> EvidenceDocument:
    return EvidenceDocument(
        sha256=file.sha256,
        name=file.name,
        size_bytes=file.size_bytes,
        received_at=instant(file.received_at_ms),
    )
