"""Shell scripts are plain sh, and the broker's first accounts let in who they should and nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ACCOUNTS = {
    "BROKER_ADMIN_USER": "admin",
    "BROKER_ADMIN_PASSWORD": "admin-secret",
    "BROKER_USER": "gateway",
    "BROKER_PASSWORD": "gateway-secret",
}


def test_scripts_are_plain_sh(project: Any) -> None:
    scripts = [path for path in project.files if path.endswith(".sh") or path == ".ci/run"]
    assert len(scripts) >= 6
    for path in scripts:
        assert project.read(path).startswith("#!/bin/sh\n"), path
        result = subprocess.run(["sh", "-n", str(ROOT / path)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert "[[" not in project.read(path), f"{path} needs more than sh"


def test_ci_does_nothing_that_the_readme_does_not_tell(project: Any) -> None:
    commands = [line for line in project.read(".ci/run").splitlines() if line.startswith("make ")]
    assert commands == ["make check", "make test"]
    assert "make test" in project.documents["README.md"]
    assert "make check" in project.documents["CONTRIBUTING.md"]


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[int]:
    """A mosquitto with the accounts of deploy/mosquitto/accounts.sh; gives its port."""
    plugins = sorted(Path("/usr/lib").glob("**/mosquitto_dynamic_security.so"))
    if not plugins:
        pytest.fail("mosquitto is here, its dynamic-security plugin is not: reinstall the package mosquitto")
    store, port = tmp_path / "store.json", free_port()
    environment = {**os.environ, **ACCOUNTS, "MOSQUITTO_PLUGIN": str(plugins[0])}
    script = ROOT / "deploy" / "mosquitto" / "accounts.sh"
    subprocess.run(["sh", str(script), str(store), str(free_port())], env=environment, check=True, timeout=60)
    config = tmp_path / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous false", f"plugin {plugins[0]}"]
    lines += [f"plugin_opt_config_file {store}", *(["user root"] if os.geteuid() == 0 else [])]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    process = subprocess.Popen([str(shutil.which("mosquitto")), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def subscribes(port: int, user: str, password: str, topic: str) -> bool:
    """Whether a client may log in and subscribe. Tries again while the broker is still starting."""
    command = [str(shutil.which("mosquitto_sub")), "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-E", "-W", "3"]
    command += ["-u", user, "-P", password] if user else []
    for _ in range(50):
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        if "refused" not in result.stderr.lower() or "not authori" in result.stderr.lower():
            return result.returncode == 0 and "denied" not in result.stderr.lower()
    raise AssertionError(f"the broker does not answer: {result.stderr}")


@pytest.mark.real("mosquitto")
def test_first_accounts_let_in_the_gateway_and_nobody_else(broker: int) -> None:
    assert subscribes(broker, "gateway", "gateway-secret", "tanmai/v1/#")
    assert not subscribes(broker, "gateway", "wrong", "tanmai/v1/#")
    assert not subscribes(broker, "", "", "tanmai/v1/#")
    assert subscribes(broker, "admin", "admin-secret", "$CONTROL/dynamic-security/v1/response")
