"""Prepare the next thing while the present one is being used.

For work in turns of which one half waits for somebody else, such as a server that digests what it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; each is made, by a thread of its own, while its user works on the one before.

    What making an item raises is raised in its turn, when the items before it were used. An item that nobody takes any
    more is finished and thrown away.
    """
    nothing = object()
    with ThreadPoolExecutor(1, "one-ahead") as maker:
        coming = maker.submit(next, items, nothing)
        while (item := coming.result()) is not nothing:
            coming = maker.submit(next, items, nothing)
            yield item  # type: ignore[misc]
