"""RFC 9457 problems: every error of the API is an `application/problem+json` that says what to do next.

A view raises `ApiProblem`; `install` turns it, Werkzeug's own errors (404, 405, 413 …) and unexpected exceptions into
problems for everything under MACHINE_PATHS. People's pages get an HTML page from the dashboard instead.
What stays true: an unexpected error never shows its text to the caller, only a number under which it is in the log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from collectors.errors import StoreUnavailable

PROBLEM_TYPE = "application/problem+json"
MACHINE_PATHS = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json")
RETRY_AFTER_S = 5

_log = structlog.get_logger(__name__)


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457, clause 3.1, with `errors` as our extension."""

    type: str  # urn:tanmai:problem:<name>
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[dict[str, Any]] = []


class ApiProblem(Exception):
    """Raised by a view: the request cannot be served, and why."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name  # dashed: unknown-enterprise
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})  # further members of the document


def problem_response(problem: ApiProblem) -> Response:
    """The problem on the wire."""
    document: dict[str, Any] = {
        "type": f"urn:tanmai:problem:{problem.name}",
        "title": problem.name.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
        **problem.extra,
    }
    if problem.errors:
        document["errors"] = problem.errors
    response = Response(msgspec.json.encode(document), problem.status, content_type=PROBLEM_TYPE)
    response.headers.update(problem.headers)
    return response


# What to do next, for the errors that Flask and Werkzeug raise by themselves.
_NEXT: dict[int, tuple[str, str]] = {
    400: ("bad-request", "The request could not be read."),
    404: ("not-found", "There is nothing at this address. The calls there are stand in /docs."),
    405: ("method-not-allowed", "This address does not take this method; the Allow header says which it takes."),
    413: ("too-large", "The body is too large: send it in smaller parts."),
    415: ("unsupported-media-type", "Send the body as application/json."),
}


def from_http_exception(error: HTTPException) -> ApiProblem:
    """A problem with the headers the error brings (Allow, Retry-After)."""
    status = error.code or 500
    name, detail = _NEXT.get(status, ("http-error", error.description or "The request failed."))
    headers = {key: value for key, value in error.get_headers(request.environ) if key.lower() not in ("content-type",)}
    return ApiProblem(status, name, detail, headers=headers)


def install(app: Flask, page: Callable[[int, str], Response]) -> None:
    """Answer all errors of the app; `page` makes the HTML page (status, incident) for people."""

    def wants_problem() -> bool:
        return request.path.startswith(MACHINE_PATHS)

    @app.errorhandler(ApiProblem)
    def on_problem(problem: ApiProblem) -> Response:
        return problem_response(problem) if wants_problem() else page(problem.status, "")

    @app.errorhandler(HTTPException)
    def on_http(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None or (error.code or 500) < 400:
            return error.get_response()  # a redirect, or a response that a view made itself
        return problem_response(from_http_exception(error)) if wants_problem() else page(error.code or 500, "")

    @app.errorhandler(StoreUnavailable)
    def on_store(error: StoreUnavailable) -> Response:
        _log.warning("store unavailable", path=request.path, error=str(error))
        if not wants_problem():
            return page(503, "")
        detail = "A store does not answer right now; try again in a few seconds."
        return problem_response(
            ApiProblem(503, "store-unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
        )

    @app.errorhandler(Exception)
    def on_unexpected(error: Exception) -> Response:
        incident = secrets.token_hex(4)
        _log.exception("unexpected error", path=request.path, incident=incident, exc_info=error)
        if not wants_problem():
            return page(500, incident)
        detail = f"Something failed on our side. The log has it under {incident}; please report that number."
        return problem_response(ApiProblem(500, "internal-error", detail, extra={"incident": incident}))
