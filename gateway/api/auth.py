"""Who is calling, and what they may see.

A caller shows a bearer token, or, as a person with a browser, the session that the login page made out of one. The
session keeps the token itself in a signed, HttpOnly cookie and it is checked anew at every request, so revoking a
token ends its sessions at once. A session may only read: whatever changes something needs the token in the header, so
that no foreign page can make a browser do it.

Scopes: a device may only send readings; an enterprise sees itself; a park sees its enterprises; a platform sees the
enterprises that consented to it; an admin sees all. What a caller may not see answers like what does not exist: 404. A
call that is not for the caller's role at all answers 403.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request, session

from gateway.access import Principal, sees
from gateway.api.problem import ApiProblem
from gateway.parts import Parts
from gateway.registry.model import Enterprise, Park

P = ParamSpec("P")
R = TypeVar("R")

SESSION_TOKEN = "token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READERS = ("enterprise", "park", "platform", "admin")


def parts() -> Parts:
    """The parts of the app that serves this request."""
    held: Parts = current_app.extensions["tanmai"]
    return held


def install(app: Flask) -> None:
    """Find out before each request who is calling; `g.principal` is None for an anonymous caller."""

    @app.before_request
    def identify() -> None:
        g.principal = _of_bearer() if "Authorization" in request.headers else _of_session()


def _of_bearer() -> Principal | None:
    scheme, _, token = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorised("The Authorization header must be: Bearer <token>.")
    token = token.strip()
    if parts().is_control_token(token):
        return CONTROL
    principal = parts().authenticate(token)
    if principal is None:
        raise unauthorised("This token is not known, or it was revoked. `tanmai token create` makes a new one.")
    return principal


CONTROL = Principal(role="admin", subject="", token_id="")


def _of_session() -> Principal | None:
    token = session.get(SESSION_TOKEN)
    if token is None:
        return None
    principal = parts().authenticate(token)
    if principal is None:
        session.clear()
    return principal


def unauthorised(detail: str) -> ApiProblem:
    return ApiProblem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="tanmai"'})


def caller() -> Principal:
    """The caller; a problem for an anonymous one, and for a session that wants to change something."""
    principal: Principal | None = g.get("principal")
    if principal is None:
        raise unauthorised("Send a token: Authorization: Bearer <token>. `tanmai token create` makes one.")
    if "Authorization" not in request.headers and request.method not in SAFE_METHODS:
        raise ApiProblem(
            403, "session-may-only-read", "Send the token in the Authorization header to change something."
        )
    return principal


def allowed(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only these roles may make the call."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            principal = caller()
            if principal.role not in roles:
                raise ApiProblem(
                    403, "not-for-this-role", f"This call is for {', '.join(roles)}; the token is for {principal.role}."
                )
            return view(*args, **kwargs)

        return checked

    return decorate


# --- scopes ---------------------------------------------------------------------------------------------------------


def enterprise_or_404(enterprise_id: str) -> Enterprise:
    """The enterprise, if there is one and the caller may see it."""
    enterprise = parts().registry().enterprises.get(enterprise_id)
    if enterprise is None or not sees(caller(), enterprise):
        raise ApiProblem(
            404, "unknown-enterprise", f"There is no enterprise {enterprise_id!r} that this token may see."
        )
    return enterprise


def park_or_404(park_id: str) -> Park:
    """The park, if there is one and it is the caller's."""
    principal = caller()
    park = parts().registry().parks.get(park_id)
    if park is None or (principal.role == "park" and principal.subject != park_id):
        raise ApiProblem(404, "unknown-park", f"There is no park {park_id!r} that this token may see.")
    return park
