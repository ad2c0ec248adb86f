"""Configurations from afar: taken from whom, tried how, and what a kill at any instant leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from collectors.agent_config import AgentConfig, encode_config
from collectors.errors import ConfigurationError
from collectors.seals import SigningKey, seal
from edge_agent.agent import EdgeAgent
from edge_agent.config_state import MAX_STARTS, ConfigFile, ConfigState
from edge_agent.reconfiguration import DRAIN_S, SETTLE_S, Reconfiguration, settings_at_start
from edge_agent.settings import EdgeSettings, load_settings
from edge_agent.trial import CYCLES, Asked

NOW = 1_760_000_000_000
OWN_FILE = """
agent: {enterprise: acme, id: edge-1}
gateway: {mqtt: "mqtt://127.0.0.1:1"}
buses: [{id: bus-1, driver: modbus-tcp, host: 127.0.0.1}]
devices: [{id: m1, bus: bus-1, unit: 1, profile: eastron-sdm630}]
"""
GOOD = "devices: [{id: m1, bus: bus-1, unit: 2, profile: eastron-sdm630, every_s: 5}]"
DEAD = "devices: [{id: m1, bus: bus-1, unit: 9, profile: eastron-sdm630}]"
UNSTARTABLE = "devices: [{id: m1, bus: bus-1, unit: 66, profile: eastron-sdm630}]"
REFUSED = "devices: [{id: m1, bus: bus-7, unit: 2, profile: eastron-sdm630}]"
ANSWERING = {1, 2}  # units


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


@dataclass
class World:
    """The agent's disk, its meters, and an instant at which it is killed."""

    path: Path
    key: SigningKey
    kill_at: int | None = None
    instants: int = 0
    running: EdgeSettings | None = None  # what the workers go by
    tried: Counter[str] = field(default_factory=Counter)  # texts that workers were changed to

    def instant(self) -> None:
        self.instants += 1
        if self.instants == self.kill_at:
            raise Killed

    def message(self, version: int, text: str, agent: str = "edge-1", key: SigningKey | None = None) -> bytes:
        payload = encode_config(AgentConfig("acme", agent, version, NOW, text))
        return seal(payload, (key or self.key).sign("config", "acme", agent, payload))


class WatchedFile(ConfigFile):
    """Kills before and after a save: a replaced file is old or new, there is nothing between."""

    def __init__(self, world: World) -> None:
        super().__init__(world.path.with_name("state.json"))
        self._world = world

    def save(self, state: ConfigState) -> None:
        self._world.instant()
        super().save(state)
        self._world.instant()


@dataclass
class FakeAgent:
    """What a reconfiguration sees of an agent; also its health and its workers."""

    world: World
    counts: dict[str, Asked] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    held: bool = False
    idle: bool = True
    config_status: dict[str, Any] = field(default_factory=dict)

    @property
    def health(self) -> FakeAgent:
        return self

    def asked(self) -> dict[str, Asked]:
        return dict(self.counts)

    def alive(self) -> frozenset[str]:
        return frozenset(name for name, one in self.counts.items() if one.answers and not self.failures[name])

    def hold(self) -> None:
        self.held = True

    def renew_status(self) -> None:
        """Nothing is published here."""

    def change(self, settings: EdgeSettings, _agent: Any, _now_ms: int) -> None:
        self.world.instant()
        if any(device.section.unit == 66 for device in settings.devices):
            raise OSError("no such port")
        self.world.running = settings
        self.world.tried[str([device.section.unit for device in settings.devices])] += 1
        self.counts = {device.id: self.counts.get(device.id, Asked(0, 0)) for device in settings.devices}
        self.held = False
        self.world.instant()

    def poll(self) -> None:
        """Ask each device once."""
        if self.held or self.world.running is None:
            return
        for device in self.world.running.devices:
            before, answers = self.counts.get(device.id, Asked(0, 0)), device.section.unit in ANSWERING
            self.counts[device.id] = Asked(before.polls + 1, before.answers + answers)
            self.failures[device.id] = 0 if answers else self.failures[device.id] + 1


