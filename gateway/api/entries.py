"""One entry of the ledger, and the way back from it to the registers it came from."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from gateway.accounts.explaining import Explanation
from gateway.api.auth import READERS, allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import NoQuery

blueprint = Blueprint("entries", __name__, url_prefix="/api/v1/entries")


@blueprint.get("/<entry>/explain")
@allowed(*READERS)
@SPEC.validate(resp=answers(Explanation), tags=("entries",))
def explain_entry(entry: str, query: NoQuery) -> Any:
    """The chain of causes: entry, factor with its source, hours, readings, and the register each comes from."""
    enterprise, _, seq = entry.rpartition("-")
    known = enterprise_or_404(enterprise)
    explained = (
        parts().reader.explain(known.id, int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 10 else None
    )
    if explained is None:
        raise ApiProblem(404, "unknown-entry", f"There is no entry {entry[:80]!r}: an id is <enterprise>-<number>.")
    return explained
