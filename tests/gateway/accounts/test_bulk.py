"""Accounts in bulk are, byte for byte in meaning, those that are asked for one by one; on both databases."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import Engine

from gateway.accounts.bulk import Texts, account_texts
from gateway.accounts.documents import StatementDocument, body_of
from gateway.accounts.stored import statements_of_period
from gateway.store.canonical_json import sha256_of
from gateway.store.schema import ratings, statements
from tests.gateway.seeded_enterprises import STEEL
from tests.gateway.seeded_park import SeededPark

IDS = [f"91350500M{number:09d}" for number in range(1, 41)]
MONTH = "2026-10"


@pytest.fixture
def kept(engine: Engine, seeded_park: SeededPark) -> Engine:
    """Forty enterprises' statements in two versions each, every third without a rating; other months beside them."""
    own = statements_of_period(seeded_park.engine, [STEEL], MONTH)[STEEL]
    rows, rated = [], []
    for number, enterprise in enumerate(IDS):
        for month, version in ((MONTH, 2), (MONTH, 1), ("2026-09", 7)):
            body = body_of(
                msgspec.structs.replace(
                    own, enterprise=enterprise, period=month, version=version, lifecycle_kg=number + version / 10
                )
            )
            row = {"enterprise": enterprise, "period": month, "version": version, "status": "open", "body": body}
            rows.append({**row, "hash": sha256_of(body), "signature": f"h..{number}", "updated_at_ms": 1})
            if number % 3:
                told = f'{{"version":{version},"name":"碳脉"}}'
                rated.append({**row, "body": told, "colour": "green", "updated_at_ms": 1} | {"status": None})
    for row in rated:
        del row["status"]
    with engine.begin() as connection:
        connection.execute(statements.insert(), rows)
        connection.execute(ratings.insert(), rated)
    return engine


def read(texts: Texts) -> dict[str, StatementDocument]:
    return {key: msgspec.json.decode(text, type=StatementDocument) for key, text in texts.items()}


@pytest.mark.parametrize(
    "wanted", [IDS, IDS[3:20], IDS[::2], IDS[::7], [IDS[0], IDS[-1]], IDS[5:6], []], ids=lambda own: f"{len(own)} of 40"
)
def test_the_newest_versions_come_as_one_by_one(kept: Engine, wanted: list[str]) -> None:
    stated, rated = account_texts(kept, IDS, wanted, MONTH)
    assert read(stated) == statements_of_period(kept, wanted, MONTH)
    assert list(stated) == wanted or set(stated) == set(wanted)
    assert {read_one.version for read_one in read(stated).values()} <= {2}
    assert set(rated) == {own for own in wanted if IDS.index(own) % 3}
    assert all(bytes(text) == '{"version":2,"name":"碳脉"}'.encode() for text in rated.values())


def test_a_body_that_is_spelt_otherwise_is_read(kept: Engine) -> None:
    with kept.begin() as connection:
        body = connection.execute(
            statements.select().where(statements.c.enterprise == IDS[0], statements.c.version == 2)
        ).one()
        spaced = body.body.replace('"hash":""', '"hash": ""')
        changed = statements.update().where(statements.c.enterprise == IDS[0], statements.c.version == 2)
        connection.execute(changed.values(body=spaced))
    stated, _ = account_texts(kept, IDS, IDS[:2], MONTH)
    assert read(stated) == statements_of_period(kept, IDS[:2], MONTH)
    assert read(stated)[IDS[0]].signature == "h..0"
