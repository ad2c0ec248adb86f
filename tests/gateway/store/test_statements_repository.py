"""Statements, ratings and the feed of their changes."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from collectors.errors import StoreRefused
from gateway.store.canonical_json import sha256_of
from gateway.store.changes_repository import ChangesRepository
from gateway.store.database import writing
from gateway.store.statements_repository import StatementsRepository, StoredRating, StoredStatement, Written

PLANT = "91350500M00000000Y"
MONTH = "2026-10"


def put_open(
    statements: StatementsRepository,
    enterprise: str,
    period: str,
    version: int,
    body: str,
    now_ms: int,
    predecessor: int | None = None,
) -> None:
    row = StoredStatement(enterprise, period, version, "open", body, sha256_of(body), "", predecessor, now_ms)
    statements.put_all([Written(row)], now_ms)


def put_rating(
    statements: StatementsRepository, enterprise: str, version: int, colour: str, body: str, now_ms: int
) -> None:
    statements.put_all([Written(rating=StoredRating(enterprise, MONTH, version, colour, body, now_ms))], now_ms)


def feed(engine: Engine) -> list[tuple[int, str, str, int]]:
    return [
        (change.seq, change.kind, change.enterprise, change.version)
        for change in ChangesRepository(engine).after(0, 99)
    ]


def test_open_version_follows_the_ledger_in_place(engine: Engine) -> None:
    statements = StatementsRepository(engine)
    assert statements.newest(PLANT, MONTH) is None
    put_open(statements, PLANT, MONTH, 1, '{"kg":1}', 10)
    put_open(statements, PLANT, MONTH, 1, '{"kg":2}', 20)
    (only,) = statements.versions(PLANT, MONTH)
    assert (only.body, only.hash, only.status, only.updated_at_ms) == ('{"kg":2}', sha256_of('{"kg":2}'), "open", 20)
    assert feed(engine) == [(1, "statement", PLANT, 1), (2, "statement", PLANT, 1)]


def test_closed_version_never_changes_and_its_correction_names_it(engine: Engine) -> None:
    statements = StatementsRepository(engine)
    put_open(statements, PLANT, MONTH, 1, '{"kg":1}', 10)
    statements.freeze(PLANT, MONTH, 1, '{"kg":1,"closed":true}', "signed", 20)
    for refused in (1, 3):
        with pytest.raises(StoreRefused, match="version 2 is due"):
            put_open(statements, PLANT, MONTH, refused, '{"kg":9}', 30)
    put_open(statements, PLANT, MONTH, 2, '{"kg":9}', 40, predecessor=1)
    first, second = statements.versions(PLANT, MONTH)
    assert (first.status, first.body, first.signature) == ("closed", '{"kg":1,"closed":true}', "signed")
    assert first.hash == sha256_of(first.body)
    assert (second.status, second.predecessor, second.signature) == ("open", 1, "")
    assert statements.newest(PLANT, MONTH) == second
    assert [version for _, _, _, version in feed(engine)] == [1, 1, 2]


def test_only_an_open_version_can_be_closed(engine: Engine) -> None:
    statements = StatementsRepository(engine)
    with pytest.raises(StoreRefused, match="not open"):
        statements.freeze(PLANT, MONTH, 1, "{}", "signed", 10)
    put_open(statements, PLANT, MONTH, 1, "{}", 10)
    statements.freeze(PLANT, MONTH, 1, "{}", "signed", 20)
    with pytest.raises(StoreRefused, match="not open"):
        statements.freeze(PLANT, MONTH, 1, "{}", "forged", 30)
    assert len(feed(engine)) == 2


def test_pages_hold_the_newest_version_of_each_enterprise_once(engine: Engine) -> None:
    statements = StatementsRepository(engine)
    ids = [f"E{number:03}" for number in range(7)]
    with writing(engine) as connection:
        together = StatementsRepository(connection)
        for enterprise in ids:
            put_open(together, enterprise, MONTH, 1, "{}", 10)
            put_open(together, enterprise, "2026-09", 1, "{}", 10)
        together.freeze(ids[2], MONTH, 1, "{}", "signed", 20)
        put_open(together, ids[2], MONTH, 2, '{"v":2}', 30, predecessor=1)
    for among, expected in ((None, ids), ({ids[5], ids[2], ids[0], "unknown"}, [ids[0], ids[2], ids[5]])):
        paged = []
        while page := statements.page(MONTH, 2, paged[-1].enterprise if paged else "", among):
            assert len(page) <= 2
            paged += page
        assert [statement.enterprise for statement in paged] == expected
        assert [s.version for s in paged] == [2 if s.enterprise == ids[2] else 1 for s in paged]


def test_rating_is_kept_per_version(engine: Engine) -> None:
    statements = StatementsRepository(engine)
    put_rating(statements, PLANT, 1, "green", "{}", 10)
    put_rating(statements, PLANT, 2, "red", '{"v":2}', 20)
    first, second = statements.rating(PLANT, MONTH, 1), statements.rating(PLANT, MONTH, 2)
    assert first is not None and second is not None
    assert (first.colour, second.colour, second.body) == ("green", "red", '{"v":2}')
    assert statements.rating(PLANT, MONTH, 3) is None


def test_feed_has_no_gaps_whoever_writes(engine: Engine) -> None:
    def write(enterprise: str) -> None:
        statements = StatementsRepository(engine)
        for number in range(5):
            put_open(statements, enterprise, MONTH, 1, f'{{"kg":{number}}}', number)
            put_rating(statements, enterprise, 1, "green", f'{{"kg":{number}}}', number)
            with pytest.raises(RuntimeError), writing(engine) as connection:
                put_rating(StatementsRepository(connection), enterprise, 1, "red", "{}", number)
                raise RuntimeError  # what is rolled back leaves no hole

    writers = [threading.Thread(target=write, args=(f"E{number}",)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [seq for seq, *_ in feed(engine)] == list(range(1, 31))


def test_feed_is_read_on_from_the_last_number_seen(engine: Engine) -> None:
    for number in range(5):
        put_rating(StatementsRepository(engine), PLANT, number, "green", "{}", number)
    changes = ChangesRepository(engine)
    assert [change.version for change in changes.after(0, 2)] == [0, 1]
    assert [change.version for change in changes.after(2, 99)] == [2, 3, 4]
    assert changes.after(5, 99) == []
