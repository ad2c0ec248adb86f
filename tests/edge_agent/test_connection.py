"""Which MQTT version to speak and how long to wait, without a network."""

from __future__ import annotations

import pytest

from edge_agent.connection import (
    LONGEST_RECONNECT_S,
    REFUSAL_KEPT_S,
    Connection,
    VersionChoice,
    reconnect_delay_s,
)


def test_reconnect_waits_grow_to_a_limit_and_differ_by_chance() -> None:
    assert [reconnect_delay_s(attempt, 0.0) for attempt in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert reconnect_delay_s(3, 0.999) == pytest.approx(4, abs=0.01)
    assert reconnect_delay_s(10_000, 0.0) == LONGEST_RECONNECT_S


def test_refusal_of_5_is_remembered_and_tried_again_later() -> None:
    choice = VersionChoice()
    assert choice.choose(0.0) == "5"
    assert choice.refused("5", 0.0)
    assert choice.choose(1.0) == "3.1.1"
    choice.stood("3.1.1", 1.0)
    assert choice.choose(REFUSAL_KEPT_S - 1) == "3.1.1"
    assert choice.choose(REFUSAL_KEPT_S + 1) == "5"


def test_broker_that_ends_without_a_word_is_tried_with_either_until_one_stands() -> None:
    choice = VersionChoice()
    spoken = []
    for _ in range(4):
        spoken.append(choice.choose(0.0))
        choice.unanswered(spoken[-1])
    assert spoken == ["5", "3.1.1", "5", "3.1.1"]
    choice.unanswered("5")
    choice.stood("3.1.1", 10.0)
    choice.unanswered("3.1.1")  # later losses say nothing about the version
    assert choice.choose(11.0) == "3.1.1"
    assert choice.choose(11.0 + REFUSAL_KEPT_S) == "5"


@pytest.mark.parametrize("wanted", ["5", "3.1.1"])
def test_wanted_version_is_never_left(wanted: str) -> None:
    choice = VersionChoice(wanted)
    assert not choice.refused("5", 0.0)
    choice.unanswered("5")
    assert choice.choose(0.0) == wanted


def test_password_stands_in_no_text_of_the_connection() -> None:
    assert "secret" not in repr(Connection("mqtt://localhost", "acme", "edge-1", "name", "secret"))
