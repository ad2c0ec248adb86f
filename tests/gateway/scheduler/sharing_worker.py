"""A process that takes its share of a roll-up, for the tests of sharing: `python -m … NAME MODE` with settings around.

It says "ready" and begins with a line on standard input. "together": before its second chunk it waits until `one` and
`two` have both claimed something. "asleep": in the middle of its first chunk, entries booked and statements not, it
says so and waits for another line. "writing": it does that after it has asked whether its claims are held and before it
writes usage into InfluxDB, and again when that is written and it has not asked again. At the end it says what it did.
Its clock for claims is `TEST_AHEAD_MS` ahead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from collectors.clock import now_ms
from gateway.scheduler.sharing import Sharing
from gateway.scheduler.statements_stage import StatementsStage
from gateway.scheduler.usage_stage import UsageStage
from gateway.settings import Settings
from gateway.store.influx_protocol import InfluxServer
from gateway.store.line_protocol import USAGE
from gateway.store.upkeep_schema import rollup_claims
from gateway.wiring import House, build

PATIENCE_S = 120.0


def say(what: str) -> None:
    print(what, flush=True)


def nth_call(cls: type, number: int, before: Callable[[], None]) -> None:
    """Let something happen before the nth call of a stage."""
    run, calls = cls.run, []  # type: ignore[attr-defined]

    def call(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            before()
        return run(*arguments)

    cls.run = call  # type: ignore[attr-defined]


def wait_for_both(house: House) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with house.engine.connect() as connection:
            if {"one", "two"} <= set(connection.execute(select(rollup_claims.c.holder)).scalars()):
                return
        time.sleep(0.05)
    raise AssertionError("the other one has claimed nothing")


def fall_asleep() -> None:
    say("asleep")
    sys.stdin.readline()


def sleep_around_the_first_write_of_usage() -> None:
    write, done = InfluxServer.write, []

    def call(server: InfluxServer, lines: bytes) -> None:
        if done or not lines.startswith(USAGE.encode()):
            write(server, lines)
            return
        done.append(1)
        fall_asleep()
        write(server, lines)
        fall_asleep()

    InfluxServer.write = call  # type: ignore[method-assign]


def main(name: str, mode: str) -> None:
    given, ahead_ms = os.environ, int(os.environ["TEST_AHEAD_MS"])
    house = build(
        replace(
            Settings(),
            data_dir=given["TEST_DATA"],
            mqtt_url="off",
            database_url=given["TEST_DATABASE"],
            timeseries=given["TEST_TIMESERIES"],
        )
    )
    turns = house.pipeline.turns
    assert isinstance(turns, Sharing)
    own = replace(turns, holder=name, chunk=int(given["TEST_CHUNK"]), clock=lambda: now_ms() + ahead_ms)
    pipeline = replace(house.pipeline, turns=own)
    if mode == "together":
        nth_call(UsageStage, 2, lambda: wait_for_both(house))
    if mode == "asleep":
        nth_call(StatementsStage, 1, fall_asleep)
    if mode == "writing":
        sleep_around_the_first_write_of_usage()
    say("ready")
    sys.stdin.readline()
    began_s = time.process_time()
    done = pipeline.share(int(given["TEST_NOW_MS"]))
    counted = {one.name: one.value for metric in house.metrics.collect() for one in metric.samples}
    say(
        json.dumps(
            {
                **done,
                "cpu_s": round(time.process_time() - began_s, 2),
                "lost": counted["tanmai_claims_lost_total"],
                "over": counted["tanmai_claims_taken_over_total"],
            }
        )
    )
    house.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
