"""One entry of the ledger: the way back from it to the registers it came from, and the way up to a signed root."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from gateway.accounts.explaining import Explanation
from gateway.accounts.proofs import NoRootYet, Proof
from gateway.api.auth import READERS, allowed, enterprise_or_404, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem
from gateway.api.queries import NoQuery, ProofQuery, day_of

blueprint = Blueprint("entries", __name__, url_prefix="/api/v1/entries")
TAGS = ("entries",)


@blueprint.get("/<entry>/explain")
@allowed(*READERS)
@SPEC.validate(resp=answers(Explanation), tags=TAGS)
def explain_entry(entry: str, query: NoQuery) -> Any:
    """The chain of causes: entry, factor with its source, hours, readings, and the register each comes from."""
    enterprise, seq = _place_of(entry)
    explained = parts().reader.explain(enterprise, seq)
    if explained is None:
        raise _unknown(entry)
    return explained


@blueprint.get("/<entry>/proof")
@allowed(*READERS)
@SPEC.validate(resp=answers(Proof), tags=TAGS)
def prove_entry(entry: str, query: ProofQuery) -> Proof:
    """The entry, and the hashes that lead from it to a signed root: what tools/check_proof.py takes."""
    enterprise, seq = _place_of(entry)
    try:
        proof = parts().reader.proof(enterprise, seq, None if query.root is None else day_of(query.root))
    except NoRootYet as none:
        raise ApiProblem(404, "no-root-yet", f"{none}.") from none
    if proof is None:
        raise _unknown(entry)
    return proof


def _place_of(entry: str) -> tuple[str, int]:
    """Enterprise and number of an entry's id, if the caller may see the enterprise."""
    enterprise, _, seq = entry.rpartition("-")
    known = enterprise_or_404(enterprise)
    if not (seq.isascii() and seq.isdigit() and len(seq) < 10):
        raise _unknown(entry)
    return known.id, int(seq)


def _unknown(entry: str) -> ApiProblem:
    return ApiProblem(404, "unknown-entry", f"There is no entry {entry[:80]!r}: an id is <enterprise>-<number>.")
