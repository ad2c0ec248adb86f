"""Signing in and out: a token becomes a session.

The session cookie holds the token itself (signed, HttpOnly, SameSite=Lax), so a revoked token ends its sessions. Both
forms are taken only from our own pages.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from gateway.api.auth import SESSION_TOKEN, parts
from gateway.dashboard.frame import blueprint


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