class Life:
    """The agent between a start and its end."""

    def __init__(self, world: World, load: Callable[[str], EdgeSettings]) -> None:
        self.world = world
        file = WatchedFile(world)
        self.state, settings = settings_at_start(file, load, NOW)
        world.running = settings
        self.agent = FakeAgent(world, {device.id: Asked(0, 0) for device in settings.devices})
        keys = {world.key.public.raw_key_id: world.key.public}
        self.afar = Reconfiguration(file, self.state, settings, load, keys, lambda: None)
        self.seconds = 0.0

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.world.instant()
            self.agent.poll()
            self.afar.step(cast(EdgeAgent, self.agent), self.agent, NOW, self.seconds)
            self.seconds += 1

    @property
    def said(self) -> dict[str, Any]:
        return self.agent.config_status


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SigningKey]:
    directory = tmp_path_factory.mktemp("keys")
    return {name: SigningKey.make(directory / name) for name in ("gateway", "strange")}


@pytest.fixture
def world(tmp_path: Path, keys: dict[str, SigningKey]) -> World:
    path = tmp_path / "edge.yaml"
    path.write_text(OWN_FILE)
    return World(path, keys["gateway"])


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], EdgeSettings]:
    """Own file and sections from afar -> settings; each text is read once, for that reads all profiles."""
    path = tmp_path_factory.mktemp("own") / "edge.yaml"
    path.write_text(OWN_FILE)
    known: dict[str, EdgeSettings | ConfigurationError] = {}

    def loaded(text: str) -> EdgeSettings:
        if text not in known:
            try:
                known[text] = load_settings(path, text)
            except ConfigurationError as error:
                known[text] = error
        found = known[text]
        if isinstance(found, ConfigurationError):
            raise ConfigurationError(found.problems)
        return found

    return loaded


@pytest.fixture
def born(world: World, load: Callable[[str], EdgeSettings]) -> Callable[[], Life]:
    """Starts the agent on what is on its disk."""
    return partial(Life, world, load)


def units(world: World) -> list[int]:
    assert world.running is not None
    return [device.section.unit for device in world.running.devices]


def test_good_configuration_is_applied_and_stays_over_a_restart(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(3, GOOD))
    life.step(6)
    assert units(world) == [2]
    assert (life.said["version"], life.said["outcome"]["result"]) == (3, "applied")
    assert units(born().world) == [2]


def test_configuration_under_which_a_bus_falls_silent_is_rolled_back(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, GOOD))
    life.step(6)
    life.afar.take(world.message(2, DEAD))
    life.step(CYCLES + 6)
    assert units(world) == [2]
    assert (life.said["version"], life.said["highest"]) == (1, 2)
    outcome = life.said["outcome"]
    assert (outcome["version"], outcome["result"]) == (2, "rolled_back")
    assert "m1" in outcome["why"] and "bus-1" in outcome["why"]
    life.afar.take(world.message(2, DEAD))  # the retained message comes with every connection
    life.step(9)
    assert world.tried["[9]"] == 1


def test_configuration_that_cannot_start_is_rolled_back_at_once(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, UNSTARTABLE))
    life.step(4)
    assert units(world) == [1]
    assert life.said["outcome"]["why"] == "it cannot start: no such port"
    assert not life.agent.held


def test_configuration_with_problems_is_refused_with_all_of_them(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, REFUSED + "\nagent: {enterprise: acme, id: edge-2}"))
    life.step(3)
    outcome = life.said["outcome"]
    assert outcome["result"] == "refused"
    assert "there is no bus bus-7" in outcome["why"]
    assert "agent: cannot be changed from afar" in outcome["why"]
    assert sum(world.tried.values()) == 0


def test_withdrawn_configuration_leaves_the_own_file_in_force(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, GOOD))
    life.step(6)
    life.afar.take(world.message(2, ""))
    life.step(6)
    assert units(world) == [1]
    assert (life.said["version"], life.said["outcome"]["result"]) == (2, "applied")


def test_replayed_strange_misaddressed_and_damaged_messages_change_nothing(
    world: World, born: Callable[[], Life], keys: dict[str, SigningKey]
) -> None:
    life = born()
    life.afar.take(world.message(5, GOOD))
    life.step(6)
    wrong = {
        "older than 5": world.message(4, DEAD),
        "not among agent.trusted_config_keys": world.message(6, DEAD, key=keys["strange"]),
        "did not sign this for acme/edge-1": world.message(6, DEAD, agent="edge-2"),
        "did not sign this": world.message(6, DEAD)[:-1] + b" ",
        "no seal": b"{}",
        "within its seal": world.message(6, DEAD)[:50],
    }
    for number, (says, message) in enumerate(wrong.items(), 1):
        life.afar.take(message)
        life.step(2)
        assert says in life.said["last_refusal"]
        assert life.said["refused_messages"] == number
    assert (units(world), life.said["version"], life.said["highest"]) == ([2], 5, 5)


