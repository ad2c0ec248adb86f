"""The thread that stores groups: one outcome for each, errors too, and somebody is woken for it."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.ingest.committer import Committer


def awaited(committer: Committer[Any, Any], timeout_s: float = 30) -> Any:
    """The outcome of what is under way."""
    ready, _, _ = select.select([committer], [], [], timeout_s)
    assert ready, "nobody was woken"
    return committer.outcome()


@pytest.fixture
def held() -> Iterator[tuple[Committer[int, int], threading.Event]]:
    """Doubles numbers, once it is let go; 0 is a mistake."""
    go = threading.Event()

    def store(number: int) -> int:
        assert go.wait(30)
        return 2 * number if number else 1 // number

    committer = Committer(store)
    committer.start()
    yield committer, go
    go.set()
    committer.end()


def test_nothing_else_is_begun_before_the_outcome_is_taken(held: Any) -> None:
    committer, go = held
    assert (committer.busy, committer.held_s(), committer.outcome()) == (False, 0.0, None)
    committer.begin(21)
    assert committer.busy and committer.outcome() is None
    with pytest.raises(AssertionError):
        committer.begin(22)
    go.set()
    assert awaited(committer) == 42
    assert not committer.busy and committer.outcome() is None
    committer.begin(4)
    assert awaited(committer) == 8


def test_a_mistake_is_an_outcome_and_the_next_group_is_stored(held: Any) -> None:
    committer, go = held
    go.set()
    committer.begin(0)
    assert isinstance(awaited(committer), ZeroDivisionError)
    committer.begin(1)
    assert awaited(committer) == 2


def test_it_can_be_left_alone_in_the_middle(held: Any) -> None:
    committer, go = held
    committer.begin(1)
    committer.end()
    go.set()
    committer.join(30)
    assert not committer.alive
