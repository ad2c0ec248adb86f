"""What all pages share: the blueprint, who may see a page, the frame around it, the headers that guard it.

A page loads nothing from outside and stands in no foreign frame (POLICY); templates hold neither inline scripts nor
inline styles, so that the policy can be strict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, url_for
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from gateway.access import Principal
from gateway.api.auth import parts
from gateway.dashboard import figures, words
from gateway.registry.model import Park

blueprint = Blueprint(
    "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}

View = Callable[..., ResponseReturnValue]


def page_for(*roles: str) -> Callable[[View], View]:
    """A page that a person signed in with one of these roles may see; others sign in first."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(**values: str) -> ResponseReturnValue:
            principal: Principal | None = g.principal
            if principal is None:
                return redirect(url_for("dashboard.login", next=request.full_path.rstrip("?")))
            if principal.role not in roles:
                abort(403)
            return view(**values)

        return checked

    return decorate


def own_park() -> Park | None:
    """The park that the caller's pages are about: its own, or for an admin the one with most enterprises."""
    principal: Principal | None = g.get("principal")
    registry = parts().registry()
    if principal is None or principal.role not in ("park", "admin"):
        return None
    if principal.role == "park":
        return registry.parks.get(principal.subject)
    members = Counter(own.park for own in registry.enterprises.values())
    return min(registry.parks.values(), key=lambda own: (-members[own.id], own.id), default=None)


def _places() -> list[dict[str, Any]]:
    """The navigation of the caller."""
    principal: Principal = g.principal
    own, here = own_park(), request.endpoint or ""
    values = request.view_args or {}
    places: list[tuple[str, str, tuple[str, ...]]] = []
    if own is not None:
        park_id = values.get("park", own.id)
        places.append((_("园区"), url_for("dashboard.park", park=park_id), ("dashboard.park",)))
    account = ("dashboard.enterprises", "dashboard.enterprise", "dashboard.entry")
    if principal.role == "enterprise":
        places.append((_("账户"), url_for("dashboard.enterprise", enterprise=principal.subject), account))
    else:
        places.append((_("企业"), url_for("dashboard.enterprises"), account))
    if principal.role != "platform":
        chosen = values.get("enterprise")
        places.append((_("设备"), url_for("dashboard.devices_of_chosen", enterprise=chosen), ("dashboard.devices",)))
    return [{"title": title, "address": address, "here": here in ends} for title, address, ends in places]


def _viewer(principal: Principal) -> str:
    registry = parts().registry()
    role = words.word(words.ROLES, principal.role)
    if principal.role == "park" and principal.subject in registry.parks:
        name = registry.parks[principal.subject].name
    elif principal.role == "enterprise" and principal.subject in registry.enterprises:
        name = registry.enterprises[principal.subject].name
    else:
        return f"{role} {principal.subject}".strip()
    return name.en if words.is_english() else name.zh


_FIGURES = (
    *("number", "tonnes", "percent", "when", "last_day", "days_of", "ago"),
    *("gauge_place", "cut", "printed", "change", "COMPLETE"),
)
TOOLS: dict[str, Any] = {
    **{
        name: getattr(words, name)
        for name in ("word", "industry", "in_language", "activity", "letter", "first", "source_of", "term", "listed")
    },
    **{name: value for name, value in vars(words).items() if name.isupper()},
    **{name: getattr(figures, name) for name in _FIGURES},
    "colour_order": words.COLOURS,
}


@blueprint.record_once
def _tools(state: BlueprintSetupState) -> None:
    """What every template and macro may use, whoever asks."""
    state.app.jinja_env.globals.update(TOOLS)


@blueprint.app_context_processor
def _frame() -> dict[str, Any]:
    """The frame of a page: who is looking, where they may go, the other language."""
    principal: Principal | None = g.get("principal")
    english = words.is_english()
    return {
        "english": english,
        "viewer": None if principal is None else _viewer(principal),
        "places": [] if principal is None else _places(),
        "other_language": _address_in("zh" if english else "en"),
        "static": lambda name: url_for("dashboard.static", filename=name, v=parts().version),
    }


def _address_in(language: str) -> str:
    """This page in another language."""
    if not request.endpoint or request.method != "GET":
        return url_for("dashboard.home", lang=language)
    return url_for(request.endpoint, **{**request.args.to_dict(), **(request.view_args or {}), "lang": language})


def error_page(status: int, incident: str) -> Response:
    """The page for people when something cannot be shown; anonymous ones sign in first."""
    if status == 401:
        return make_response(redirect(url_for("dashboard.login")))
    return make_response(render_template("dashboard/error.html", status=status, incident=incident), status)


@blueprint.after_app_request
def _guard(response: Response) -> Response:
    """Headers of every answer; a page of ours loads nothing from elsewhere and stands in no foreign frame."""
    for name, value in PAGE_HEADERS.items():
        if name != "Cache-Control" or request.endpoint != "dashboard.static":
            response.headers.setdefault(name, value)
    return response
