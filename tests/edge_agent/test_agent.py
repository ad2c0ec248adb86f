"""Steps of the agent, walked one by one without threads, network or clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from collectors.driver import PolledDevice, PollResult
from collectors.errors import StoreUnavailable
from collectors.profile import MeterProfile
from collectors.reading import Reading
from collectors.wire import ReasonCount, Receipt, decode_batch
from edge_agent import agent as agent_module
from edge_agent.agent import AgentDevice, EdgeAgent, Grouping
from edge_agent.buffer import Buffer
from edge_agent.polling import SynchronousPolling

OpenAt = Callable[..., Buffer]
POINTS = ("energy_import", "power")


def sent_readings(line: Any) -> list[tuple[str, int, float]]:
    """(device, time, energy) of everything that was sent, each batch once."""
    batches = {batch.batch_id: batch for batch in map(decode_batch, line.sent)}
    return [
        (block.device, int(at_ms), float(row[0]))
        for batch in batches.values()
        for block in batch.blocks
        for at_ms, row in zip(block.at_ms, block.values, strict=True)
    ]


def status_of(agent: EdgeAgent) -> dict[str, Any]:
    return dict(json.loads(agent.status))


def test_one_step_polls_keeps_and_sends(make_agent: Any, line: Any, open_at: OpenAt, now_ms: int) -> None:
    wait_s = make_agent().step(now_ms)
    assert sent_readings(line) == [("a", now_ms, 1.0), ("b", now_ms, 2.0)]
    assert open_at().stats().readings == 4  # sent, but not confirmed
    assert 0 < wait_s <= 5


def test_next_step_is_when_the_next_device_is_due(make_agent: Any, driver: Any, now_ms: int) -> None:
    agent = make_agent()
    now_ms += 7_000
    agent.step(now_ms)
    assert agent.step(now_ms) == pytest.approx(3.0)
    agent.step(now_ms + 2_999)
    assert len(driver.asked) == 2
    agent.step(now_ms + 3_000)
    assert driver.asked[2:] == [("a", now_ms + 3_000)]


def test_receipt_makes_the_agent_forget(make_agent: Any, line: Any, open_at: OpenAt, now_ms: int) -> None:
    buffer = open_at()
    agent = make_agent(buffer=buffer)
    agent.step(now_ms)
    line.receipts = [Receipt(decode_batch(payload).batch_id, "stored", 4) for payload in line.sent]
    agent.step(now_ms + 1)
    assert buffer.stats().batches == 0


def test_silent_gateway_everything_is_kept_and_resent(make_agent: Any, line: Any, open_at: OpenAt, now_ms: int) -> None:
    buffer = open_at(resend_after_ms=30_000)
    agent = make_agent(buffer=buffer)
    for second in range(200):
        agent.step(now_ms + 1000 * second)
    batches = [decode_batch(payload).batch_id for payload in line.sent]
    first = batches[0]
    assert batches.count(first) >= 3
    assert buffer.stats().batches >= len(set(batches)) > 1


def test_without_a_line_readings_wait_on_disk_and_then_go_oldest_first(make_agent: Any, line: Any, now_ms: int) -> None:
    line.connected, line.connections = False, 0
    agent = make_agent()
    for second in range(0, 120, 10):
        agent.step(now_ms + 1000 * second)
    assert line.sent == []
    line.connected, line.connections = True, 1
    for second in range(120, 125):  # a few at first, more with each receipt
        agent.step(now_ms + 1000 * second)
        line.receipts = [Receipt(decode_batch(payload).batch_id, "stored", 4) for payload in line.sent]
    times = [at_ms for device, at_ms, _ in sent_readings(line) if device == "a"]
    assert len(times) == 13
    assert times == sorted(times)


def test_new_connection_resends_at_once_what_was_on_its_way(make_agent: Any, line: Any, now_ms: int) -> None:
    agent = make_agent()
    agent.step(now_ms)
    before = list(line.sent)
    agent.step(now_ms + 1)
    assert line.sent == before
    line.connections += 1
    agent.step(now_ms + 2)
    assert line.sent == before * 2


def test_rejected_batch_is_set_aside_and_the_next_goes_on(
    make_agent: Any, line: Any, open_at: OpenAt, now_ms: int
) -> None:
    buffer = open_at()
    agent = make_agent(buffer=buffer)
    agent.step(now_ms)
    [rejected] = [decode_batch(payload).batch_id for payload in line.sent]
    line.receipts = [Receipt(rejected, "rejected", 0, 4, (ReasonCount("unknown_agent", 4),))]
    agent.step(now_ms + 10_000)
    assert [aside.batch_id for aside in buffer.set_aside()] == [rejected]
    assert len(line.sent) == 2
    agent.step(now_ms + 40_000)
    assert status_of(agent)["gateway"]["set_aside"] == {"unknown_agent": 4}
    assert status_of(agent)["gateway"]["last_receipt"]["status"] == "rejected"


def test_dead_device_is_counted_and_backed_off_and_neighbours_go_on(make_agent: Any, driver: Any, now_ms: int) -> None:
    driver.dead = {"b"}
    agent = make_agent()
    for second in range(121):
        agent.step(now_ms + 1000 * second)
    asked_b = [(at_ms - now_ms) // 1000 for device, at_ms in driver.asked if device == "b"]
    asked_a = [(at_ms - now_ms) // 1000 for device, at_ms in driver.asked if device == "a"]
    assert asked_b == [0, 2, 6, 14, 30, 62]
    assert asked_a == list(range(0, 121, 10))
    health = status_of(agent)["devices"]
    assert health["b"]["errors"] == {"unreachable": 6}
    assert health["b"]["last_seen_at"] is None
    assert "no reply" in health["b"]["last_error"]
    assert health["a"]["errors"] == {}
    assert health["a"]["last_seen_at"] == now_ms + 120_000


def test_defective_driver_costs_its_own_device_only(make_agent: Any, line: Any, now_ms: int) -> None:
    class Defective:
        def poll(self, device: PolledDevice, now_ms: int) -> PollResult:
            raise ZeroDivisionError("planted")

        def close(self) -> None: ...

    agent = make_agent(**{"bus-b": Defective()})
    with capture_logs() as said:
        agent.step(now_ms)
    assert isinstance(next(entry for entry in said if entry["event"] == "driver_defect")["exc_info"], ZeroDivisionError)
    assert [device for device, _, _ in sent_readings(line)] == ["a"]
    assert "ZeroDivisionError: planted" in status_of(agent)["devices"]["b"]["last_error"]


def test_readings_are_grouped_by_age_and_number(make_agent: Any, open_at: OpenAt, now_ms: int) -> None:
    buffer = open_at()
    agent = make_agent(buffer=buffer, max_age_ms=1000, max_readings=1000)
    assert agent.step(now_ms) == pytest.approx(1.0)
    assert buffer.stats().batches == 0
    agent.step(now_ms + 1000)
    assert (buffer.stats().batches, buffer.stats().readings) == (1, 4)
    agent = make_agent(buffer=buffer, max_age_ms=1000, max_readings=3)
    agent.step(now_ms + 5_000)
    assert (buffer.stats().batches, buffer.stats().readings) == (2, 7)


def test_what_is_due_at_once_goes_to_disk_in_one_commit(
    make_agent: Any, open_at: OpenAt, now_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "MAX_COMMIT", 2)
    buffer = open_at()
    commits: list[list[int]] = []
    append_all = buffer.append_all

    def counted(groups: list[list[Reading]], now_ms: int) -> list[str]:
        commits.append([len(group) for group in groups])
        return append_all(groups, now_ms)

    monkeypatch.setattr(buffer, "append_all", counted)
    make_agent(1, buffer=buffer).step(now_ms)  # two devices with two points each

    assert commits == [[1, 1], [1, 1]]
    assert buffer.stats().batches == 4


def test_stop_keeps_what_was_still_waiting(make_agent: Any, open_at: OpenAt, now_ms: int) -> None:
    buffer = open_at()
    agent = make_agent(buffer=buffer, max_age_ms=60_000)
    agent.step(now_ms)
    assert buffer.stats().readings == 0
    assert json.loads(agent.farewell) == {"v": 1, "online": False, "reason": "failed"}
    agent.stop(now_ms + 1)
    assert json.loads(agent.farewell)["reason"] == "stopped"
    assert open_at().stats().readings == 4


def test_full_disk_stops_neither_polling_nor_sending_and_heals(
    make_agent: Any, driver: Any, line: Any, open_at: OpenAt, now_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = open_at()
    agent = make_agent(buffer=buffer)
    agent.step(now_ms)

    def refuse(groups: list[list[Reading]], now_ms: int) -> list[str]:
        raise StoreUnavailable("database or disk is full")

    monkeypatch.setattr(buffer, "append_all", refuse)
    for second in range(10, 31, 10):
        agent.step(now_ms + 1000 * second)
    assert len(driver.asked) == 2 + 3
    assert status_of(agent)["problems"] == ["database or disk is full"]
    line.receipts = [Receipt(decode_batch(line.sent[0]).batch_id, "stored", 4)]
    agent.step(now_ms + 31_000)
    assert buffer.stats().batches == 0
    monkeypatch.undo()
    agent.step(now_ms + 40_000)
    assert [at_ms - now_ms for device, at_ms, _ in sent_readings(line) if device == "a"] == [
        0, 10_000, 20_000, 30_000, 40_000,
    ]  # fmt: skip
    agent.step(now_ms + 70_000)
    assert status_of(agent)["problems"] == []


def test_while_the_disk_refuses_memory_is_bounded_and_loss_counted(
    make_agent: Any, open_at: OpenAt, now_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "MAX_WAITING", 6)
    buffer = open_at()
    agent = make_agent(buffer=buffer)

    def refuse(groups: list[list[Reading]], now_ms: int) -> list[str]:
        raise StoreUnavailable("database or disk is full")

    monkeypatch.setattr(buffer, "append_all", refuse)
    for second in range(0, 50, 10):
        agent.step(now_ms + 1000 * second)
    # 5 polls of a and 1 of b gave 12 readings; 6 may wait.
    agent.step(now_ms + 65_000)
    assert status_of(agent)["buffer"]["lost_readings"] >= 6
    monkeypatch.undo()
    agent.stop(now_ms + 66_000)
    assert buffer.stats().readings <= 6 + 4


def test_status_document_has_what_a_person_needs(make_agent: Any, line: Any, now_ms: int) -> None:
    line.problem = "the connection was lost"
    agent = make_agent()
    agent.step(now_ms)
    document = status_of(agent)
    assert line.statuses == [agent.status]
    assert document["online"] is True
    assert document["started_at"] == document["at"] == now_ms
    assert set(document["versions"]) == {"tanmai", "python"}
    assert set(document["devices"]) == {"a", "b"}
    assert document["buffer"]["batches"] == 1
    assert document["gateway"]["connected"] is True
    assert document["gateway"]["on_their_way"] == 1
    assert document["gateway"]["last_receipt"] is None
    assert document["problems"] == ["the connection was lost"]


def test_full_buffer_drops_the_oldest_says_so_and_goes_on_reading(
    make_agent: Any, line: Any, open_at: OpenAt, driver: Any, now_ms: int
) -> None:
    buffer = open_at(max_bytes=2_000)
    agent = make_agent(buffer=buffer)
    with capture_logs() as logs:
        for second in range(0, 400, 10):
            agent.step(now_ms + 1000 * second)
    dropped = buffer.stats().dropped_readings
    assert dropped > 0
    assert len(driver.asked) >= 40
    assert any("made it drop" in problem and "oldest first" in problem for problem in status_of(agent)["problems"])
    told = sum(entry["readings"] for entry in logs if entry["event"] == "buffer_dropped")
    assert 0 < told <= dropped


def test_polling_pauses_while_the_buffer_is_full_and_goes_on_by_itself(
    line: Any, open_at: OpenAt, driver: Any, meter: MeterProfile, now_ms: int
) -> None:
    buffer = open_at(max_bytes=4_000)
    device = AgentDevice(PolledDevice("a", 1, meter, POINTS), "bus-a", 10_000)
    polling = SynchronousPolling({"bus-a": driver})
    agent = EdgeAgent([device], polling, buffer, line, Grouping(1000, 0), now_ms, pause_when_full=True)
    for second in range(0, 1000, 10):
        agent.step(now_ms + 1000 * second)
    asked = len(driver.asked)
    assert asked < 50
    assert buffer.stats().dropped_batches == 0
    assert status_of(agent)["paused"]
    assert any("nothing is read" in problem for problem in status_of(agent)["problems"])
    for second in range(1000, 1400, 10):
        line.receipts = [Receipt(decode_batch(payload).batch_id, "stored", 2) for payload in line.sent]
        agent.step(now_ms + 1000 * second)
    assert len(driver.asked) > asked + 20
    assert not status_of(agent)["paused"]


def test_status_holds_what_operations_promises(make_agent: Any, line: Any, now_ms: int) -> None:
    agent = make_agent()
    agent.step(now_ms, 0)
    document = status_of(agent)
    assert {
        "online",
        "at",
        "started_at",
        "versions",
        "devices",
        "buses",
        "clock",
        "buffer",
        "paused",
    } <= document.keys()
    assert document["buses"].keys() == {"bus-a", "bus-b"}
    assert {"mqtt_version", "form", "on_their_way", "refused_messages", "oversized_batches"} <= document[
        "gateway"
    ].keys()
