"""Promises of claims: one holder an enterprise, and whoever was followed by another writes nothing more."""

from __future__ import annotations

import threading
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Engine, insert

from collectors.errors import StoreUnavailable
from gateway.store import database
from gateway.store.claims_repository import ClaimLost, ClaimsRepository, guard_of
from gateway.store.database import guarded, open_database, open_migrated, writing
from gateway.store.dirty_days_repository import DirtyDaysRepository
from gateway.store.due_sums_repository import DueSumsRepository
from gateway.store.kept_repository import KeptRepository
from gateway.store.schema import dirty_hours, points

DAY, TODAY = date(2026, 10, 5), date(2026, 10, 6)
TTL_MS = 1_000


def make_due(engine: Engine) -> None:
    """a by a dirty hour, b by an ended day, c by one that has not ended, d by a quarter; e has nothing."""
    with writing(engine) as connection:
        for number, name in enumerate("abcde", 1):
            row = {"point_id": number, "enterprise": name, "device": "m", "point": "p", "quantity": "energy_import"}
            connection.execute(insert(points), row)
        connection.execute(insert(dirty_hours), {"point_id": 1, "hour_ms": 0, "touched": 1})
        DirtyDaysRepository(connection).mark([("b", "grid", DAY), ("c", "grid", TODAY)], "late-data")
        DueSumsRepository(connection).mark([("d", "2026-10")])


def due(engine: Engine, limit: int = 9, now_ms: int = 0, holder: str = "one") -> list[str]:
    """What of all enterprises is taken."""
    taken = ClaimsRepository(engine).take_due(list("abcde"), limit, TODAY, holder, now_ms, TTL_MS)
    return list(taken.fences)


def test_what_is_due_is_found_by_every_list(engine: Engine) -> None:
    make_due(engine)
    claims = ClaimsRepository(engine)
    assert claims.due(TODAY) == ["a", "b", "d"]
    assert due(engine) == []  # they have no rows yet
    claims.make_rows("abcde")
    claims.make_rows("abcdef")
    assert due(engine) == ["a", "b", "d"]


def test_what_is_due_is_taken_in_order_and_once(engine: Engine) -> None:
    make_due(engine)
    ClaimsRepository(engine).make_rows("abcde")
    assert due(engine, limit=1) == ["a"]
    assert due(engine, limit=2, holder="two") == ["b", "d"]
    assert due(engine) == []
    assert ClaimsRepository(engine).held(TTL_MS - 1) == {"a": "one", "b": "two", "d": "two"}
    assert due(engine, limit=2, now_ms=TTL_MS) == ["a", "b"]


def test_an_enterprise_that_nobody_knows_yet_can_be_taken(engine: Engine) -> None:
    assert ClaimsRepository(engine).take(["x", "y"], 9, "one", 0, TTL_MS).fences == {"x": 1, "y": 1}


def test_who_was_followed_writes_nothing(engine: Engine) -> None:
    claims = ClaimsRepository(engine)
    first = claims.take("ab", 9, "one", 0, TTL_MS).fences
    with guarded(guard_of(first)):
        KeptRepository(engine).put("written", "in time")
    second = claims.take("b", 9, "two", TTL_MS, TTL_MS)
    assert (second.fences, second.taken_over) == ({"b": 2}, 1)
    with guarded(guard_of(first)), pytest.raises(ClaimLost) as refused:
        KeptRepository(engine).put("written", "too late")
    assert refused.value.enterprises == ["b"]
    claims.renew(first, 9 * TTL_MS)
    claims.give_back(first)
    assert claims.held(TTL_MS) == {"b": "two"}
    assert KeptRepository(engine).get("written") == "in time"


@pytest.mark.real("postgresql")
def test_nobody_takes_what_a_transaction_of_its_holder_is_under_way_for(postgresql: str) -> None:
    engine = open_database(postgresql)
    claims = ClaimsRepository(engine)
    first = claims.take("ab", 9, "one", 0, TTL_MS).fences
    with guarded(guard_of({"a": first["a"]})), writing(engine), guarded(None):
        claims.renew(first, 2 * TTL_MS)  # does not wait for the holder's own transaction
        assert claims.take("ab", 9, "two", 3 * TTL_MS, TTL_MS).fences == {"b": 2}
    assert claims.take("ab", 9, "two", 3 * TTL_MS, TTL_MS).fences == {"a": 2}
    engine.dispose()


