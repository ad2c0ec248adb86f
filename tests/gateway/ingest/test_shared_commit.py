"""What sharing a commit promises: each request is answered as if it were alone, after a commit that held them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from collectors.errors import StoreUnavailable
from collectors.wire import Receipt
from gateway.ingest.accept import Opened, commit
from gateway.ingest.intake import Arrival, IngestLimits
from gateway.ingest.shared_commit import SharedCommit

T0 = 1_760_000_000_000
NOW = T0 + 3_600_000
OWN = "91350500M00000000Y"
PATIENCE_S = 60

Requests = Sequence[tuple[str, list[bytes]]]  # sender, payloads


class Stage:
    """A shared commit whose first commit can be held, so that others come meanwhile."""

    def __init__(self, house: Any, limits: IngestLimits | None = None) -> None:
        self.intake = replace(house.intake, limits=limits or IngestLimits())
        self.shared = SharedCommit(self.intake, self._store)
        self.sizes: list[int] = []  # messages of each commit
        self._begun, self._go_on = threading.Event(), threading.Event()

    def _store(self, opened: Opened) -> list[Receipt]:
        self.sizes.append(len(opened.cases))
        self._begun.set()
        assert self._go_on.wait(PATIENCE_S)
        return commit(opened, self.intake)

    def accept(self, sender: str, payloads: list[bytes]) -> list[Receipt]:
        arrivals = [Arrival(OWN, sender, payload) for payload in payloads]
        return self.shared.accept(arrivals, self.intake.directory(), NOW)

    @contextmanager
    def first_held(self, first: tuple[str, list[bytes]], others: Requests) -> Iterator[list[Future[list[Receipt]]]]:
        """All requests; the first is being committed when the others come one after the other, and goes on then."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            try:
                answers = [pool.submit(self.accept, *first)]
                assert self._begun.wait(PATIENCE_S)
                for number, other in enumerate(others, start=1):
                    answers.append(pool.submit(self.accept, *other))
                    self._until_there_wait(number)
            finally:
                self._go_on.set()
            yield answers

    def _until_there_wait(self, wanted: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self.shared.waiting < wanted:
            assert time.monotonic() < deadline_s, f"{self.shared.waiting} wait, {wanted} wanted"
            time.sleep(0.002)


def statuses(answers: Sequence[Future[list[Receipt]]]) -> list[list[str]]:
    return [[receipt.status for receipt in answer.result(PATIENCE_S)] for answer in answers]


def test_requests_that_come_during_a_commit_share_the_next_one(house: Any, payload_of: Any) -> None:
    stage = Stage(house)
    one, two, three = (("edge-1", [payload_of(f"{name}-{n}") for n in range(2)]) for name in ("a", "b", "c"))
    with stage.first_held(one, [two, three]) as answers:
        assert statuses(answers) == [["stored"] * 2] * 3
        assert [receipt.batch for receipt in answers[2].result()] == ["c-0", "c-1"]
    assert stage.sizes == [2, 4]
    assert len(house.series.appended) == 2
    assert len(house.batches.batches) == 6


def test_a_lone_request_is_committed_by_its_own_thread(house: Any, payload_of: Any) -> None:
    threads: list[int] = []

    def store(opened: Opened) -> list[Receipt]:
        threads.append(threading.get_ident())
        return commit(opened, house.intake)

    shared = SharedCommit(house.intake, store)
    for name in ("a", "b"):
        shared.accept([Arrival(OWN, "edge-1", payload_of(name))], house.intake.directory(), NOW)
    assert threads == [threading.get_ident()] * 2


def test_the_same_batch_in_two_requests_at_once_is_stored_once(house: Any, payload_of: Any) -> None:
    first, same = ("edge-2", [payload_of("other")]), ("edge-1", [payload_of("same")])
    stage = Stage(house)
    with stage.first_held(first, [same, same, first]) as answers:
        assert statuses(answers) == [["stored"], ["stored"], ["duplicate"], ["duplicate"]]
    assert len(house.batches.batches) == 2
    assert sum(len(columns) for columns in house.series.appended) == 4


@pytest.mark.parametrize("store", ["series", "batches"])
def test_while_a_store_is_away_nobody_who_shared_the_commit_is_receipted(
    house: Any, payload_of: Any, store: str
) -> None:
    stage = Stage(house)
    getattr(house, store).away = True
    with stage.first_held(("edge-1", [payload_of("a")]), [("edge-1", [payload_of(name)]) for name in "bc"]) as answers:
        for answer in answers:
            assert isinstance(answer.exception(PATIENCE_S), StoreUnavailable)
    assert house.batches.batches == {}
    getattr(house, store).away = False
    assert [receipt.status for receipt in stage.accept("edge-1", [payload_of("c")])] == ["stored"]


def test_one_whom_the_database_refuses_holds_nobody_up_who_shared_the_commit(house: Any, payload_of: Any) -> None:
    house.batches.refuses.add("edge-2")
    stage = Stage(house)
    others = [("edge-1", [payload_of("b"), payload_of("c")]), ("edge-2", [payload_of("d")])]
    with stage.first_held(("edge-1", [payload_of("a")]), others) as answers:
        assert statuses(answers) == [["stored"], ["stored", "stored"], ["rejected"]]
    assert {key[2] for key in house.batches.batches} == {"a", "b", "c"}
    assert house.reasons == [("store_refused", 1)]


def test_a_commit_is_bounded_and_keeps_a_request_in_order(house: Any, payload_of: Any) -> None:
    stage = Stage(house, IngestLimits(group_batches=3))
    long = ("edge-1", [payload_of(f"long-{n}") for n in range(7)])
    with stage.first_held(
        long, [("edge-1", [payload_of(f"{name}-{n}") for n in range(2)]) for name in "ab"]
    ) as answers:
        assert statuses(answers) == [["stored"] * 7, ["stored"] * 2, ["stored"] * 2]
        assert [receipt.batch for receipt in answers[0].result()] == [f"long-{n}" for n in range(7)]
    assert max(stage.sizes) <= 3
    assert sum(stage.sizes) == 11


def test_what_the_one_who_commits_raises_is_raised_to_all_and_the_next_commit_works(
    house: Any, payload_of: Any
) -> None:
    stage = Stage(house)
    append, house.series.append = house.series.append, lambda _readings: (_ for _ in ()).throw(MemoryError)
    with stage.first_held(("edge-1", [payload_of("a")]), [("edge-1", [payload_of(name)]) for name in "bc"]) as answers:
        for answer in answers:
            assert isinstance(answer.exception(PATIENCE_S), MemoryError)
    house.series.append = append
    assert stage.shared.waiting == 0
    assert [receipt.status for receipt in stage.accept("edge-1", [payload_of("a")])] == ["stored"]


def test_many_requests_of_many_threads_are_each_stored_once_and_answered_in_order(house: Any, payload_of: Any) -> None:
    shared = SharedCommit(house.intake, lambda opened: commit(opened, house.intake))

    def send(number: int) -> list[list[str]]:
        sent: list[list[str]] = []
        for turn in range(20):
            names = [f"{number}-{turn}-{place}" for place in range(3)]
            arrivals = [Arrival(OWN, "edge-1", payload_of(name)) for name in names]
            answers = shared.accept(arrivals, house.intake.directory(), NOW)
            assert [receipt.batch for receipt in answers] == names
            sent.append([receipt.status for receipt in answers])
        return sent

    with ThreadPoolExecutor(6) as pool:
        answered = [answer.result(PATIENCE_S) for answer in [pool.submit(send, number) for number in range(6)]]
    assert answered == [[["stored"] * 3] * 20] * 6
    assert len(house.batches.batches) == 360
    assert sum(len(columns) for columns in house.series.appended) == 720
