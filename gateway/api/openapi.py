"""The API's description: OpenAPI 3.1 made by spectree out of the views' own types, and finished here.

spectree checks queries and bodies against msgspec types and writes the specification; its documentation pages load
scripts from a content delivery network, so they are off and `/docs` is a page of our own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_origin

import msgspec
from flask import current_app, request
from spectree import Response, SpecTree
from spectree.model_adapter import get_msgspec_model_adapter

from gateway.api.problem import PROBLEM_TYPE, ApiProblem, ProblemDocument

TITLE = "Tanmai API"
DESCRIPTION = (
    "Carbon accounts from meter to rating. Every list is `{items, next}`; every error is an RFC 9457 problem. "
    "Send `Authorization: Bearer <token>`; `tanmai token create` makes one."
)


def _refuse(_request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any) -> None:
    """A query or body that does not fit its type becomes a problem that names the field."""
    if error is not None:
        raise bad_parameter(error)


Q = TypeVar("Q")


def checked_query(model: type[Q]) -> Q:
    """The query as its type, for a view that spectree does not check."""
    try:
        return msgspec.convert(request.args.to_dict(), model, strict=False)
    except msgspec.ValidationError as error:
        raise bad_parameter(error) from error


def bad_parameter(error: Exception) -> ApiProblem:
    return ApiProblem(400, "bad-parameter", f"{error}. The parameters of each call stand in /docs.")


def _component(model: Any) -> str:
    """The name of a type in the document."""
    return "JsonObject" if get_origin(model) is dict else str(model.__name__)


SPEC = SpecTree(
    "flask",
    before=_refuse,
    validation_error_status=400,
    validation_error_model=ProblemDocument,
    naming_strategy=_component,
    nested_naming_strategy=lambda _parent, child: child,
    model_adapter=get_msgspec_model_adapter(),
    mode="strict",
    title=TITLE,
    description=DESCRIPTION,
    annotations=True,
    page_templates={},
)

_PROBLEMS = {f"HTTP_{status}": ProblemDocument for status in (401, 403, 404)}


def answers(model: Any, **others: Any) -> Response:
    """200 with this model, and the problems that any call can give."""
    return Response(HTTP_200=model, **_PROBLEMS, **others)


def describe_also(view: Callable[..., Any], kinds: Iterable[str]) -> None:
    """Say that a view's answer also comes as these media types, which have no schema of JSON."""
    vars(view)["also_as"] = tuple(kinds)


def specification(version: str) -> dict[str, Any]:
    """The whole document; needs an application context."""
    document: dict[str, Any] = copy.deepcopy(SPEC.spec)
    document["info"]["version"] = version
    document["security"] = [{"token": []}]
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if int(status) >= 400 and "application/json" in content:
                    content[PROBLEM_TYPE] = content.pop("application/json")
    for rule in current_app.url_map.iter_rules():
        view = current_app.view_functions[rule.endpoint]
        for kind in getattr(view, "also_as", ()):
            document["paths"][rule.rule]["get"]["responses"]["200"]["content"][kind] = {}
        own = getattr(view, "openapi", None)  # a view that brings its description
        for method in rule.methods & {"GET", "POST"} if own and rule.methods else ():
            document["paths"].setdefault(rule.rule, {})[method.lower()] = own
    return document