@pytest.mark.real("postgresql")
def test_a_process_that_stands_still_in_a_transaction_is_put_out(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session ends, so that others get its locks; when it goes on nothing of its transaction is there."""
    other = open_database(postgresql)  # migrates, which on a busy machine stands still for as long as that
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION_MS", 300)
    frozen = open_migrated(postgresql)
    fences = ClaimsRepository(frozen).take("a", 9, "one", 0, TTL_MS).fences
    with pytest.raises(StoreUnavailable), guarded(guard_of(fences)), writing(frozen) as connection:
        KeptRepository(connection).put("written", "never")
        deadline_s = time.monotonic() + 60
        with guarded(None):
            while not ClaimsRepository(other).take("a", 9, "two", TTL_MS, TTL_MS).fences:
                assert time.monotonic() < deadline_s
                threading.Event().wait(0.05)
        KeptRepository(connection).put("written", "never either")
    assert KeptRepository(other).get("written") is None
    frozen.dispose()
    other.dispose()


class Claims(RuleBasedStateMachine):
    """Three holders and four enterprises against a model in a dictionary."""

    names = st.sets(st.sampled_from("abcd"), min_size=1)
    holders = st.sampled_from(["one", "two", "three"])

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.engine = open_database(f"sqlite:///{Path(self.folder.name) / 'claims.sqlite'}")
        self.claims = ClaimsRepository(self.engine)
        self.now_ms = 0
        self.model: dict[str, tuple[str, int, int]] = {}  # enterprise -> holder, fence, expires_at_ms
        self.taken: list[dict[str, int]] = []  # every taking there was

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    def holds(self, fences: dict[str, int]) -> bool:
        return all(self.model[name][1] == fence for name, fence in fences.items())

    @rule(wanted=names, holder=holders, limit=st.integers(1, 4))
    def take(self, wanted: set[str], holder: str, limit: int) -> None:
        stood = {name: self.model.get(name, ("", 0, 0)) for name in sorted(wanted)}
        free = {name: one for name, one in stood.items() if one[2] <= self.now_ms}
        expected = {name: free[name][1] + 1 for name in sorted(free)[:limit]}
        taken = self.claims.take(wanted, limit, holder, self.now_ms, TTL_MS)
        assert taken.fences == expected
        assert taken.taken_over == sum(free[name][2] > 0 for name in expected)
        for name, one in stood.items():
            self.model[name] = (holder, expected[name], self.now_ms + TTL_MS) if name in expected else one
        self.taken.append(expected)

    @rule(step_ms=st.sampled_from([1, TTL_MS // 2, TTL_MS]))
    def wait(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule(data=st.data(), back=st.booleans())
    def renew_or_give_back(self, data: st.DataObject, back: bool) -> None:
        fences = data.draw(st.sampled_from([*self.taken, {}]))
        until_ms = 0 if back else self.now_ms + TTL_MS
        if back:
            self.claims.give_back(fences)
        else:
            self.claims.renew(fences, until_ms)
        for name, fence in fences.items():
            holder, stands, _ = self.model[name]
            if stands == fence:
                self.model[name] = (holder, fence, until_ms)

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        fences = data.draw(st.sampled_from([*self.taken, {}]))
        with guarded(guard_of(fences)):
            try:
                KeptRepository(self.engine).put("last", repr(fences))
                assert self.holds(fences)
            except ClaimLost as lost:
                assert lost.enterprises == sorted(n for n, fence in fences.items() if self.model[n][1] != fence)
                assert not self.holds(fences)

    @invariant()
    def held_by_one(self) -> None:
        held = {name: holder for name, (holder, _, until_ms) in self.model.items() if until_ms > self.now_ms}
        assert self.claims.held(self.now_ms) == held


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
