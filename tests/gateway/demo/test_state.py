"""A demo's memory survives a restart and is readable only by its owner."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from collectors.errors import ConfigurationError
from gateway.demo.park import first_state
from gateway.demo.plant import DAY_MS, local
from gateway.demo.state import FILE, load_state


def test_first_start_has_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None


def test_state_comes_back_as_it_was_saved(tmp_path: Path, noon_ms: int) -> None:
    state = first_state(noon_ms, 60)
    state.tokens["park p"] = "tm_a_b"
    state.history_until_ms["e/edge-1"] = noon_ms
    state.save(tmp_path)
    assert load_state(tmp_path) == state
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_history_begins_the_wanted_days_ago_and_the_anchor_before_it(noon_ms: int) -> None:
    state = first_state(noon_ms, 60)
    assert state.history_from_ms == noon_ms - 60 * DAY_MS
    assert state.anchor_ms <= state.history_from_ms
    assert local(state.anchor_ms).weekday() == 0


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', '{"anchor_ms": "x"}'])
def test_a_spoiled_state_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="another --data-dir"):
        load_state(tmp_path)