def test_seal_of_a_batch_is_none_of_a_configuration(world: World, born: Callable[[], Life]) -> None:
    payload = encode_config(AgentConfig("acme", "edge-1", 1, NOW, DEAD))
    life = born()
    life.afar.take(seal(payload, world.key.sign("batch", "acme", "edge-1", payload)))
    life.step(3)
    assert life.said["refused_messages"] == 1


def test_polls_that_run_are_waited_for_within_a_limit(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.agent.idle = False
    life.afar.take(world.message(1, GOOD))
    life.step(10)
    assert (units(world), life.agent.held) == ([1], True)
    life.seconds += DRAIN_S
    life.step(3)
    assert units(world) == [2]


def test_first_look_at_the_meters_comes_before_any_change(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.agent.held = True  # nothing is asked: the clock is not set, say
    life.afar.take(world.message(1, GOOD))
    life.step(5)
    assert sum(world.tried.values()) == 0
    life.seconds += SETTLE_S
    life.step(2)
    assert units(world) == [2]


def test_trial_that_ends_the_agent_again_and_again_is_rolled_back(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, DEAD))
    life.step(2)
    for _ in range(MAX_STARTS):
        assert units(born().world) == [9]
    last = born()
    last.step()
    assert units(world) == [1]
    assert last.said["outcome"]["result"] == "rolled_back"
    assert f"{MAX_STARTS} times" in last.said["outcome"]["why"]


def test_what_no_longer_fits_the_own_file_gives_way_to_it(world: World, born: Callable[[], Life]) -> None:
    life = born()
    life.afar.take(world.message(1, "buses: [{id: bus-2, driver: modbus-tcp}]\n" + GOOD.replace("bus-1", "bus-2")))
    life.step(6)
    assert life.said["version"] == 1
    state = msgspec.json.decode((world.path.with_name("state.json")).read_bytes(), type=ConfigState)
    ConfigFile(world.path.with_name("state.json")).save(ConfigState(1, REFUSED, state.highest))
    assert units(born().world) == [1]


def test_unreadable_state_is_set_aside_and_the_own_file_is_in_force(world: World, born: Callable[[], Life]) -> None:
    world.path.with_name("state.json").write_bytes(b"\x00 no state")
    assert born().state == ConfigState()
    assert world.path.with_name("state.json.unreadable").exists()


def test_own_file_that_is_wrong_still_starts_nothing(world: World) -> None:
    world.path.write_text(OWN_FILE.replace("bus: bus-1", "bus: bus-7"))
    with pytest.raises(ConfigurationError):
        settings_at_start(WatchedFile(world), partial(load_settings, world.path), NOW)


CASES: dict[str, tuple[str, str, list[int]]] = {  # text -> what becomes of it, units in the end
    "good": (GOOD, "applied", [2]),
    "dead": (DEAD, "rolled_back", [1]),
    "unstartable": (UNSTARTABLE, "rolled_back", [1]),
    "refused": (REFUSED, "refused", [1]),
}


@pytest.mark.parametrize("case", CASES)
def test_kill_at_any_instant_leaves_a_working_agent_and_the_same_end(
    world: World, born: Callable[[], Life], case: str
) -> None:
    text, result, end = CASES[case]
    survived, kills = False, 0
    while not survived:
        kills += 1
        world.path.with_name("state.json").unlink(missing_ok=True)
        world.instants, world.kill_at, world.tried = 0, kills, Counter()
        try:
            survived = _whole_life(world, born, text)
        except Killed:
            world.kill_at = None
            assert _whole_life(world, born, text)
        said = ConfigFile(world.path.with_name("state.json")).load()
        assert said.outcome is not None
        assert (said.trial, said.outcome.version, said.outcome.result) == (None, 1, result)
        assert units(world) == end
    assert kills > 5


def _whole_life(world: World, born: Callable[[], Life], text: str) -> bool:
    """Start, hear the retained message, go on until everything is decided."""
    life = born()
    assert units(world) in ([1], [2], [9], [66])
    life.afar.take(world.message(1, text))
    life.step(CYCLES + 12)
    return True


@pytest.mark.parametrize("kills", range(1, MAX_STARTS + 2))
def test_several_kills_in_a_row_leave_old_or_new(world: World, born: Callable[[], Life], kills: int) -> None:
    for _ in range(kills):
        world.instants, world.kill_at = 0, 6
        with pytest.raises(Killed):
            _whole_life(world, born, GOOD)
    world.kill_at = None
    _whole_life(world, born, GOOD)
    assert units(world) in ([1], [2])
