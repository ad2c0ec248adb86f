"""Cursors: opaque text that says where the next page begins.

A list answers `{"items": […], "next": cursor or null}`. A cursor is the key of the last item, so a page costs the same
wherever it lies and new items never shift one; it holds nothing secret and is checked like any other input.
"""

from __future__ import annotations

from gateway.api.problem import ApiProblem

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000


def limit_of(limit: int | None, *, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
    """The page size asked for; a problem outside 1..most."""
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise ApiProblem(400, "bad-limit", f"limit must be 1 to {most}, not {limit}")
    return limit


def after_number(cursor: str | None) -> int:
    """The number after which the page begins; 0 for the first page."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ApiProblem(400, "bad-cursor", f"{cursor[:40]!r} is no cursor of this list: use the `next` of a page")
    return int(cursor)


def after_key(cursor: str | None) -> str:
    """The key after which the page begins; "" for the first page."""
    if cursor is None:
        return ""
    if not (cursor.isascii() and cursor.isalnum() and len(cursor) <= 64):
        raise ApiProblem(400, "bad-cursor", f"{cursor[:40]!r} is no cursor of this list: use the `next` of a page")
    return cursor
