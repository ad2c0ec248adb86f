"""Find the readings that a store refuses, so that the others can be stored.

`append` either takes everything it is given or raises `StoreRefused`. Halving finds the poison with few calls; a store
that says that it refuses all of it is believed at once.
What stays true: a reading is either stored or marked refused. `StoreUnavailable` passes through: all is tried again.
Limit: at most MAX_APPENDS calls; what is still undivided then counts as refused as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from collectors.errors import StoreRefused
from gateway.store.timeseries import ReadingColumns

MAX_APPENDS = 1000


def append_isolating(
    append: Callable[[ReadingColumns], None], readings: ReadingColumns
) -> tuple[npt.NDArray[np.bool_], str]:
    """Store what can be stored; gives a mask of the refused readings and the store's words about the first of them."""
    refused = np.zeros(len(readings), dtype=np.bool_)
    words = ""
    # In order, so that of two readings of one instant the later one is still written last.
    waiting = [(0, len(readings))] if len(readings) else []
    appends = 0
    while waiting:
        start, end = waiting.pop()
        if appends >= MAX_APPENDS:
            refused[start:end] = True
            continue
        appends += 1
        try:
            append(_slice(readings, start, end))
        except StoreRefused as error:
            words = words or str(error)
            if end - start == 1 or error.whole:
                refused[start:end] = True
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
    return refused, words


def _slice(readings: ReadingColumns, start: int, end: int) -> ReadingColumns:
    return ReadingColumns(
        readings.point_id[start:end], readings.at_ms[start:end], readings.value[start:end], readings.quality[start:end]
    )
