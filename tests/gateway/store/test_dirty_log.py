"""The relational dirty-hour log against a naive model, on SQLite and PostgreSQL, with several writers at once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import Engine

from collectors.clock import HOUR_MS
from collectors.errors import StoreUnavailable
from gateway.store.claims_repository import ClaimLost, ClaimsRepository, guard_of
from gateway.store.database import guarded, open_database
from gateway.store.dirty_log import DirtyLog
from gateway.store.timeseries import DirtyHours


def note(log: DirtyLog, *pairs: tuple[int, int]) -> None:
    points, hours = zip(*pairs, strict=True)
    log.note(np.array(points, np.int32), np.array(hours, np.int64) * HOUR_MS)


def pairs_of(claimed: DirtyHours) -> list[tuple[int, int]]:
    return list(zip(claimed.point_id.tolist(), (claimed.hour_ms // HOUR_MS).tolist(), strict=True))


def test_oldest_notes_are_claimed_first_and_a_new_touch_makes_a_note_young(engine: Engine) -> None:
    log = DirtyLog(engine)
    for pair in ((1, 5), (2, 4), (3, 3), (1, 5)):
        note(log, pair)
    assert pairs_of(log.claim(2)) == [(2, 4), (3, 3)]
    assert log.count() == 3


def test_any_mix_of_notes_claims_and_clearings_forgets_only_what_a_claimer_saw(engine: Engine) -> None:
    seed = 20_261_104
    chance = random.Random(seed)
    log = DirtyLog(engine)
    touched: dict[tuple[int, int], int] = {}  # the model: pair -> when it was last touched
    claims: list[tuple[DirtyHours, int]] = []
    for now in range(200):
        match chance.choice(("note", "note", "claim", "clear")):
            case "note":
                pairs = {(chance.randint(1, 3), chance.randint(0, 3)) for _ in range(chance.randint(1, 4))}
                note(log, *sorted(pairs))
                touched.update(dict.fromkeys(pairs, now))
            case "claim":
                claims.append((log.claim(chance.randint(1, 5)), now))
            case "clear" if claims:
                claimed, at = claims.pop(chance.randrange(len(claims)))
                log.clear(claimed)
                for pair in pairs_of(claimed):
                    if touched.get(pair, at) < at:
                        del touched[pair]
        assert set(pairs_of(log.claim(100))) == set(touched), f"seed {seed}"
        assert log.count() == len(touched)


def test_writers_and_a_clearer_at_once_lose_no_note_and_never_lock_each_other_out(engine: Engine) -> None:
    log = DirtyLog(engine)

    def write(writer: int) -> None:
        for n in range(20):
            note(log, *((point, n % 4) for point in range(writer, writer + 5)))

    def work() -> set[tuple[int, int]]:
        seen: set[tuple[int, int]] = set()
        for _ in range(20):
            claimed = log.claim(7)
            seen.update(pairs_of(claimed))
            log.clear(claimed)
        return seen

    with ThreadPoolExecutor(4) as threads:
        worker = threads.submit(work)
        for done in [threads.submit(write, writer) for writer in (1, 2, 3)]:
            done.result(timeout=60)
        seen = worker.result(timeout=60)
    seen.update(pairs_of(log.claim(1000)))
    assert seen == {(point, hour) for point in range(1, 8) for hour in range(4)}


def test_an_empty_note_and_an_empty_clearing_write_nothing(engine: Engine) -> None:
    log = DirtyLog(engine)
    log.note(np.empty(0, np.int32), np.empty(0, np.int64))
    log.clear(log.claim(5))
    assert log.claim(5).token == 0


def test_a_database_that_is_gone_is_unavailable(tmp_path: object) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/tanmai.sqlite")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE dirty_hours")
    with pytest.raises(StoreUnavailable, match="dirty_hours"):
        note(DirtyLog(engine), (1, 1))
    engine.dispose()


def test_usage_that_was_written_after_the_claim_was_lost_is_noted_to_be_computed_again(engine: Engine) -> None:
    log, claims = DirtyLog(engine), ClaimsRepository(engine)
    points, hours = np.array([1, 1, 2], np.int32), np.array([5, 6, 5], np.int64) * HOUR_MS
    with log.fenced(points, hours):
        pass  # nobody's guard: a command beside the gateway
    with guarded(guard_of(claims.take("a", 1, "one", 0, 1_000).fences)):
        with log.fenced(points, hours):
            pass
        assert log.count() == 0
        with pytest.raises(ClaimLost), log.fenced(points, hours), guarded(None):
            claims.take("a", 1, "two", 1_000, 1_000)  # the process stood still while it wrote
        assert pairs_of(log.claim(9)) == [(1, 5), (1, 6), (2, 5)]
        with pytest.raises(ClaimLost), log.fenced(points, hours):
            raise AssertionError("it would have written")
