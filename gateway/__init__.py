"""The gateway: accepts readings, keeps them, rolls them into accounts and ratings, serves people and platforms.

`create_app` makes its web side out of parts that the wiring hands in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from gateway.parts import Parts

__all__ = ["create_app"]


def create_app(parts: Parts) -> Flask:
    """API and pages as a WSGI application."""
    from gateway.web import assemble  # a plant's agent imports neither Flask nor SQL by naming this package

    return assemble(parts)
