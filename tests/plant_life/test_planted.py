"""The oracle sees what it should: each planted fault is caught.

Faults of the roll-up need a world of their own; what is altered in the books afterwards shows in one world's copy.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

from gateway.scheduler.changed_rules import ChangedRules
from gateway.scheduler.retention import Retention
from gateway.store.timeseries import ReadingColumns, TimeSeriesStore, UsageColumns
from gateway.webhooks import delivery
from tests.plant_life.machine import StoreOf
from tests.plant_life.oracle import check
from tests.plant_life.terms import Terms
from tests.plant_life.world import World

SEED = 3  # of the world that something is planted in
DAYS = 45  # so long it lives
KEEPS_ALL = Terms()
SEND = delivery._send


class LeakyStore:
    """A store that drops the last reading of every parcel."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self._store = store

    def append(self, readings: ReadingColumns) -> None:
        rows = slice(0, max(1, len(readings) - 1))
        self._store.append(ReadingColumns(*(getattr(readings, field.name)[rows] for field in fields(readings))))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _believed(*message: Any) -> None:
    """Takes every message for taken, whatever the receiver answered."""
    with suppress(delivery.NotTaken):
        SEND(*message)


def _new_hours_only(stored: UsageColumns, fresh: UsageColumns) -> UsageColumns:
    known = set(zip(stored.point_id.tolist(), stored.hour_ms.tolist(), strict=True))
    new = [pair not in known for pair in zip(fresh.point_id.tolist(), fresh.hour_ms.tolist(), strict=True)]
    return UsageColumns(*(getattr(fresh, field.name)[new] for field in fields(fresh)))


# What is planted -> (what is put in the place of what, the terms of a world that comes past it, what is said of it).
FAULTS = {
    "every figure is rounded down": (
        patch("gateway.carbon.emission.round_half_even", math.floor), KEEPS_ALL, "should be",
    ),
    "an hour that is known once stays": (
        patch("gateway.scheduler.usage_stage.difference", _new_hours_only), KEEPS_ALL, "booked .*, passed",
    ),
    "a new edition or method restates nothing": (
        patch.object(ChangedRules, "_mark", lambda *_: None), KEEPS_ALL, "should be|nothing passed|nothing is booked",
    ),
    "retention forgets what the hours after its horizon are judged by": (
        patch.object(Retention, "kept_from", lambda _self, _registry, points, at_ms: dict.fromkeys(points, at_ms)),
        Terms(raw_retention_days=40), "booked .*, passed",
    ),
    "a change counts as brought before it was taken": (
        patch("gateway.webhooks.delivery._send", _believed), KEEPS_ALL, "something is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_roll_up_that_breaks_its_word_is_caught(fault: str, directory: Path) -> None:
    planted, terms, words = FAULTS[fault]
    with planted:
        _assert_caught(directory, terms=terms, words=words)


def test_lost_readings_are_caught(directory: Path) -> None:
    _assert_caught(directory, lambda store: cast(TimeSeriesStore, LeakyStore(store)))


def _assert_caught(
    directory: Path, store_of: StoreOf = lambda store: store, terms: Terms = KEEPS_ALL, words: str = "."
) -> None:
    """By the oracle at the end, or by a platform on the way."""
    with (
        closing(World(SEED, directory, store_of=store_of, terms=terms, days=DAYS)) as world,
        pytest.raises(AssertionError, match=words),
    ):
        world.run()
        check(world)


# What is altered in the books -> (how, what the oracle says).
ALTERED = {
    "a gram of an entry": (
        "UPDATE ledger_entries SET emission_g = emission_g + 1 WHERE seq = (SELECT max(seq) FROM ledger_entries)",
        "should be",
    ),
    "a gram of a statement": (
        "UPDATE statements SET body = replace(body, '\"compliance_kg\":', '\"compliance_kg\":1') WHERE version = 1",
        "should be|is not what it was|is not that of the text",
    ),
    "a closed statement's signature": (
        "UPDATE statements SET signature = 'x' || signature WHERE status = 'closed'",
        "a closed statement is not what it was",
    ),
    "a version's predecessor": (
        "UPDATE statements SET predecessor = NULL WHERE version = 2",
        "not what it was|wrong predecessors",
    ),
    "which months a quarter is made of": (
        "UPDATE statements SET body = replace(body, '\"months\":[{', '\"months\":[{\"x\":1,') WHERE period LIKE '%-Q%'",
        "is not that of the text|is not what it was",
    ),
    "the feed": ("DELETE FROM changes WHERE seq = 5", "the change feed has a gap|does not tell"),
    "a colour": (
        "UPDATE ratings SET colour = CASE colour WHEN 'red' THEN 'green' ELSE 'red' END",
        "should be",
    ),
    "an entry that nothing is under": ("DELETE FROM ledger_entries WHERE seq = 7", "."),
}  # fmt: skip


def test_altered_books_are_caught(directory: Path) -> None:
    with closing(World(SEED, directory, terms=KEEPS_ALL, days=DAYS)) as world:
        world.run()
        assert check(world).colours > 0
        for words in ALTERED.values():
            with _altered(world.machine.database, words[0]), pytest.raises(AssertionError, match=words[1]):
                check(world)


@contextmanager
def _altered(database: Path, statement: str) -> Iterator[None]:
    """The books with something changed behind the program's back, triggers and all; afterwards as they were."""
    kept = database.with_suffix(".kept")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute(f"VACUUM INTO '{kept}'")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount > 0
        connection.commit()
    yield
    with closing(sqlite3.connect(kept)) as source, closing(sqlite3.connect(database)) as target:
        source.backup(target)
    kept.unlink()
