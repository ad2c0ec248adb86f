"""Whatever is stopped, killed or emptied: every reading that a meter gave is in the store, exactly once.

The meter counts how often it was read (`CountingMeter`), so the store must hold 1, 2, 3, … without a hole.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from urllib.parse import urlsplit

from collectors.clock import now_ms
from tests.system.small_park import AGENT, Agent, CountingMeter, Gateway, http, until

KILLS = 3
READINGS_BETWEEN = 20


def counted(gateway: Gateway) -> list[int]:
    """What the store holds of the meter's count, in the order of time."""
    return [round(item["value"] * 100) for item in gateway.readings("line-2")]


def await_more(gateway: Gateway, meter: CountingMeter, count: int) -> None:
    """Until the gateway has what the meter gives from now on."""
    wanted = meter.given + count
    until(lambda: max(counted(gateway), default=0) >= wanted, f"reading {wanted} in the store")


def freeze_and_check(gateway: Gateway, meter: CountingMeter) -> None:
    """No more counting; then all of the count must be there, and the sums must say the same."""
    meter.frozen = True
    until(lambda: len(counted(gateway)) >= meter.given, f"all {meter.given} readings in the store")
    assert counted(gateway) == list(range(1, meter.given + 1))
    gateway.operation("rollup")
    assert abs(gateway.usage("line-2") - (meter.given - 1) / 100) < 1e-9


def test_stopped_gateway_is_caught_up_with_when_it_comes_back(
    gateway: Gateway, agent: Agent, meter: CountingMeter
) -> None:
    agent.start()
    await_more(gateway, meter, 5)
    broker_address, accounts = gateway.mqtt, gateway.operation("registry_show")["text"]

    code, _ = gateway.end(signal.SIGTERM)
    assert code == 0, gateway.said
    assert not (gateway.data_dir / "control.json").exists()
    before = meter.given
    until(lambda: meter.given >= before + READINGS_BETWEEN, "the agent reads on")

    gateway.start()
    assert gateway.mqtt == broker_address, "agents could not find it again"
    assert gateway.operation("registry_show")["text"] == accounts
    await_more(gateway, meter, 5)
    freeze_and_check(gateway, meter)
    assert agent.runs


def test_broker_killed_and_emptied_loses_nothing(gateway: Gateway, agent: Agent, meter: CountingMeter) -> None:
    agent.start()
    await_more(gateway, meter, 5)
    killed = gateway.broker_pid
    os.kill(killed, signal.SIGKILL)
    for file in sorted((gateway.data_dir / "broker").rglob("*"), reverse=True):
        if file.is_file():
            file.unlink(missing_ok=True)
    until(lambda: http("GET", f"{gateway.url}/readyz").status == 200 and gateway.broker_pid != killed, "a new broker")
    await_more(gateway, meter, READINGS_BETWEEN)
    freeze_and_check(gateway, meter)


def test_broker_that_cannot_come_back_yet_stops_nothing_else(
    gateway: Gateway, agent: Agent, meter: CountingMeter
) -> None:
    agent.start()
    await_more(gateway, meter, 5)
    address = urlsplit(gateway.mqtt)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(gateway.broker_pid, signal.SIGKILL)
        until(lambda: bound(squatter, str(address.hostname), address.port or 0), "its port for somebody else")
        gateway.await_line("broker_not_revived")
        assert http("GET", f"{gateway.url}/healthz").status == 200
        assert http("GET", f"{gateway.url}/readyz").status == 503
        receipt = gateway.post_history(AGENT, "incomer-1", {now_ms() - 60_000: [1.0]}, "energy_import")
        assert receipt["status"] == "stored"
    until(lambda: http("GET", f"{gateway.url}/readyz").status == 200, "the broker again")
    await_more(gateway, meter, 5)
    freeze_and_check(gateway, meter)


def bound(squatter: socket.socket, host: str, port: int) -> bool:
    try:
        squatter.bind((host, port))
    except OSError:
        return False
    squatter.listen()
    return True


def test_gateway_killed_again_and_again_under_load_keeps_every_reading_once(
    gateway: Gateway, agent: Agent, meter: CountingMeter
) -> None:
    agent.start()
    for _ in range(KILLS):
        await_more(gateway, meter, READINGS_BETWEEN)
        gateway.end(signal.SIGKILL)
        before = meter.given
        until(lambda before=before: meter.given >= before + READINGS_BETWEEN, "the agent reads on")
        gateway.start()
    await_more(gateway, meter, READINGS_BETWEEN)
    freeze_and_check(gateway, meter)


def test_killed_agent_goes_on_with_what_it_had_on_disk(gateway: Gateway, agent: Agent, meter: CountingMeter) -> None:
    agent.start()
    for _ in range(KILLS):
        await_more(gateway, meter, READINGS_BETWEEN)
        agent.end(signal.SIGKILL)
        agent.start()
    await_more(gateway, meter, READINGS_BETWEEN)
    meter.frozen = True
    until(lambda: counted(gateway)[-1] == meter.given, "the last reading in the store")
    found = counted(gateway)
    assert found == sorted(set(found)), "a reading is there twice, or out of order"
    # Not promised: what was in memory only (max_age_s) or on the wire at a kill.
    assert meter.given - len(found) <= KILLS * 3
    gateway.operation("rollup")
    assert abs(gateway.usage("line-2") - (meter.given - 1) / 100) < 1e-9, "a counter's sum has no hole"


def test_gateway_and_broker_gone_together_while_the_agent_was_cut_off(
    gateway: Gateway, agent: Agent, meter: CountingMeter
) -> None:
    """The worst morning: the gateway is killed, everything the broker knew is deleted, the agent starts again too."""
    agent.start()
    await_more(gateway, meter, 5)
    gateway.end(signal.SIGKILL)
    before = meter.given
    until(lambda: meter.given >= before + READINGS_BETWEEN, "the agent reads on")
    meter.frozen = True
    given = meter.given
    agent.end(signal.SIGTERM)
    port = (gateway.data_dir / "broker" / "port").read_text()
    shutil.rmtree(gateway.data_dir / "broker")
    (gateway.data_dir / "broker").mkdir()
    (gateway.data_dir / "broker" / "port").write_text(port)
    gateway.start()
    agent.start()
    until(lambda: len(counted(gateway)) >= given, "what the agent kept on disk")
    assert counted(gateway) == list(range(1, given + 1))
