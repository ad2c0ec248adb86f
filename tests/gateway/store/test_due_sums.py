"""Promises of the list of quarters and years that are due: marked with their months, in older databases too."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text

from gateway.store.canonical_json import sha256_of
from gateway.store.database import open_database, writing
from gateway.store.due_sums_repository import DueSumsRepository, sums_over
from gateway.store.revisions import MIGRATIONS
from gateway.store.statements_repository import StatementsRepository, StoredRating, StoredStatement, Written

PLANT, OTHER = "91350500M00000000Y", "91350500M00000000Z"


def put(engine: Engine, period: str, enterprise: str = PLANT) -> None:
    row = StoredStatement(enterprise, period, 1, "open", "{}", sha256_of("{}"), "", None, 10)
    StatementsRepository(engine).put_all([Written(row)], 10)


@pytest.mark.parametrize(
    ("month", "sums"),
    [
        ("2026-01", ("2026-Q1", "2026")),
        ("2026-03", ("2026-Q1", "2026")),
        ("2026-12", ("2026-Q4", "2026")),
        ("2026-Q1", ()),
        ("2026", ()),
    ],
)
def test_a_month_is_part_of_a_quarter_and_a_year(month: str, sums: tuple[str, ...]) -> None:
    assert sums_over(month) == sums


def test_whoever_writes_a_month_or_its_rating_marks_what_it_is_part_of(engine: Engine) -> None:
    due = DueSumsRepository(engine)
    put(engine, "2026-08")
    assert due.claim(9) == [(PLANT, "2026"), (PLANT, "2026-Q3")]
    due.clear(due.claim(9))
    put(engine, "2026-Q3")
    assert due.count() == 0
    rating = StoredRating(OTHER, "2026-10", 1, "green", "{}", 10)
    StatementsRepository(engine).put_all([Written(rating=rating)], 10)
    assert due.of_enterprise(OTHER) == {"2026", "2026-Q4"}
    assert due.claim(9, without={OTHER}) == []
    StatementsRepository(engine).freeze(PLANT, "2026-08", 1, "{}", "signed", 20)
    assert due.claim(1) == [(PLANT, "2026")] and due.count() == 4


def test_what_is_rolled_back_marks_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as connection:
        DueSumsRepository(connection).mark([(PLANT, "2026-08")])
        raise RuntimeError
    assert DueSumsRepository(engine).count() == 0


def test_months_of_an_older_database_are_due_after_its_migration(database_url: str) -> None:
    older = create_engine(database_url)
    with older.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        for period in ("2025-12", "2026-01", "2026-03"):
            connection.execute(
                text(
                    "INSERT INTO statements (enterprise, period, version, status, body, hash, updated_at_ms) "
                    "VALUES (:enterprise, :period, 1, 'closed', '{}', '', 0)"
                ),
                {"enterprise": PLANT, "period": period},
            )
    older.dispose()
    engine = open_database(database_url)
    assert DueSumsRepository(engine).of_enterprise(PLANT) == {"2025", "2025-Q4", "2026", "2026-Q1"}
    engine.dispose()
