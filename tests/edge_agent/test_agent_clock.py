"""What the agent does while its clock is not set, jumps or is in doubt; walked step by step as in `test_agent`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from collectors.wire import Receipt, decode_batch
from edge_agent.agent import EdgeAgent
from edge_agent.buffer import Buffer

OpenAt = Callable[..., Buffer]


def status_of(agent: EdgeAgent) -> dict[str, Any]:
    return dict(json.loads(agent.status))


def test_nothing_is_read_while_the_clock_is_not_set(make_agent: Any, driver: Any, now_ms: int) -> None:
    agent = make_agent()
    agent.step(5_000)
    assert driver.asked == []
    assert "clock" in status_of(agent)["problems"][0]
    agent.step(now_ms)
    assert len(driver.asked) == 2


def test_clock_jumps_cost_no_reading_and_no_resend(make_agent: Any, driver: Any, line: Any, now_ms: int) -> None:
    agent = make_agent()
    agent.step(now_ms + 86_400_000)
    agent.step(now_ms)
    assert [at_ms for device, at_ms in driver.asked if device == "a"] == [now_ms + 86_400_000, now_ms]
    assert len(line.sent) >= 3  # the first batch again, and the new one


def qualities(line: Any) -> dict[int, set[int]]:
    """Time of a reading -> its qualities, of everything that was sent."""
    found: dict[int, set[int]] = {}
    for batch in map(decode_batch, line.sent):
        for block in batch.blocks:
            for row, at_ms in enumerate(block.at_ms.tolist()):
                marks = {0} if block.quality is None else set(block.quality[row].tolist())
                found.setdefault(at_ms, set()).update(marks)
    return found


def confirm(line: Any, at_ms: int | None) -> None:
    """The gateway confirms everything that was sent, and says its time (an older one does not)."""
    line.receipts = [Receipt(decode_batch(payload).batch_id, "stored", 4, at=at_ms) for payload in line.sent]


def test_readings_are_marked_uncertain_while_the_clock_is_in_doubt(make_agent: Any, line: Any, now_ms: int) -> None:
    agent = make_agent()
    agent.step(now_ms, 0)
    off_ms = 40_000
    for passed_ms in (10_000, 20_000):  # somebody set the clock
        confirm(line, None)
        agent.step(now_ms + passed_ms + off_ms, passed_ms)
    assert "set forward by 40.0 s" in status_of(agent)["clock"]["doubt"]
    assert any("the clock is in doubt" in problem for problem in status_of(agent)["problems"])
    for passed_ms in (30_000, 40_000):  # and back again: as far as anybody can tell it is right
        confirm(line, None)
        agent.step(now_ms + passed_ms, passed_ms)
    marks = qualities(line)
    assert marks[now_ms] == {0}
    assert marks[now_ms + 10_000 + off_ms] == marks[now_ms + 20_000 + off_ms] == {1}
    assert marks[now_ms + 40_000] == {0}
    assert status_of(agent)["clock"]["steps"] == 2


def test_receipt_shows_that_the_clock_is_off_and_the_next_readings_say_so(
    make_agent: Any, line: Any, now_ms: int
) -> None:
    agent = make_agent()
    agent.step(now_ms, 0)
    confirm(line, now_ms - 3_600_000)  # by the gateway's clock
    assert agent.step(now_ms + 100, 100) == 0.0, "a receipt is judged with a time that is surely later than its own"
    agent.step(now_ms + 110, 110)
    agent.step(now_ms + 10_000, 10_000)
    marks = qualities(line)
    assert (marks[now_ms], marks[now_ms + 10_000]) == ({0}, {1})
    agent.stop(now_ms + 30_000)
    clock = json.loads(agent.farewell)["clock"]
    assert abs(clock["offset_ms"] - 3_600_000) <= clock["offset_within_ms"] <= 1_000


def test_clock_that_jumps_ahead_drops_nothing_for_its_age(
    make_agent: Any, line: Any, open_at: OpenAt, now_ms: int
) -> None:
    buffer = open_at(max_age_ms=86_400_000)
    agent = make_agent(buffer=buffer)
    agent.step(now_ms, 0)
    agent.step(now_ms + 1, 1)
    jumped_ms = now_ms + 10 * 86_400_000
    agent.step(jumped_ms, 10_000)
    agent.step(jumped_ms + 1, 10_001)
    assert buffer.stats().dropped_batches == 0
    assert buffer.stats().batches >= 2
    confirm(line, None)
    agent.step(jumped_ms + 2, 10_002)
    agent.step(jumped_ms + 10_000, 20_000)  # what is sent now is confirmed by a gateway that says the same time
    confirm(line, jumped_ms + 10_000)
    agent.step(jumped_ms + 10_001, 20_001)
    assert qualities(line)[jumped_ms + 10_000] == {1}
    agent.step(jumped_ms + 20_000, 30_000)
    assert qualities(line)[jumped_ms + 20_000] == {0}
