"""A platform pulls every account of twelve months from a real `tanmai serve`, in pages of 500.

The statements and ratings are copies of one that the roll-up made. The limit reads the same rows with SQLite's own
driver: two queries a page.
"""

from __future__ import annotations

import http.client
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from bench.figure import Figure, Target, figure_of, median_of, percentile
from bench.plant import ROLLED_UP_MS, a_day, open_house, rolled_up_plants
from bench.processes import BenchFailed, served
from bench.scale import Bench
from collectors.clock import monotonic_s
from gateway.store import schema
from gateway.store.canonical_json import sha256_of
from gateway.store.database import writing
from gateway.store.statements_repository import StatementsRepository
from gateway.wiring import House

PAGE = 500
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]
_STATEMENTS = "SELECT * FROM statements WHERE period = ? AND enterprise > ? ORDER BY enterprise LIMIT ?"
_RATINGS = "SELECT * FROM ratings WHERE period = ? AND enterprise > ? ORDER BY enterprise LIMIT ?"


def run(bench: Bench) -> Iterator[Figure]:
    data_dir = bench.fresh("accounts_pull")
    token = _seed(data_dir, bench.scale.accounts)
    pages = []
    with served(data_dir, "web") as (port, _):
        _pulled_s(port, token, bench.scale.accounts)  # the first question loads the registry
        for _ in range(bench.scale.runs):
            pages += _pulled_s(port, token, bench.scale.accounts)
        bare = [own for _ in range(bench.scale.runs) for own in _read_s(data_dir / "tanmai.sqlite")]
    size = min(PAGE, bench.scale.accounts)
    p50, p99 = ({name: percentile(values, at) for name, values in (("ours", pages), ("bare", bare))} for at in (50, 99))
    limits = {"database_read": size / median_of(bare)}
    yield figure_of("accounts_pull", size / median_of(pages), "statements/s", limits, Target(1 / 3, "least"))
    yield figure_of("accounts_pull_p50", p50["ours"], "s/page", {"database_read": p50["bare"]}, Target(3, "most"))
    yield figure_of(
        "accounts_pull_p99", p99["ours"], "s/page", {"database_read": p99["bare"]}, Target(0.1, "most", "figure")
    )


def _seed(data_dir: Path, enterprises: int) -> str:
    """Statements and ratings of all enterprises and months; gives a platform's token."""
    plants = rolled_up_plants(enterprises)
    house = open_house(data_dir, plants[:1])
    for columns in a_day(house):
        house.timeseries.append(columns)
    house.pipeline.run(ROLLED_UP_MS)
    house.close()
    house = open_house(data_dir, plants)
    _copy_statement(house, plants[0].id)
    token: str = house.operations.call("token_create", role="platform", subject="bench")["token"]
    house.close()
    return token


def _copy_statement(house: House, first: str) -> None:
    """The first enterprise's statement and rating, for every enterprise and month."""
    stored = StatementsRepository(house.engine)
    newest = stored.newest(first, "2026-10")
    rated = stored.rating(first, "2026-10", 1)
    if newest is None or rated is None:
        raise BenchFailed("the roll-up made no statement to copy")
    with writing(house.engine) as connection:
        for month in MONTHS:
            statements, ratings = [], []
            for enterprise in house.registry().ids:
                body = _told_of(newest.body, first, enterprise, month)
                own = replace(newest, enterprise=enterprise, period=month, body=body, hash=sha256_of(body))
                statements.append(asdict(own))
                body = _told_of(rated.body, first, enterprise, month)
                ratings.append(asdict(replace(rated, enterprise=enterprise, period=month, body=body)))
            connection.execute(schema.statements.insert(), statements)
            connection.execute(schema.ratings.insert(), ratings)


def _told_of(body: str, first: str, enterprise: str, month: str) -> str:
    return body.replace(f'"{first}"', f'"{enterprise}"').replace('"2026-10"', f'"{month}"')


def _pulled_s(port: int, token: str, expected: int) -> list[float]:
    """Seconds of each full page of each month."""
    seconds = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for month in MONTHS:
        cursor, seen = "", 0
        while True:
            started_s = monotonic_s()
            path = f"/api/v1/accounts?period={month}&limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            body = response.read()
            seconds.append(monotonic_s() - started_s)
            if response.status != 200:
                raise BenchFailed(f"{path} gave {response.status}: {body[:300]!r}")
            page = msgspec.json.decode(body)
            seen += sum(item["statement"] is not None for item in page["items"])
            cursor = page["next"]
            if cursor is None:
                break
        if seen != expected:
            raise BenchFailed(f"{seen} statements of {month} came in place of {expected}")
    connection.close()
    return seconds


def _read_s(database: Path) -> list[float]:
    """Seconds in which SQLite gives the rows of each page."""
    seconds = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for month in MONTHS:
            after = ""
            while True:
                started_s = monotonic_s()
                rows = connection.execute(_STATEMENTS, (month, after, PAGE)).fetchall()
                connection.execute(_RATINGS, (month, after, PAGE)).fetchall()
                duration_s = monotonic_s() - started_s
                if not rows:
                    break
                seconds.append(duration_s)
                after = rows[-1][0]
    return seconds
