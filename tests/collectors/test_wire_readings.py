"""Readings written straight to bytes say what the same readings say by way of columns."""

from __future__ import annotations

import math
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from collectors.reading import Quality, Reading, batch_from_readings
from collectors.wire import content_hash, decode_batch, encode_batch
from collectors.wire_readings import encode_readings

ID = "01J9ZXM5N8Q2R4T6V8WAYBZC0D"
NOW_MS = 1_760_000_000_000

SINGLE = st.builds(
    Reading,
    st.sampled_from(["incomer", "tenant", "总表"]),
    st.sampled_from(["power", "energy_import", "voltage_l1"]),
    st.integers(NOW_MS, NOW_MS + 3),
    st.none() | st.floats(allow_subnormal=True) | st.integers(-(2**53), 2**53),
    st.sampled_from(Quality),
)
POLL = st.tuples(st.sampled_from(["incomer", "tenant"]), st.integers(0, 5), st.floats(-1e6, 1e6)).map(
    lambda poll: [
        Reading(poll[0], point, NOW_MS + poll[1], poll[2]) for point in ("power", "energy_import", "voltage_l1")
    ]
)


POLLS = st.lists(POLL, min_size=1).map(lambda polls: list(chain.from_iterable(polls)))


@given(st.lists(SINGLE, min_size=1, max_size=30) | POLLS)
def test_bytes_say_what_the_columns_say(readings: list[Reading]) -> None:
    by_columns = decode_batch(encode_batch(batch_from_readings(ID, NOW_MS, readings)))
    straight = decode_batch(encode_readings(ID, NOW_MS, readings))

    assert (straight.batch_id, straight.sent_at_ms, straight.spoiled) == (ID, NOW_MS, ())
    assert content_hash(straight) == content_hash(by_columns)


def test_polls_become_rows_as_they_stand() -> None:
    polls = [Reading("incomer", point, NOW_MS + at, at + 0.5) for at in (0, 1) for point in ("power", "energy_import")]

    assert encode_readings(ID, NOW_MS, polls) == (
        b'{"v":1,"batch":"%b","sent_at":%d,"devices":[{"device":"incomer","points":["power","energy_import"],'
        b'"rows":[[%d,0.5,0.5],[%d,1.5,1.5]]}]}' % (ID.encode(), NOW_MS, NOW_MS, NOW_MS + 1)
    )


def test_of_two_readings_of_one_instant_the_later_stands_and_what_is_missing_is_null() -> None:
    readings = [
        Reading("incomer", "power", NOW_MS + 1, 1.0),
        Reading("incomer", "power", NOW_MS + 1, 2.0, Quality.UNCERTAIN),
        Reading("incomer", "energy_import", NOW_MS, math.inf),
    ]

    (block,) = decode_batch(encode_readings(ID, NOW_MS, readings)).blocks

    assert block.points == ("power", "energy_import")
    assert block.at_ms.tolist() == [NOW_MS, NOW_MS + 1]
    assert [[math.isnan(value) for value in row] for row in block.values.tolist()] == [[True, True], [False, True]]
    assert block.values[1, 0] == 2.0
    assert block.quality is not None
    assert block.quality.tolist() == [[0, 0], [1, 0]]
