"""The web side assembled: blueprints, errors, callers, languages, metrics. BLUEPRINTS is all there is to reach."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Flask, Response, request

from collectors.message_types import work_out_structs
from gateway.api import (
    accounts,
    adjustments,
    auth,
    changes,
    enterprises,
    entries,
    evidence,
    findings,
    operations,
    ops,
    parks,
    problem,
    products,
    records,
    roots,
)
from gateway.dashboard import frame, languages, signing_in, views
from gateway.parts import Parts

BLUEPRINTS: tuple[Blueprint, ...] = (
    parks.blueprint,
    enterprises.blueprint,
    products.blueprint,
    records.blueprint,
    evidence.blueprint,
    findings.blueprint,
    entries.blueprint,
    accounts.blueprint,
    adjustments.blueprint,
    changes.blueprint,
    roots.blueprint,
    operations.blueprint,
    ops.blueprint,
    frame.blueprint,
)

# The modules whose views are on the pages' blueprint.
PAGES = (signing_in, views)

MAX_BODY_BYTES = 64 * 2**20  # of any request; calls with a smaller limit check their own
SESSION_DAYS = 30
ETAG_BYTES = 512 * 1024  # larger answers are sent without one


def assemble(parts: Parts) -> Flask:
    """A new application around these parts."""
    app = Flask("gateway", static_folder=None)
    app.secret_key = parts.secret_key
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="tanmai_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=parts.secure_cookies,
        PERMANENT_SESSION_LIFETIME=timedelta(days=SESSION_DAYS),
    )
    app.extensions["tanmai"] = parts
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the order of their documents
    ops.install(app, parts)
    languages.install(app)
    auth.install(app)
    problem.install(app, frame.error_page)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    if parts.intake_blueprint is not None:
        app.register_blueprint(parts.intake_blueprint)
    app.after_request(_tag)
    work_out_structs()  # requests are served by several threads
    return app


def _tag(response: Response) -> Response:
    """An ETag for what the API answers to a GET, so that asking again for the same costs no body (RFC 9110, 13.1.2)."""
    plain = request.method == "GET" and request.path.startswith("/api/") and response.status_code == 200
    if plain and not response.is_streamed and (response.content_length or 0) <= ETAG_BYTES:
        response.add_etag()
        response.make_conditional(request)
    return response
