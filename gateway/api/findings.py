"""Findings one by one: what was decided about them, and taking note of them or opening them again with a reason."""

from __future__ import annotations

import msgspec
from flask import Blueprint, request

from gateway.accounts.findings import FindingHistory, FindingRefused, decide, history_of
from gateway.api.auth import READERS, allowed, caller, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.api.queries import NoQuery
from gateway.store.findings_repository import Status

blueprint = Blueprint("findings", __name__, url_prefix="/api/v1/enterprises")
TAGS = ("findings",)
DECIDERS = ("enterprise", "park", "admin")
MAX_BODY_BYTES = 16 * 1024
REFUSALS = {"HTTP_409": ProblemDocument, "HTTP_422": ProblemDocument}  # beside what every call can answer


class _Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a decision."""

    reason: str


@blueprint.get("/<enterprise>/findings/<int:finding>")
@allowed(*READERS)
@SPEC.validate(resp=answers(FindingHistory), tags=TAGS)
def show_finding(enterprise: str, finding: int, query: NoQuery) -> FindingHistory:
    """A finding, and who decided what about it, when and why."""
    history = history_of(parts().engine, enterprise_or_404(enterprise).id, finding)
    if history is None:
        raise ApiProblem(404, "unknown-finding", f"There is no finding {finding} of this enterprise.")
    return history


@blueprint.post("/<enterprise>/findings/<int:finding>/acknowledge")
@allowed(*DECIDERS)
@SPEC.validate(resp=answers(FindingHistory, **REFUSALS), tags=TAGS)
def acknowledge_finding(enterprise: str, finding: int) -> FindingHistory:
    """Take note of a finding with {"reason"}: it is no longer open unless its values change. Errors need the park."""
    return _decided(enterprise, finding, "acknowledged")


@blueprint.post("/<enterprise>/findings/<int:finding>/reopen")
@allowed(*DECIDERS)
@SPEC.validate(resp=answers(FindingHistory, **REFUSALS), tags=TAGS)
def reopen_finding(enterprise: str, finding: int) -> FindingHistory:
    """Open an acknowledged finding again with {"reason"}."""
    return _decided(enterprise, finding, "open")


def _decided(enterprise: str, finding: int, status: Status) -> FindingHistory:
    known, principal = enterprise_or_404(enterprise), caller()
    try:
        return decide(
            parts().engine,
            parts().registry(),
            known.id,
            finding,
            status,
            role=principal.role,
            by=f"{principal.role} {principal.subject}".strip(),
            why=_reason(),
            now_ms=parts().clock(),
        )
    except FindingRefused as refused:
        raise ApiProblem(refused.status, refused.code, str(refused)) from refused


def _reason() -> str:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise ApiProblem(400, "bad-body", "A reason is one sentence.")
    try:
        return msgspec.json.decode(request.get_data(), type=_Reason).reason
    except msgspec.MsgspecError as error:
        raise ApiProblem(400, "bad-body", f'The body must be {{"reason": "…"}}: {error}.') from error
