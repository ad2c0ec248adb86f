"""Children are stopped by the process that was started; one that dies is reported with the end of its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.clock import monotonic_s
from gateway.demo.children import Child, ChildDied, stop_all


def wait_until_dead(child: Child) -> ChildDied:
    until_s = monotonic_s() + 20
    while monotonic_s() < until_s:
        try:
            child.check()
        except ChildDied as death:
            return death
    raise AssertionError("the child still runs")


def test_a_dead_child_is_reported_with_code_and_log(tmp_path: Path) -> None:
    child = Child("the gateway", ["no-such-command"], tmp_path / "logs" / "gateway.log", {})
    message = str(wait_until_dead(child))
    assert "the gateway ended with exit code 2" in message
    assert "no-such-command" in message


def test_a_running_child_passes_the_check_and_ends_when_asked(tmp_path: Path) -> None:
    child = Child("a command", ["--help"], tmp_path / "help.log", {})
    child.check()
    assert stop_all([child], timeout_s=20) == []
    with pytest.raises(ChildDied):
        child.check()
