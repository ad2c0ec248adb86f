"""What a day rests on: the readings in it and the neighbours whose steps reach into it, no others."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.scheduler.series import around
from gateway.store.timeseries import ReadingColumns


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [
        ([50, 120, 180, 250], [50, 120, 180, 250]),
        ([10, 50, 250, 300], [50, 250]),  # a step over the whole day
        ([120, 180], [120, 180]),
        ([100, 200], [100, 200]),  # the day is 100 <= t < 200
        ([250, 300], []),  # the meter was not there yet
        ([10, 50], []),  # the meter was gone already
        ([], []),
    ],
)
def test_a_day_rests_on_readings_whose_steps_reach_into_it(at_ms: list[int], expected: list[int]) -> None:
    count = len(at_ms)
    readings = ReadingColumns(
        np.ones(count, np.int32), np.array(at_ms, np.int64), np.zeros(count), np.zeros(count, np.uint8)
    )
    assert around(readings, 100, 200).at_ms.tolist() == expected
