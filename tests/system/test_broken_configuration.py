"""A broken configuration of whatever part: every mistake at once with line and key, exit 2, nothing half-started."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.small_park import AGENT, REGISTRY, Agent, Gateway, clean_environment, http, run

BROKEN_EDGE = """
agent: {enterprise: 91350505M00000019R, id: edge 1}
gateway: {mqtt: "http://127.0.0.1", password_file: token, retries: 3}
gateway: {mqtt: "mqtt://127.0.0.1:1"}
buffer: {max_mib: 0}
buses:
- {id: bus-1, driver: modbus-rtv, port: 99999}
devices:
- {id: incomer-1, bus: bus-2, unit: 300, profile: eastron-sdm630, points: [energy_import, colour], every_s: soon}
- {id: incomer-1, bus: bus-1, profile: eastron-sdm999}
"""


def test_agent_names_every_mistake_and_makes_no_file(tmp_path: Path) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(BROKEN_EDGE)
    for command in ("run", "check", "read", "status"):
        said = run(["edge", command, "--config", str(config)], clean_environment())
        assert said.code == 2, said
        for line, key in (
            (2, "agent.id"),
            (3, "gateway.mqtt"),
            (3, "gateway.retries"),
            (4, "gateway"),
            (5, "buffer.max_mib"),
            (7, "buses[0].driver"),
            (7, "buses[0].port"),
            (9, "devices[0].bus"),
            (9, "devices[0].unit"),
            (9, "devices[0].points[1]"),
            (9, "devices[0].every_s"),
            (10, "devices[1].id"),
            (10, "devices[1].profile"),
        ):
            assert f"{config}:{line}: {key}: " in said.err, (command, key, said.err)
    assert [path.name for path in tmp_path.iterdir()] == ["edge.yaml"]


def test_agent_whose_token_or_broker_is_wrong_keeps_reading_and_says_so(gateway: Gateway, agent: Agent) -> None:
    agent.config.with_name("token").write_text("tm_0123456789abcdef_" + "0" * 64)
    agent.start()
    agent.await_line("no_connection")
    assert "0" * 64 not in agent.said
    agent.config.with_name("token").write_text(gateway.token("device", AGENT))
    assert agent.end(signal.SIGTERM)[0] == 0
    agent.start()
    agent.await_line('"connected"')


def test_registry_beside_a_server_changes_nothing_if_anything_is_wrong(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.operation("registry_show")["text"]
    file = tmp_path / "park.yaml"
    file.write_text(
        REGISTRY.replace("id: west", "id: east")
        .replace("id: edge-1}", "id: edge-1, port: 1}", 1)
        .replace("from: [incomer-1.energy_import]", "from: [incomer-9.energy_import]", 1)
    )
    said = gateway.tanmai("registry", "apply", str(file))
    assert said.code == 2
    for line, key in (
        (4, "parks[1].id"),
        (11, "enterprises[0].agents[0].port"),
        (16, "enterprises[0].sources[0].from"),
    ):
        assert f"{file}:{line}: {key}" in said.err, said.err
    assert gateway.operation("registry_show")["text"] == before


def test_second_server_on_one_data_directory_is_refused_and_the_first_goes_on(gateway: Gateway) -> None:
    ready = (gateway.data_dir / "ready.json").read_text()
    second = gateway.tanmai("serve")
    assert second.code == 2
    assert f"already runs on {gateway.data_dir} at {gateway.url}" in second.err
    assert (gateway.data_dir / "ready.json").read_text() == ready
    (gateway.data_dir / "control.json").rename(gateway.data_dir / "hidden")  # as if its file had been lost
    third = gateway.tanmai("serve")
    assert third.code == 1
    assert "one process owns the file" in third.err
    (gateway.data_dir / "hidden").rename(gateway.data_dir / "control.json")
    assert http("GET", f"{gateway.url}/readyz").status == 200
    assert gateway.tanmai("token", "list").code == 0


@pytest.mark.parametrize("variable", ["TANMAI_HTTP", "TANMAI_MQTT_LISTEN"])
def test_taken_port_is_named_and_the_next_start_is_a_whole_first_start(
    new_gateway: Callable[..., Gateway], variable: str
) -> None:
    gateway = new_gateway()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        said = run(["serve"], {**gateway.environment, variable: address})
    assert said.code == 2
    assert address in said.err
    assert "choose another" in said.err
    assert not (gateway.data_dir / "control.json").exists()
    assert not (gateway.data_dir / "ready.json").exists()
    gateway.start()
    assert gateway.ready["tokens"]["admin"].startswith("tm_")
    assert gateway.tanmai("token", "list").out.count(" admin ") == 1
    for name in ("ready.json", "control.json"):
        assert (gateway.data_dir / name).stat().st_mode & 0o777 == 0o600


def test_control_file_left_by_a_kill_is_ignored_even_if_another_server_has_the_port(
    gateway: Gateway, tmp_path: Path
) -> None:
    other = Gateway(tmp_path / "other")
    try:
        other.data_dir.mkdir(parents=True)
        (other.data_dir / "control.json").write_text(
            f'{{"url": "{gateway.url}", "token": "of a killed server that had this port"}}'
        )
        assert "91350505M00000019R" not in other.tanmai("registry", "show").out
        other.start()
        assert other.url != gateway.url
    finally:
        other.close()
