"""Lines for InfluxDB: names escaped, numbers exact, what cannot be said refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import StoreRefused
from gateway.store.line_protocol import (
    LINES_PER_WRITE,
    SeriesKeys,
    reading_lines,
    series_condition,
    slices,
    tag_set,
    usage_lines,
)
from gateway.store.timeseries import PointRef, ReadingColumns, UsageColumns


def ref(device: str, point: str = "power", enterprise: str = "E", point_id: int = 1) -> PointRef:
    return PointRef(point_id, enterprise, device, point, "power")


def test_readings_and_usage_become_lines() -> None:
    keys = SeriesKeys(lambda point_id: ref(f"meter-{point_id}"))
    readings = ReadingColumns(
        np.array([1, 2], np.int32), np.array([-5, 7], np.int64), np.array([0.1, 1e300]), np.array([0, 2], np.uint8)
    )
    assert reading_lines(readings, keys).decode().splitlines() == [
        "reading,enterprise=E,device=meter-1,point=power value=0.1,quality=0i -5",
        "reading,enterprise=E,device=meter-2,point=power value=1e300,quality=2i 7",
    ]
    one = np.array([3_600_000], np.int64)
    usage = UsageColumns(np.array([2], np.int32), one, -one, one, one)
    assert usage_lines(usage, keys).decode() == (
        "usage_hourly,enterprise=E,device=meter-2,point=power "
        "amount_u=-3600000i,estimated_u=3600000i,covered_ms=3600000i 3600000"
    )


@given(value=st.floats(allow_nan=False, allow_infinity=False), at_ms=st.integers(min_value=-(2**53), max_value=2**53))
def test_every_number_survives_as_text(value: float, at_ms: int) -> None:
    keys = SeriesKeys(lambda point_id: ref("meter"))
    one = ReadingColumns(np.array([1], np.int32), np.array([at_ms]), np.array([value]), np.array([1], np.uint8))
    fields, time = (
        reading_lines(one, keys).decode().removeprefix("reading,enterprise=E,device=meter,point=power ").split()
    )
    text = fields.removeprefix("value=").removesuffix(",quality=1i")
    assert np.array(float(text)).tobytes() == np.array(value).tobytes()
    assert int(time) == at_ms


def test_a_point_is_looked_up_once() -> None:
    asked: list[int] = []

    def directory(point_id: int) -> PointRef:
        asked.append(point_id)
        return ref("meter")

    keys = SeriesKeys(directory)
    for _ in range(3):
        keys.of("reading", [7, 7, 8])
    assert asked == [7, 8]


def test_separators_in_names_are_escaped_and_other_letters_kept() -> None:
    assert tag_set(ref("hall 3, a=b", "电量")) == r"enterprise=E,device=hall\ 3\,\ a\=b,point=电量"


@pytest.mark.parametrize("name", ["", "back\\slash", "line\nbreak", "nul\0"])
def test_names_that_line_protocol_cannot_say_are_refused(name: str) -> None:
    with pytest.raises(StoreRefused, match=r"device .* cannot be written to InfluxDB.*Rename it in the registry"):
        tag_set(ref(name))


def test_conditions_group_points_and_quote_names() -> None:
    refs = [ref("a", "power"), ref("a", "energy"), ref("it's \\", "power", enterprise="F")]
    assert series_condition(refs) == (
        """("enterprise" = 'E' AND (("device" = 'a' AND ("point" = 'power' OR "point" = 'energy')))) OR """
        """("enterprise" = 'F' AND (("device" = 'it\\'s \\\\' AND ("point" = 'power'))))"""
    )


def test_slices_cover_every_row_once_and_none_is_too_long() -> None:
    for rows in (0, 1, LINES_PER_WRITE, 2 * LINES_PER_WRITE + 1):
        ranges = list(slices(rows))
        assert [row for part in ranges for row in range(part.start, part.stop)] == list(range(rows))
        assert all(part.stop - part.start <= LINES_PER_WRITE for part in ranges)
