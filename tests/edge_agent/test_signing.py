"""Promises of the agent's key: made once, kept private, and under everything that is sent."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collectors.errors import ConfigurationError
from collectors.seals import PublicKey, SigningKey, is_sealed, opened
from collectors.wire import decode_batch
from edge_agent.cli import edge
from edge_agent.connection import Connection
from edge_agent.health import last_will
from edge_agent.publisher import MqttPublisher
from edge_agent.settings import load_settings
from edge_agent.signing import seal_of, trusted_keys_of, unsealed

CONFIG = """
agent: {enterprise: acme, id: edge-1AGENT}
gateway: {mqtt: "mqtt://127.0.0.1:1"}
buses: [{id: bus-1, driver: modbus-tcp, host: 127.0.0.1}]
devices: [{id: m1, bus: bus-1, profile: eastron-sdm630}]
"""
Configure = Callable[..., Path]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """configure(", signing_key_file: …") writes a configuration with these keys of the agent."""

    def write(agent: str = "") -> Path:
        path = tmp_path / "edge.yaml"
        path.write_text(CONFIG.replace("AGENT", agent))
        return path

    return write


def test_keygen_prints_what_the_registry_needs_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"
    said = CliRunner().invoke(edge, ["keygen", str(path)])
    assert said.exit_code == 0, said.output
    lines = dict(line.split(": ", 1) for line in said.output.splitlines())
    key = SigningKey.load(path)
    assert (lines["public key"], lines["key id"]) == (key.public.text, key.public.key_id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert CliRunner().invoke(edge, ["keygen", str(path)]).exit_code == 2
    assert path.read_bytes() == before


def test_agent_without_a_key_sends_plain(configure: Configure) -> None:
    settings = load_settings(configure())
    assert seal_of(settings) is unsealed
    assert trusted_keys_of(settings) == {}


def test_agent_without_keys_loads_no_cryptography() -> None:
    script = "import sys; import edge_agent.cli, edge_agent.running; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_agent_with_a_key_signs_for_itself(configure: Configure, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "agent.pem")
    sealed = seal_of(load_settings(configure(", signing_key_file: agent.pem")))(b"payload")
    signature, payload = opened(sealed)
    assert payload == b"payload"
    assert key.public.verifies(signature, "batch", "acme", "edge-1", payload)


def test_key_that_is_missing_or_open_to_others_starts_nothing(configure: Configure, tmp_path: Path) -> None:
    settings = load_settings(configure(", signing_key_file: agent.pem"))
    with pytest.raises(ConfigurationError, match="signing_key_file"):
        seal_of(settings)
    SigningKey.make(tmp_path / "agent.pem")
    (tmp_path / "agent.pem").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        seal_of(settings)
    assert CliRunner().invoke(edge, ["check", "--config", str(tmp_path / "edge.yaml")]).exit_code == 2


def test_trusted_keys_are_keys_or_the_file_is_refused(configure: Configure, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "gateway.pem").public
    settings = load_settings(configure(f", trusted_config_keys: ['{key.text}']"))
    assert trusted_keys_of(settings) == {key.raw_key_id: PublicKey.parse(key.text)}
    with pytest.raises(ConfigurationError, match=r"trusted_config_keys\[1\]"):
        load_settings(configure(f", trusted_config_keys: ['{key.text}', abc]"))


@pytest.mark.real("mosquitto")
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_batches_are_sealed_on_the_line_in_both_versions(
    mosquitto: Any, gateway: Any, until: Any, configure: Configure, tmp_path: Path, version: str
) -> None:
    key = SigningKey.make(tmp_path / "agent.pem")
    settings = load_settings(configure(", signing_key_file: agent.pem"))
    other_side = gateway(mosquitto.url)
    connection = Connection(mosquitto.url, "acme", "edge-1", version=version)
    publisher = MqttPublisher(connection, last_will(), lambda: None, seal=seal_of(settings))
    publisher.start()
    until(lambda: publisher.connected)
    batch = b'{"v":1,"batch":"one","sent_at":1,"devices":[]}'
    assert publisher.send(batch)
    until(lambda: other_side.payloads)
    publisher.close(b"{}")
    (message,) = other_side.payloads
    assert is_sealed(message)
    signature, payload = opened(message)
    assert key.public.verifies(signature, "batch", "acme", "edge-1", payload)
    assert decode_batch(payload).batch_id == "one"
