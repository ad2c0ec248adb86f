"""A test whose real server is missing is skipped by name on a laptop and fails where nothing may be skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEST = """
import pytest

@pytest.mark.real("{server}")
def test_with_a_real_server():
    pass
"""


@pytest.fixture
def run(tmp_path: Path) -> object:
    """Run a marked test in a project of its own, where no program is on the PATH."""

    def run(server: str, ci: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = real(server)\n", encoding="utf-8")
        (tmp_path / "test_it.py").write_text(TEST.format(server=server), encoding="utf-8")
        environment = {"PATH": str(tmp_path), "CI": ci, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:schemathesis", "."]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_without_the_server_it_is_skipped_and_named(run: object) -> None:
    result = run("influxdb")  # type: ignore[operator]
    assert result.returncode == 0, result.stdout
    assert "not tested on this machine" in result.stdout
    assert "1 tests need influxdb (apt-get install influxdb)" in result.stdout


def test_in_ci_a_missing_server_fails(run: object) -> None:
    result = run("influxdb", ci="true")  # type: ignore[operator]
    assert result.returncode == 1, result.stdout
    assert "with CI=true nothing may be skipped" in result.stdout


def test_a_mark_that_names_no_server_is_a_mistake(run: object) -> None:
    result = run("influxdbb")  # type: ignore[operator]
    assert result.returncode != 0
    assert "names no server" in result.stdout + result.stderr
