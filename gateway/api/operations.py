"""Admin's operations: what the command line does beside a running server goes through here.

`POST /api/v1/operations/<name>` with a JSON object of arguments answers the operation's JSON object.
"""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, request

from collectors.errors import ConfigurationError
from gateway.api.auth import allowed, parts
from gateway.api.openapi import SPEC, answers
from gateway.api.problem import ApiProblem, ProblemDocument
from gateway.control import OperationFailed

blueprint = Blueprint("operations", __name__, url_prefix="/api/v1/operations")
TAGS = ("operations",)


class OperationItem(msgspec.Struct, frozen=True, kw_only=True):
    name: str


class OperationPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[OperationItem]
    next: str | None = None


@blueprint.get("")
@allowed("admin")
@SPEC.validate(resp=answers(OperationPage), tags=TAGS)
def list_operations() -> OperationPage:
    """The operations there are."""
    return OperationPage(items=[OperationItem(name=name) for name in sorted(parts().operations)])


@blueprint.post("/<name>")
@allowed("admin")
@SPEC.validate(resp=answers(dict[str, Any], HTTP_409=ProblemDocument, HTTP_422=ProblemDocument), tags=TAGS)
def run_operation(name: str) -> Any:
    """Run an operation with the arguments of the JSON object in the body."""
    operation = parts().operations.get(name)
    if operation is None:
        known = ", ".join(sorted(parts().operations))
        raise ApiProblem(
            404, "unknown-operation", f"There is no operation {name[:64]!r}. Known are: {known or 'none'}."
        )
    try:
        return operation(_arguments())
    except ConfigurationError as error:
        errors = [
            {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}
            for problem in error.problems
        ]
        raise ApiProblem(422, "refused", str(error), errors=errors) from error
    except OperationFailed as error:
        raise ApiProblem(409, "operation-failed", str(error), extra={"check_failed": error.check_failed}) from error


def _arguments() -> dict[str, Any]:
    body = request.get_data()
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except msgspec.MsgspecError as error:
        raise ApiProblem(400, "bad-body", f"The body must be a JSON object of arguments: {error}.") from error
