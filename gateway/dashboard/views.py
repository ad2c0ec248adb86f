"""The pages: park overview, enterprise account, device health, the way back of an entry, sign-in.

Server-rendered; scripts only draw charts. The session cookie holds the token (HttpOnly, SameSite=Lax, signed); forms
that change something are taken only from our own origin, and the policy lets a page load nothing from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, session, url_for
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from gateway.access import Principal
from gateway.accounts.periods import Period, parse_period
from gateway.api.auth import SESSION_TOKEN, park_or_404, parts, visible_enterprises
from gateway.api.auth import enterprise_or_404 as visible_enterprise
from gateway.api.openapi import specification
from gateway.dashboard import figures, words
from gateway.dashboard.pages import (
    daily_chart,
    health_summary,
    history_months,
    month_choices,
    monthly_chart,
    nothing_measured,
    source_names,
    sources_chart,
    stage_shares,
)
from gateway.registry.model import Enterprise, Park

blueprint = Blueprint(
    "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
)

ENTRIES_SHOWN = 20
FINDINGS_SHOWN = 30

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


# --- signing in -----------------------------------------------------------------------------------------------------


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Paste a token; a link /login#token=… does it by itself."""
    following = _own_path(request.args.get("next", ""))
    if request.method == "GET":
        return render_template("dashboard/login.html", next=following, wrong=False)
    _require_own_origin()
    token = request.form.get("token", "").strip()
    principal = parts().authenticate(token)
    if principal is None or principal.role == "device":
        return render_template("dashboard/login.html", next=following, wrong=True), 401
    session.clear()
    session[SESSION_TOKEN] = token
    session.permanent = True
    return redirect(following or url_for("dashboard.home"))


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    _require_own_origin()
    session.clear()
    return redirect(url_for("dashboard.login"))


def _require_own_origin() -> None:
    """Browsers say where a form comes from; another origin's is refused."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if site not in ("same-origin", "none") or (origin is not None and urlsplit(origin).netloc != request.host):
        abort(403)


def _own_path(target: str) -> str:
    """A path of this site, or "": never an address of another one."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if plain and not urlsplit(target).netloc else ""


# --- pages ----------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@page_for("park", "enterprise", "platform", "admin")
def home() -> ResponseReturnValue:
    """The page that fits the caller."""
    principal: Principal = g.principal
    if principal.role == "enterprise":
        return redirect(url_for("dashboard.enterprise", enterprise=principal.subject))
    own = _own_park()
    return redirect(url_for("dashboard.enterprises") if own is None else url_for("dashboard.park", park=own.id))


@blueprint.get("/parks/<park>")
@page_for("park", "admin")
def park(park: str) -> ResponseReturnValue:
    """Park overview."""
    known, now_ms = park_or_404(park), parts().clock()
    members = [own for own in parts().registry().enterprises.values() if own.park == known.id]
    period, choices = _period(members, known.timezone)
    reader = parts().reader
    load = reader.load(known.id, now_ms)
    return render_template(
        "dashboard/park.html",
        park=reader.park_overview(known.id, period, now_ms),
        ranking=reader.ranking(known.id, period, now_ms),
        period=period.text,
        choices=choices,
        unofficial=any(not rating.official for rating in reader.ratings([own.id for own in members], period).values()),
        load={
            "start_ms": load.start_ms,
            "step_ms": load.step_ms,
            "series": [{"zh": own.zh, "en": own.en, "power_kw": own.power_kw} for own in load.series],
            "timezone": known.timezone,
            "address": url_for("parks.show_load", park=known.id),
            "nothing": nothing_measured(),
        },
    )


@blueprint.get("/enterprises")
@page_for("park", "platform", "admin")
def enterprises() -> ResponseReturnValue:
    """Every enterprise that the caller may see, worst first."""
    visible = list(visible_enterprises(parts().registry(), g.principal).values())
    timezone = parts().registry().park_of(visible[0].id).timezone if visible else "Asia/Shanghai"
    period, choices = _period(visible, timezone)
    ranking = parts().reader.board(visible, period, parts().clock())
    return render_template("dashboard/enterprises.html", ranking=ranking, period=period.text, choices=choices)


