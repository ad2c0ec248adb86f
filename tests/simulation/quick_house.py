"""A gateway's house put together in a hundredth of the time: for worlds that start it anew after every crash.

What never changes within a process is made once: the knowledge of a configuration directory, and a relational database
of the newest schema, which is copied instead of migrated. Everything else is the product's own wiring.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway import wiring
from gateway.knowledge_files import load_knowledge
from gateway.settings import SHIPPED_CONFIG_DIR, Settings
from gateway.store import database

DATABASE = "tanmai.sqlite"

_DEFAULTS = cache(wiring.load_defaults)


@cache
def _knowledge(config_dir: str) -> Any:
    return load_knowledge(replace(Settings(), config_dir=config_dir))


@cache
def _empty_database() -> bytes:
    """A relational database of the newest schema."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / DATABASE
        database.open_database(f"sqlite:///{path}").dispose()
        return path.read_bytes()


def open_house(
    place: Path, open_timeseries: Callable[..., Any], config_dir: Path = SHIPPED_CONFIG_DIR, **settings: Any
) -> wiring.House:
    """A house on what is in this directory, which is made if need be."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / DATABASE).exists():
        (place / DATABASE).write_bytes(_empty_database())
    with (
        patch.object(database, "_migrate", lambda _connection: None),  # every database here began as the newest
        patch.object(wiring, "load_knowledge", lambda own: _knowledge(own.config_dir)),
        patch.object(wiring, "load_defaults", _DEFAULTS),
        patch.object(wiring, "open_timeseries", open_timeseries),
    ):
        chosen = {"data_dir": str(place), "mqtt_url": "off", "config_dir": str(config_dir)}
        return wiring.build(replace(Settings(), **chosen, **settings))
