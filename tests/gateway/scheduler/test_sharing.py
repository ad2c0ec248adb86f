"""Promises of a shared roll-up: several processes make the accounts that one makes, whatever happens to one of them.

Real PostgreSQL, real InfluxDB, real processes. Every account is compared row by row, hashes of entries included, with
those of a gateway that did all by itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from collectors.reading import Quality
from gateway.registry.credit_code import check_character
from gateway.scheduler.rebuild import Rebuilder
from gateway.scheduler.sharing import CLAIM_TTL_MS
from gateway.settings import Settings
from gateway.store.rebuilds_repository import Asked
from gateway.store.schema import (
    changes,
    dirty_days,
    dirty_hours,
    due_sums,
    findings,
    ledger_entries,
    ratings,
    statements,
)
from gateway.store.timeseries import ReadingColumns
from gateway.store.upkeep_schema import rollup_claims
from gateway.wiring import House, build
from tests.conformance.conftest import Server, influxd
from tests.gateway.scheduler.plant import at, steady

pytestmark = [pytest.mark.real("postgresql"), pytest.mark.real("influxdb")]

__all__ = ["influxd"]

MANY, FEW = 54, 9  # enterprises
CHUNK = 3
NOW = "2026-10-08 01:00"
DAY_MS = 86_400_000
LEFT_OUT = {"changes": {"seq"}, "findings": {"id"}, "dirty_days": {"touched"}}  # what depends on who was first


def credit_code(number: int) -> str:
    first = f"91350505M{number:08}"
    return first + check_character(first)


PARK = """parks:
- {id: park, name: {zh: 园, en: Park}, region: fujian, timezone: Asia/Shanghai}
enterprises:
"""
ENTERPRISE = """- id: {name}
  name: {{zh: 厂, en: Plant}}
  park: park
  industry: C3130
  rating_policy: four-colour-demo
  agents: [{{id: edge-1}}]
  devices: [{{id: incomer, points: [{{id: energy_import, quantity: energy_import}}]}}]
  sources: [{{id: grid, activity: electricity.purchased, scope: 2, stage: production, from: [incomer.energy_import]}}]