@blueprint.get("/enterprises/<enterprise>")
@page_for("park", "platform", "enterprise", "admin")
def enterprise(enterprise: str) -> ResponseReturnValue:
    """Enterprise account."""
    known, reader = visible_enterprise(enterprise), parts().reader
    timezone = parts().registry().park_of(known.id).timezone
    period, choices = _period([known], timezone)
    statement = reader.statement(known.id, period, parts().clock())
    if statement is None:
        abort(404)
    rating, names, months = reader.rating(known.id, period), source_names(known), history_months(period)
    before = request.args.get("before", type=int)
    entries = reader.newest_entries(known.id, period, before_seq=before, limit=ENTRIES_SHOWN + 1)
    older = entries[ENTRIES_SHOWN - 1].seq if len(entries) > ENTRIES_SHOWN else None
    return render_template(
        "dashboard/enterprise.html",
        enterprise=known,
        statement=statement,
        rating=rating,
        reasons=() if rating is None else rating.reasons.en if words.is_english() else rating.reasons.zh,
        period=period.text,
        choices=choices,
        timezone=timezone,
        stage_shares=stage_shares(statement),
        source_names=names,
        charts={
            "sources": sources_chart(statement, names),
            "monthly": monthly_chart(months, reader.history(known.id, months)),
            "daily": daily_chart(period, reader.daily(known.id, period)),
        },
        entries=entries[:ENTRIES_SHOWN],
        more_entries=older
        and url_for(".enterprise", enterprise=known.id, period=period.text, before=older, _anchor="entries"),
        findings=reader.open_findings(known.id, period, limit=FINDINGS_SHOWN),
    )


@blueprint.get("/devices")
@page_for("park", "enterprise", "admin")
def devices_of_chosen() -> ResponseReturnValue:
    """The device page of the enterprise chosen, or of the first one."""
    visible = visible_enterprises(parts().registry(), g.principal)
    chosen = request.args.get("enterprise", "")
    if chosen not in visible and not visible:
        return redirect(url_for("dashboard.home"))
    return redirect(url_for("dashboard.devices", enterprise=chosen if chosen in visible else next(iter(visible))))


@blueprint.get("/enterprises/<enterprise>/devices")
@page_for("park", "enterprise", "admin")
def devices(enterprise: str) -> ResponseReturnValue:
    """Device health."""
    known = visible_enterprise(enterprise)
    health = parts().reader.device_health(known.id, parts().clock())
    return render_template(
        "dashboard/devices.html",
        enterprise=known,
        siblings=list(visible_enterprises(parts().registry(), g.principal).values()),
        health=health,
        findings=parts().reader.open_findings(known.id, None, limit=FINDINGS_SHOWN),
        timezone=parts().registry().park_of(known.id).timezone,
        **health_summary(health),
    )


@blueprint.get("/entries/<entry>")
@page_for("park", "platform", "enterprise", "admin")
def entry(entry: str) -> ResponseReturnValue:
    """From an entry back to the registers."""
    enterprise_id, _dash, seq = entry.rpartition("-")
    known = visible_enterprise(enterprise_id)
    explained = (
        parts().reader.explain(known.id, int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 10 else None
    )
    if explained is None:
        abort(404)
    return render_template(
        "dashboard/entry.html",
        enterprise=known,
        explained=explained,
        source_names=source_names(known),
        timezone=parts().registry().park_of(known.id).timezone,
    )


@blueprint.get("/docs")
def docs() -> ResponseReturnValue:
    """The API's calls, out of its own description."""
    return render_template("dashboard/docs.html", document=specification(parts().version))


# --- inside ---------------------------------------------------------------------------------------------------------


def _period(enterprises: list[Enterprise], timezone: str) -> tuple[Period, list[str]]:
    """The month asked for, else the newest with a statement, else this one; and the months to choose from."""
    months = parts().reader.months(own.id for own in enterprises)
    current = parts().reader.current_month(timezone, parts().clock()).text
    asked = request.args.get("period")
    try:
        period = parse_period(asked if asked is not None else months[0] if months else current)
    except ValueError:
        abort(400)
    if period.kind != "month":
        abort(400)
    return period, month_choices(months, current, period.text)


def _own_park() -> Park | None:
    """The park that the caller's pages are about: its own, or an admin's first."""
    principal: Principal | None = g.get("principal")
    registry = parts().registry()
    if principal is None or principal.role not in ("park", "admin"):
        return None
    if principal.role == "park":
        return registry.parks.get(principal.subject)
    return next(iter(sorted(registry.parks.values(), key=lambda own: own.id)), None)


def _places() -> list[dict[str, Any]]:
    """The navigation of the caller."""
    principal: Principal = g.principal
    own, here = _own_park(), request.endpoint or ""
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


TOOLS: dict[str, Any] = {
    **{name: getattr(words, name) for name in ("word", "industry", "in_language", "activity", "letter", "first")},
    **{name: value for name, value in vars(words).items() if name.isupper()},
    **{name: getattr(figures, name) for name in ("number", "tonnes", "percent", "when", "ago", "gauge_place")},
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
