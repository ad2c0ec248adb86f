"""A page never opens on a month in which nobody can have a colour yet."""

from __future__ import annotations

from pathlib import Path

from gateway.accounts import stored
from gateway.store.database import open_database
from gateway.store.statements_repository import StatementsRepository, StoredRating, Written

FIRST, SECOND = "91350505M00000019R", "91350583M00000035E"


def test_the_newest_month_with_a_colour_comes_first(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'accounts.sqlite'}")
    repository = StatementsRepository(engine)
    for enterprise, period, colour in (
        (FIRST, "2026-09", "red"),
        (FIRST, "2026-10", "green"),
        (FIRST, "2026-11", "grey"),
        (SECOND, "2026-11", "grey"),
    ):
        repository.put_all([Written(rating=StoredRating(enterprise, period, 1, colour, "{}", 0))], 0)
    assert stored.newest_rated_month(engine, [FIRST, SECOND]) == "2026-10"
    assert stored.newest_rated_month(engine, [SECOND]) is None
    engine.dispose()
