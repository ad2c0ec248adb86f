"""Chinese and English. Chinese is the source language and stands in the templates; `translations/en.po` has English.

The catalogue is read from its text form at start, so there is nothing to compile and nothing that could be stale.
A test extracts every message and holds that English is complete.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, request
from flask_babel import Babel, Domain, get_locale

LANGUAGES = ("zh", "en")
COOKIE = "tanmai_language"
COOKIE_AGE_S = 365 * 24 * 3600
CATALOGUE = Path(__file__).parent / "translations" / "en.po"


class _TextDomain(Domain):  # type: ignore[misc]  # flask_babel has no types
    """Messages out of the catalogue's text form."""

    def __init__(self, catalogue: Path) -> None:
        super().__init__()
        with catalogue.open("rb") as file:
            messages = read_po(file, locale="en")
        compiled = io.BytesIO()
        write_mo(compiled, messages)
        compiled.seek(0)
        self._english = Translations(compiled)
        self._chinese = NullTranslations()

    def get_translations(self) -> NullTranslations:
        locale = get_locale()
        return self._english if locale is not None and locale.language == "en" else self._chinese


def install(app: Flask) -> None:
    """Choose the language of each request: the one asked for now, the one kept, the browser's, Chinese."""
    babel = Babel(app, default_locale="zh", locale_selector=language_of_request)
    babel.domain_instance = _TextDomain(CATALOGUE)  # in place of a domain that looks for compiled files
    app.after_request(_keep)


def language_of_request() -> str:
    for wanted in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return wanted
    return request.accept_languages.best_match(LANGUAGES) or "zh"


def _keep(response: Response) -> Response:
    """Remember a language that was asked for by the switch."""
    if request.args.get("lang") in LANGUAGES and not request.path.startswith("/api/"):
        response.set_cookie(
            COOKIE, request.args["lang"], max_age=COOKIE_AGE_S, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return response
