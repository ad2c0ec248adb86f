"""A trial's judgement: which devices must answer under a configuration from afar, and when it stands or falls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.trial import CYCLES, Asked, Witnesses, judged, witnesses


def test_each_bus_that_was_alive_must_show_a_sign_of_life() -> None:
    bus_of = {"m1": "bus-1", "m2": "bus-1", "m3": "bus-2", "m4": "bus-3"}
    groups = witnesses(bus_of, ["m1", "m3"], ["bus-1", "bus-2"])
    assert groups == (
        Witnesses("bus bus-1", frozenset({"m1"})),
        Witnesses("bus bus-2", frozenset({"m3"})),
    )
    assert judged(groups, {"m1": Asked(1, 1), "m3": Asked(2, 0)}) == (None, "")
    assert judged(groups, {"m1": Asked(1, 1), "m3": Asked(9, 1)}) == (True, "")
    works, why = judged(groups, {"m1": Asked(1, 1), "m3": Asked(CYCLES, 0)})
    assert works is False and "bus bus-2" in why and "m3" in why


def test_renamed_devices_witness_for_their_bus_and_renamed_buses_for_all() -> None:
    assert witnesses({"new": "bus-1"}, ["old"], ["bus-1"]) == (Witnesses("bus bus-1", frozenset({"new"})),)
    assert witnesses({"new": "bus-9", "other": "bus-8"}, ["old"], ["bus-1"]) == (
        Witnesses("any bus", frozenset({"new", "other"})),
    )


def test_what_nothing_was_alive_before_stands_as_soon_as_it_runs() -> None:
    assert judged(witnesses({"m1": "bus-1"}, [], []), {}) == (True, "")


@given(
    bus_of=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz"), min_size=1),
    alive=st.sets(st.sampled_from("abcdef")),
    asked=st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 5), st.integers(0, 2))),
)
def test_no_configuration_that_silences_everything_is_kept_and_none_that_answers_everywhere_is_lost(
    bus_of: dict[str, str], alive: set[str], asked: dict[str, tuple[int, int]]
) -> None:
    groups = witnesses(bus_of, alive, {bus_of[one] for one in alive if one in bus_of})
    seen = {name: Asked(polls + answers, answers) for name, (polls, answers) in asked.items()}
    works, _ = judged(groups, seen)
    if alive and not any(one.answers for name, one in seen.items() if name in bus_of):
        assert works is not True
    if all(seen.get(name, Asked(0, 0)).answers for name in bus_of):
        assert works is True
