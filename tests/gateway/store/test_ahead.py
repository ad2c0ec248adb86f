"""One item is prepared while the one before it is used; nothing gets lost, and troubles come in their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gateway.store.ahead import one_ahead


def test_items_come_in_their_order() -> None:
    assert list(one_ahead(iter(range(50)))) == list(range(50))
    assert list(one_ahead(iter([]))) == []


def test_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event(), threading.Event()]

    def making() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    items = one_ahead(making())
    assert next(items) == 0
    assert made[1].wait(10)
    assert list(items) == [1]


def test_trouble_comes_after_the_items_before_it() -> None:
    def making() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    items = one_ahead(making())
    assert next(items) == 1
    with pytest.raises(ValueError, match="second"):
        next(items)


def test_no_thread_is_left_when_the_user_gives_up() -> None:
    for item in one_ahead(iter(range(5))):
        if item == 1:
            break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("one-ahead")]