"""


@dataclass
class City:
    """A gateway on servers: some days booked by itself, and others, with late readings of the first, that are due."""

    house: House
    settings: Settings
    size: int

    def put(self, start: str, hours: int, first: float, offset_min: int = 0) -> None:
        numbers = {name: point.point_id for (name, _, _), point in self.house.registry().points_by_name.items()}
        for place in range(self.size):
            rows = steady(start, hours, first, 10.0 + place, every_min=60)
            self.house.timeseries.append(
                ReadingColumns(
                    np.full(len(rows), numbers[credit_code(place)], np.int32),
                    np.array([at_ms + offset_min * 60_000 for at_ms, _ in rows], np.int64),
                    np.array([value for _, value in rows], np.float64),
                    np.full(len(rows), Quality.GOOD, np.uint8),
                )
            )

    def begin(self) -> None:
        text = PARK + "".join(ENTERPRISE.format(name=credit_code(place)) for place in range(self.size))
        self.house.operations.call("registry_apply", text=text, file="registry.yaml")
        self.put("2026-10-05 00:00", 24, 100.0)
        self.house.pipeline.run(at(NOW))
        self.put("2026-10-05 04:00", 6, 155.0, offset_min=20)
        self.put("2026-10-06 00:00", 48, 5_000.0)

    def books(self) -> dict[str, Any]:
        """Everything of every account, as comparable text."""
        found: dict[str, Any] = {}
        tables = (ledger_entries, statements, ratings, findings, due_sums, dirty_days, dirty_hours, changes)
        with self.house.engine.connect() as connection:
            for table in tables:
                left_out = LEFT_OUT.get(table.name, set())
                rows = connection.execute(select(*(own for own in table.c if own.name not in left_out)))
                found[table.name] = sorted(map(repr, rows))
        points = sorted(self.house.registry().refs_by_id)
        usage = self.house.timeseries.usage(points, at("2026-10-01 00:00"), at(NOW) + DAY_MS)
        found["usage"] = [
            column.tolist() for column in (usage.point_id, usage.hour_ms, usage.amount_u, usage.covered_ms)
        ]
        return found

    def feed(self) -> list[int]:
        with self.house.engine.connect() as connection:
            return list(connection.execute(select(changes.c.seq).order_by(changes.c.seq)).scalars())

    def worked(self) -> dict[str, int]:
        """Who claimed how many enterprises last."""
        query = select(rollup_claims.c.holder, func.count()).group_by(rollup_claims.c.holder)
        with self.house.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}


class Worker:
    """A process of its own that takes a share of a city's work."""

    def __init__(
        self, city: City, name: str, mode: str, directory: Path, ahead_ms: int = 0, chunk: int = CHUNK
    ) -> None:
        environment = {
            **os.environ,
            "TEST_DATA": str(directory / name),
            "TEST_DATABASE": city.settings.database_url,
            "TEST_TIMESERIES": city.settings.timeseries,
            "TEST_NOW_MS": str(at(NOW)),
            "TEST_AHEAD_MS": str(ahead_ms),
            "TEST_CHUNK": str(chunk),
        }
        arguments = [sys.executable, "-m", "tests.gateway.scheduler.sharing_worker", name, mode]
        self.process = subprocess.Popen(
            arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.hears("ready")

    def hears(self, what: str) -> None:
        line = self.line()
        assert line == what, line

    def line(self) -> str:
        """What it says next; its log goes the same way and is passed over."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.strip() in ("ready", "asleep") or line.startswith('{"rules"'):
                return line.strip()
        raise AssertionError(f"it ended with {self.process.wait()}")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def done(self) -> dict[str, Any]:
        return dict(json.loads(self.line()))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_city(
    tmp_path: Path, make_postgresql: Callable[[], str], influxd: Server, started: ExitStack
) -> Callable[[int], City]:
    """Cities that are alike."""

    def made(size: int) -> City:
        settings = replace(
            Settings(),
            data_dir=str(tmp_path / f"city-{uuid.uuid4().hex}"),
            mqtt_url="off",
            database_url=make_postgresql(),
            timeseries=f"influx://{influxd.base.removeprefix('http://')}/?bucket=t{uuid.uuid4().hex}",
        )
        house = build(settings)
        started.callback(house.close)
        city = City(house, settings, size)
        city.begin()
        return city

    return made


def made_alone(make_city: Callable[[int], City], size: int) -> dict[str, Any]:
    """The books of a city whose one gateway did all."""
    city = make_city(size)
    city.house.pipeline.run(at(NOW))
    return city.books()


@pytest.fixture
def start(tmp_path: Path, started: ExitStack) -> Callable[..., Worker]:
    def begun(city: City, name: str, mode: str, ahead_ms: int = 0) -> Worker:
        worker = Worker(city, name, mode, tmp_path, ahead_ms)
        started.callback(worker.end)
        return worker

    return begun


def test_two_processes_make_the_accounts_of_one(make_city: Callable[[int], City], start: Callable[..., Worker]) -> None:
    city = make_city(MANY)
    workers = [start(city, name, "together") for name in ("one", "two")]
    for worker in workers:
        worker.go()
    done = [worker.done() for worker in workers]
    worked = city.worked()
    assert worked.keys() == {"one", "two"} and sum(worked.values()) == MANY
    assert sum(one["entries"]["entries_posted"] for one in done) == 3 * MANY
    assert [one["lost"] for one in done] == [0, 0]
    assert city.books() == made_alone(make_city, MANY)
    assert city.feed() == list(range(1, len(city.feed()) + 1))


def test_another_finishes_what_a_killed_process_had_begun(
    make_city: Callable[[int], City], start: Callable[..., Worker]
) -> None:
    city = make_city(FEW)
    victim, other = start(city, "one", "asleep"), start(city, "two", "work", CLAIM_TTL_MS + 60_000)
    victim.go()
    victim.hears("asleep")
    victim.process.send_signal(signal.SIGKILL)
    other.go()
    assert other.done()["over"] == CHUNK
    assert city.worked() == {"two": FEW}
    assert city.books() == made_alone(make_city, FEW)


def test_a_frozen_process_wakes_up_to_have_its_writes_refused(
    make_city: Callable[[int], City], start: Callable[..., Worker]
) -> None:
    city = make_city(FEW)
    frozen, other = start(city, "one", "asleep"), start(city, "two", "work", CLAIM_TTL_MS + 60_000)
    frozen.go()
    frozen.hears("asleep")
    frozen.process.send_signal(signal.SIGSTOP)
    other.go()
    assert other.done()["over"] == CHUNK
    books = city.books()
    frozen.process.send_signal(signal.SIGCONT)
    frozen.go()
    woken = frozen.done()
    assert woken["lost"] == CHUNK
    assert woken["statements"]["statements_changed"] == 0
    assert city.books() == books == made_alone(make_city, FEW)
    assert city.feed() == list(range(1, len(city.feed()) + 1))


def test_hours_that_a_frozen_process_wrote_before_it_was_killed_are_named_and_can_be_made_right(
    make_city: Callable[[int], City], start: Callable[..., Worker]
) -> None:
    """The one thing that InfluxDB cannot refuse, and that nobody notes: see decision 0024."""
    city = make_city(FEW)
    frozen, other = start(city, "one", "writing"), start(city, "two", "work", CLAIM_TTL_MS + 60_000)
    frozen.go()
    frozen.hears("asleep")  # between the question and the write
    city.put("2026-10-06 01:00", 1, 5_012.0)  # corrected readings, of which what it is about to write knows nothing
    other.go()
    assert other.done()["over"] == CHUNK
    books = city.books()
    assert city.house.operations.call("verify")["ok"]
    frozen.go()
    frozen.hears("asleep")  # it has written, and not asked again
    frozen.process.send_signal(signal.SIGKILL)
    stale = city.books()
    assert {name for name in books if books[name] != stale[name]} == {"usage"}
    report = city.house.operations.call("verify")
    assert "the stored usage of incomer.energy_import from 2026-10-05 16:00 UTC" in report["first_break"]["what"]
    rebuild(city, date(2026, 10, 6))
    assert city.house.operations.call("verify")["ok"]
    assert city.books() == books  # nothing was booked from them, so nothing is found, posted or told
    assert city.feed() == list(range(1, len(city.feed()) + 1))


def rebuild(city: City, day: date) -> None:
    """As of the instant that everything else was done at: later, days that ended since would be found and told too."""
    asked = Asked("", day, day)
    worker = Rebuilder(city.house.engine, city.house.timeseries, city.house.pipeline)
    done = worker.begin(asked, sorted(city.house.registry().enterprises), at(NOW), anew=False)
    while not done.is_finished:
        done = worker.step(asked, at(NOW))
